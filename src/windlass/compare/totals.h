// What is kept of the rows of one side of a comparison, in memory that does not grow with them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "windlass/base/reservoir.h"
#include "windlass/compare/explanation.h"
#include "windlass/compare/statistics.h"

namespace windlass::compare {

// Outputs and groups that a comparison looks at: those of all its runs together.
struct Layout {
  std::vector<std::string> outputs;  // that every run has; "0", alone, goes with any other alone
  std::vector<std::string> groups;   // that any run has
};

// Throws Error{kInvalidInput} naming both places when links differ, or what of the model was
// explained (--output), or when no output is in all runs.
Layout LayoutOf(const std::vector<Explanation>& runs);

// Throws Error{kInvalidInput} naming some groups of each where two runs share none: nothing of one
// could be compared with anything of the other.
void CheckGroups(const Explanation& a, const Explanation& b);

// In what else than model and data runs differ from the first that tells: a sentence each. Their
// attributions have one unit and add up, but are not the same values of the same game, so that they
// differ for the same model and rows already.
std::vector<std::string> OtherValues(const std::vector<Explanation>& runs);

// One row in a layout; a group that its run lacks contributes 0.
struct Row {
  std::int64_t number = 0;
  std::vector<double> base, prediction;  // [outputs]
  std::vector<double> phi, half_width;   // [outputs, groups]
};

// From a run's lines to a layout.
class RowMap {
 public:
  RowMap(const Explanation& run, const Layout& layout);

  bool has(std::size_t group) const { return group_[group] >= 0; }

  // False for a row that failed: a prediction or an attribution that is not a number.
  bool Fill(const Block& block, std::int64_t r, Row& row) const;

 private:
  std::vector<std::int64_t> output_;  // [layout's outputs]: the run's
  std::vector<std::int64_t> group_;   // [layout's groups]: the run's, or -1
  std::int64_t groups_;               // of the run
  bool intervals_;
};

// What comes out for one quantity of a side: indices for Moments.
struct Quantity {
  static constexpr std::size_t kBase = 0, kPrediction = 1, kFirst = 2;
  static std::size_t Phi(std::size_t g) { return kFirst + 2 * g; }
  static std::size_t Importance(std::size_t g) { return kFirst + 2 * g + 1; }
  static std::size_t Width(std::size_t groups) { return kFirst + 2 * groups; }
};

// A uniform sample of rows that depends on their numbers alone: those with the smallest random
// keys.
class RowSample {
 public:
  RowSample(std::size_t most, std::size_t width) : kept_(most), width_(width) {}

  void Offer(std::int64_t row, const std::vector<double>& values);  // [width]
  std::vector<double> Column(std::size_t i) const;
  std::size_t size() const { return kept_.size(); }

 private:
  Reservoir kept_;
  std::size_t width_;
  std::vector<double> values_;  // [kept, width]
};

// Rows of each side that a distance of distributions looks at, 64 to 4,096: `sides` samples of
// them together take at most 32 MiB where 64 rows do, and of drift's most cells about 100 MB.
std::size_t SampleRows(const Layout& layout, std::size_t sides);

class Totals {
 public:
  Totals(const Layout& layout, std::size_t sample_rows);

  void Add(const Row& row);
  void Fail() { ++failed_; }

  std::int64_t rows() const { return rows_; }  // that count
  std::int64_t failed() const { return failed_; }
  Estimate Of(std::size_t output, std::size_t quantity) const;
  double importance(std::size_t output) const;  // the sum of mean |phi| over groups
  std::vector<double> Sample(std::size_t output, std::size_t group) const;
  std::size_t sampled() const { return sample_.size(); }

 private:
  std::size_t groups_;
  std::int64_t rows_ = 0;
  std::int64_t failed_ = 0;
  std::vector<Moments> moments_;    // [outputs]
  std::vector<double> half_width_;  // [outputs, groups]: sums
  RowSample sample_;
  std::vector<double> line_;  // what Add works in
};

// The quantities of a row's output, as Moments takes them.
void Quantities(const Row& row, std::size_t output, std::size_t groups, std::vector<double>& line);

// What differences of attributions of this size are no more than rounding.
double RoundingOf(const Totals& a, const Totals& b, std::size_t output);

// How far apart the distributions of a group's attributions are. Where one side is sampled and the
// other exact they differ by the noise of the former, so that p is 1.
Distance DistanceOf(const Totals& a, const Totals& b, std::size_t output, std::size_t group);

}  // namespace windlass::compare
