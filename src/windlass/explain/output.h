// What explain writes: attributions.parquet row by row, and what the report and the summary need.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "windlass/base/json.h"
#include "windlass/base/reservoir.h"
#include "windlass/explain/cohorts.h"
#include "windlass/explain/explainer.h"
#include "windlass/explain/make_plan.h"
#include "windlass/explain/report.h"
#include "windlass/table/table.h"

namespace windlass::explain {

class OutputWriter {
 public:
  static constexpr std::int64_t kReportRows = 10'000;

  // `interactions` is written when the plan wants pairs: a column a group, of what is left to it
  // alone, and one a pair, "A*B"; base_value and all of them add up to prediction. Sampled pairs
  // come with "A*B.low" and "A*B.high".
  OutputWriter(const PreparedPlan& prepared, const std::filesystem::path& attributions,
               const std::filesystem::path& interactions);

  // The next rows, in their order. `values`: [rows, columns] as they were explained.
  void Append(std::int64_t rows, const double* values, const Attributions& attributions);
  void Close();

  // What tasks told; before the first one, and when there is none, not a number.
  const std::vector<double>& base_value() const { return base_value_; }

  std::int64_t rows() const { return rows_; }
  std::int64_t failed_rows() const { return failed_rows_; }
  std::int64_t model_evaluations() const { return model_evaluations_; }
  // Of methods that sample.
  std::int64_t coalitions() const { return coalitions_; }
  std::int64_t coalitions_saved() const { return coalitions_saved_; }
  std::int64_t rows_above_tolerance() const { return rows_above_tolerance_; }

  // mean |phi| over all rows that did not fail, [outputs, groups].
  std::vector<double> Importance() const;

  // Half widths of intervals of Importance, [outputs, groups]: the mean of those of the rows, which
  // is on the safe side. Rows share their coalitions, so that their errors may all go one way and
  // must not be averaged out. Empty where there are no intervals.
  std::vector<double> ImportanceHalfWidth() const;

  // The mean of Attributions::ranked over the same rows, [outputs]; empty likewise.
  std::vector<double> MeanRanked() const;
  // mean |interaction| over the same rows, [outputs, pairs]; empty without pairs.
  std::vector<double> PairImportance() const;
  // Half widths of their intervals, as ImportanceHalfWidth; empty where there are none.
  std::vector<double> PairHalfWidth() const;

  // Means of the cohorts that the plan has, over the same rows; else without names.
  ReportCohorts CohortMeans() const;

  // The report's data but for texts that the caller knows (model, data, version).
  ReportData Report() const;

 private:
  // A row that may be shown: of more than kReportRows, those with the smallest random keys are
  // kept, a sample that depends on the row numbers alone.
  struct Shown {
    std::int64_t row;
    std::vector<double> prediction, phi, values;
    std::vector<double> half_width;    // of methods that sample, as those of Attributions
    std::vector<std::int32_t> ranked;  // likewise
    int cohort = 0;                    // where the plan has cohorts
  };
  void AppendPairs(std::vector<table::OutputValues> columns, const Attributions& attributions);
  std::vector<double> Mean(std::vector<double> sums) const;
  void Offer(const double* values, const Attributions& attributions, std::int64_t r, int cohort);
  int AddToCohort(const double* values, const Attributions& attributions, std::int64_t r,
                  const std::vector<int>& known);
  std::vector<const Shown*> Sorted() const;
  void FillGroup(std::size_t group, ReportGroup& described, std::vector<double>& value,
                 const std::vector<const Shown*>& shown) const;

  const PreparedPlan& prepared_;
  std::vector<double> base_value_;
  std::unique_ptr<table::Writer> writer_;
  std::unique_ptr<table::Writer> pairs_writer_;  // null without pairs
  std::vector<double> absolute_;                 // [outputs, groups]: sum of |phi|
  std::vector<double> half_width_;               // [outputs, groups]: sum, where there are any
  std::vector<double> ranked_;                   // [outputs]: sum, likewise
  std::vector<double> absolute_pairs_;           // [outputs, pairs]: the same of interactions
  std::vector<double> pairs_half_width_;         // [outputs, pairs]: sum, where there are any
  std::optional<CohortSums> cohorts_;            // where the plan has cohorts
  std::unique_ptr<LabelCohorts::Rows> labels_;   // by a column that is no input
  Reservoir kept_{kReportRows};
  std::vector<Shown> shown_;  // those kept, in their slots
  std::int64_t rows_ = 0;
  std::int64_t failed_rows_ = 0;
  std::int64_t model_evaluations_ = 0;
  std::int64_t coalitions_ = 0;
  std::int64_t coalitions_saved_ = 0;
  std::int64_t rows_above_tolerance_ = 0;
};

}  // namespace windlass::explain
