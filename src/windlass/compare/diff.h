// What moved between two explanations.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "windlass/base/json.h"
#include "windlass/compare/explanation.h"
#include "windlass/compare/totals.h"

namespace windlass::compare {

// Called after each block of rows read; may throw to stop.
using Tick = std::function<void(std::int64_t rows)>;

struct Pairing {
  bool paired = false;
  std::string reason;
};

// `wish`: "auto", "paired" or "independent". auto pairs rows where both summaries have the same
// digest of the values explained.
Pairing ChoosePairing(const Explanation& a, const Explanation& b, const std::string& wish);

struct MovedRow {
  std::int64_t row = 0;
  double a = 0, b = 0;      // predictions
  double base = 0;          // change of the base value
  std::vector<double> phi;  // [groups]: changes

  double change() const { return b - a; }
};

struct GroupDiff {
  std::size_t group = 0;  // of the layout
  char only = 0;          // 'a' or 'b' where the other run lacks the group
  Change mean;            // of attributions
  Change importance;      // of their absolute values
  Distance distance;      // of their distributions

  double moved() const;  // by what groups are ordered
};

struct OutputDiff {
  Change prediction;  // mean prediction; equals base value plus means of all groups
  Change base;
  double remainder = 0;           // what rounding leaves of that
  std::vector<GroupDiff> groups;  // those that moved most first
  std::vector<MovedRow> rows;     // paired: those that moved most first; none that did not
};

struct DiffResult {
  Explanation a, b;
  Layout layout;
  Pairing pairing;
  std::int64_t rows_a = 0, rows_b = 0;        // that count
  std::int64_t failed_a = 0, failed_b = 0;    // left out as theirs is not a number
  std::int64_t failed_pairs = 0;              // instead of both, where rows are paired
  std::int64_t sampled_a = 0, sampled_b = 0;  // that distances look at
  std::size_t tests = 0;                      // that p-values are adjusted for
  std::vector<OutputDiff> outputs;
};

constexpr double kLevel = 0.05;
constexpr std::size_t kMovedRows = 20;

// Reads both runs once. With paired rows, a row that failed in one is left out of both.
//
// Throws as OpenExplanation and ExplanationReader do, and Error{kInvalidInput} when links differ,
// no output is in both, no row counts, or rows that are to be paired do not have the same numbers.
DiffResult Diff(const Explanation& a, const Explanation& b, const std::string& pairing,
                const Tick& tick);

Json ToJson(const DiffResult& result);

// Numbers as JSON: null for what is not finite.
Json Number(double value);
Json ToJson(const Change& change);
Json ToJson(const Distance& distance);
Json ToJson(const Explanation& run);
// The places of runs that have no summary.json with a link: theirs is taken to be that of the
// others.
Json LinksUnknown(const std::vector<Explanation>& runs);

}  // namespace windlass::compare
