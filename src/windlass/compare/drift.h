// How attributions move over periods.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "windlass/base/json.h"
#include "windlass/compare/diff.h"
#include "windlass/compare/explanation.h"
#include "windlass/compare/totals.h"

namespace windlass::compare {

struct Period {
  std::string name;
  std::int64_t rows = 0;    // that count
  std::int64_t failed = 0;  // left out as theirs is not a number
  std::vector<bool> has;    // [groups]: whether its run has them
};

// A group in one period.
struct GroupPeriod {
  Estimate mean, importance;
  // Against the reference; in the reference itself, and where one of the two lacks the group, they
  // say nothing (`compared` is false).
  bool compared = false;
  Change mean_change, importance_change;
  Distance distance;

  bool alarm() const;
  double moved() const;
};

struct GroupDrift {
  std::size_t group = 0;             // of the layout
  std::vector<GroupPeriod> periods;  // [periods]
  double drift = 0;                  // the largest `moved` of all periods
};

struct OutputDrift {
  std::vector<Estimate> prediction, base;  // [periods]
  std::vector<GroupDrift> groups;          // the largest drift first
};

struct DriftResult {
  std::vector<Explanation> runs;
  Layout layout;
  std::string by;  // the column that names periods; empty: a run each
  std::vector<Period> periods;
  std::size_t reference = 0;
  std::int64_t rows_without_period = 0;
  std::int64_t sampled = 0;  // rows of a period that distances look at, at most
  std::size_t tests = 0;
  std::vector<OutputDrift> outputs;
};

// A period a run, in the order given. Needs two runs or more. `reference`: a period's name; empty:
// the first. Throws as OpenExplanation and ExplanationReader do, and Error{kInvalidInput, kUsage}
// when links differ, no output is in all runs, a period has no row, or no period is called
// `reference`.
DriftResult DriftOfRuns(const std::vector<Explanation>& runs, const std::string& reference,
                        const Tick& tick);

// The periods of one run that `column` of its data names (see OpenPeriods). `data`: a table with a
// row for each row explained.
DriftResult DriftByColumn(const Explanation& run, const std::string& data,
                          const std::string& column, std::int64_t bins,
                          const std::string& reference, const Tick& tick);

Json ToJson(const DriftResult& result);

}  // namespace windlass::compare
