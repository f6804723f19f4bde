// Rows as the splits of trees see them: for every split, one comparison of 16-bit integers.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <tuple>
#include <vector>

#include "windlass/model/trees.h"

namespace windlass::explain {

class SplitCodes {
 public:
  // A row goes left at a split when its code in `view` is below `rank`.
  struct Split {
    std::int32_t view = 0;
    std::int16_t rank = 0;
  };

  // The most distinct thresholds of a column.
  static constexpr std::int64_t kMaxThresholds = 32000;

  // For the nodes of these trees. Throws Error{kInternal} when a column has too many thresholds.
  SplitCodes(const model::TreeEnsemble& ensemble, std::span<const std::int32_t> trees);

  std::int64_t views() const { return std::ssize(views_); }
  Split Of(const model::TreeNode& node) const;

  // x: [rows, columns]. codes: [views, stride], of which the first `rows` are written.
  void Encode(const double* x, std::int64_t rows, std::int64_t columns, std::int64_t stride,
              std::int16_t* codes) const;

 private:
  // A column's values as ranks among its thresholds, with missing values below or above them all;
  // or, for a split that is no plain comparison, 0 where the row goes left and 1 where right.
  struct View {
    std::int32_t column = 0;
    bool missing_left = false;
    bool zero_is_missing = false;
    std::int32_t predicate = -1;  // index in predicates_
  };
  using Key = std::tuple<std::int32_t, bool, bool, std::int32_t, bool, bool, double>;

  static Key KeyOf(const model::TreeNode& node);

  const model::TreeEnsemble* ensemble_;
  std::vector<std::vector<double>> thresholds_;  // [columns], ascending
  std::vector<View> views_;
  std::vector<model::TreeNode> predicates_;
  std::map<Key, std::int32_t> view_of_;
};

}  // namespace windlass::explain
