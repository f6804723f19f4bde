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
  std::int64_t rows = 0;    // that count; 0 where all failed: it is in no comparison
  std::int64_t failed = 0;  // left out as theirs is not a number
  std::vector<bool> has;    // [groups]: whether its run has them

  bool Has(std::size_t group) const { return rows > 0 && has[group]; }
};

// A group in one period.
struct GroupPeriod {
  Estimate mean, importance;
  // Against the reference; in the reference itself, and where one of the two lacks the group or
  // rows, they say nothing (`compared` is false).
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

  std::size_t alarms() const;
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

// Periods x groups x outputs: more are refused, as a job would take gigabytes. Of them summary.json
// and report.html list no more than a browser can draw: the groups of each output that drifted
// most.
constexpr std::size_t kMostCells = 200'000;
constexpr std::size_t kListedCells = 24'000;
constexpr std::size_t kListedGroups = 60;

// A period a run, in the order given. Needs two runs or more. `reference`: a period's name; empty:
// the first. Throws as OpenExplanation and ExplanationReader do, and Error{kInvalidInput, kUsage}
// when links differ, no output is in all runs, the reference or all other periods have no row that
// counts, no period is called `reference`, or there are more than kMostCells.
DriftResult DriftOfRuns(const std::vector<Explanation>& runs, const std::string& reference,
                        const Tick& tick);

// The periods of one run that `column` of its data names (see OpenPeriods). `data`: a table with a
// row for each row explained.
DriftResult DriftByColumn(const Explanation& run, const std::string& data,
                          const std::string& column, std::int64_t bins,
                          const std::string& reference, const Tick& tick);

// Lists up to kListedGroups groups of each output, fewer where kListedCells would not hold them;
// outputs beyond those are left out with all of theirs.
Json ToJson(const DriftResult& result);

}  // namespace windlass::compare
