// Cohorts: the rows of a job, split by one column or group, so that attributions can be told of
// each part.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "windlass/explain/groups.h"
#include "windlass/explain/report.h"
#include "windlass/table/table.h"

namespace windlass::explain {

// Which cohort a row is in. It follows from the spec and the background, never from the rows
// explained, so that a row is in the same cohort whatever its company.
class Cohorts {
 public:
  static constexpr int kNamed = 20;     // categories that have a cohort of their own; others share
  static constexpr int kQuantiles = 4;  // numbers are cut at the quartiles of the background

  // `by`: a group or a column. Categories, and groups of several 0/1 columns of which one is set,
  // have a cohort each, of more than kNamed those most frequent in the background (of equally
  // frequent ones the first codes). background: [rows, columns], weights: [rows]; both empty where
  // there is none.
  //
  // Throws Error{kInvalidInput} when nothing is called `by`, when it is a number and there is no
  // background to cut it by, or a group of several columns that are not such.
  Cohorts(std::string_view by, const table::Schema& columns, std::span<const Group> groups,
          std::span<const double> background, std::span<const double> weights);

  // Cohorts of rows that bring theirs with them (LabelCohorts): Of is not to be called.
  Cohorts(std::string by, std::vector<std::string> names)
      : by_(std::move(by)), names_(std::move(names)) {}

  const std::string& by() const { return by_; }

  // By index; some may turn out to have no rows.
  const std::vector<std::string>& names() const { return names_; }

  // row: [columns].
  int Of(const double* row) const;

 private:
  int CategoryOf(const double* row) const;  // -1: missing, -2: several at once
  void CheckOneHot(const table::Schema& columns, std::span<const double> background) const;
  void AddName(std::string name);
  void SplitNumbers(std::span<const double> background, std::span<const double> weights,
                    std::size_t width);
  void SplitCategories(std::span<const std::string> categories, std::span<const double> background,
                       std::span<const double> weights, std::size_t width);

  std::string by_;
  std::vector<int> columns_;
  std::vector<double> cuts_;  // ascending: up to and including which number a cohort goes
  std::vector<int> cohort_of_category_;  // empty: numbers
  int missing_ = 0;
  int several_ = 0;
  std::vector<std::string> names_;
};

// Where numbers are cut: at weighted quantiles that rows have, each once, none that has nothing
// above it. `ascending`: numbers with their weights.
std::vector<double> CutsOf(std::span<const std::pair<double, double>> ascending, int quantiles);

// What the parts between cuts are called: "up to 3", "above 3, up to 7", ...
std::vector<std::string> NamesOfParts(const std::vector<double>& cuts);

// Sums over the rows of each cohort, in the order in which rows come; of fixed size.
class CohortSums {
 public:
  // intervals: whether rows come with half widths.
  CohortSums(const Cohorts& cohorts, std::size_t outputs, std::size_t groups, bool intervals);

  // A row: values [columns], prediction [outputs], phi and half_width [outputs, groups], the last
  // null without intervals. Returns its cohort.
  int Add(const double* values, const double* prediction, const double* phi,
          const double* half_width);
  // The same for a row of a cohort that is known.
  void AddTo(int cohort, const double* prediction, const double* phi, const double* half_width);

  // Means of the cohorts that have rows. `member`: what Add returned for the rows of the page.
  ReportCohorts Means(std::span<const int> member) const;

 private:
  const Cohorts& cohorts_;
  std::size_t outputs_;
  std::size_t groups_;
  std::vector<std::int64_t> rows_;  // [cohorts]
  std::vector<double> prediction_;  // [cohorts, outputs]
  std::vector<double> absolute_;    // [cohorts, outputs, groups]
  std::vector<double> phi_;         // the same shape
  std::vector<double> half_width_;  // the same shape; empty without intervals
};

}  // namespace windlass::explain
