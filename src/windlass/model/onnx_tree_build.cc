#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <utility>

#include "windlass/model/invalid_internal.h"
#include "windlass/model/onnx_trees_internal.h"

namespace windlass::model {
namespace {

// Doubles in their order as integers; both zeros are 0.
std::int64_t RankOf(double x) {
  const auto bits = std::bit_cast<std::int64_t>(x);
  return bits >= 0 ? bits : std::numeric_limits<std::int64_t>::min() - bits;
}
double OfRank(std::int64_t rank) {
  return rank >= 0 ? std::bit_cast<double>(rank) : -std::bit_cast<double>(-rank);
}

// The number t for which x >= t says what `holds` says of every finite x, given that it holds for
// all above one for which it does.
template <typename Predicate>
double Least(Predicate holds) {
  constexpr double kMost = std::numeric_limits<double>::max();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (holds(-kMost)) return -kInfinity;
  if (!holds(kMost)) return kInfinity;
  std::int64_t below = RankOf(-kMost), above = RankOf(kMost);
  while (above - 1 > below) {
    const std::int64_t middle = std::midpoint(below, above);
    (holds(OfRank(middle)) ? above : below) = middle;
  }
  return OfRank(above);
}

class TreesBuilder {
 public:
  TreesBuilder(OnnxForest forest, const OnnxTreeColumns& columns, std::int64_t table_columns)
      : forest_(std::move(forest)), columns_(columns) {
    result_.activation = forest_.activation;
    result_.ensemble.base = forest_.base;
    result_.ensemble.columns = table_columns;
  }

  // A tree for each output that its leaves add to.
  std::optional<OnnxTrees> Build() {
    if (columns_.single && forest_.in_double) return {};
    AddSets();
    const auto tree_and_output = [](const OnnxLeafWeight& w) {
      return std::pair(w.tree, w.output);
    };
    std::ranges::stable_sort(forest_.weights, {}, tree_and_output);
    for (auto rest = std::span(forest_.weights); !rest.empty();) {
      const auto last =
          std::ranges::upper_bound(rest, tree_and_output(rest.front()), {}, tree_and_output);
      const auto count = static_cast<std::size_t>(last - rest.begin());
      const OnnxForest::Tree& tree = forest_.trees[rest.front().tree];
      forest_.room -= tree.end - tree.begin;
      if (forest_.room < 0 || !BuildTree(tree, rest.first(count))) return {};
      rest = rest.subspan(count);
    }
    return std::move(result_);
  }

 private:
  // The tree of one output, to which its leaves add these weights.
  bool BuildTree(const OnnxForest::Tree& tree, std::span<const OnnxLeafWeight> weights) {
    const bool one_output = result_.ensemble.base.size() == 1;
    std::vector<double> leaf(tree.end - tree.begin, 0.0);
    std::vector<bool> weighted(leaf.size(), false);
    for (const OnnxLeafWeight& w : weights) {
      // Of one output the runtime takes the first weight of a leaf only.
      if (weighted[w.node]) return false;
      weighted[w.node] = true;
      leaf[w.node] = w.value;
    }
    builder_.Begin(tree.end - tree.begin);
    for (std::int32_t i = 0; i < std::ssize(leaf); ++i) {
      const OnnxTreeNode& node = forest_.nodes[tree.begin + i];
      if (!forest_.hit_rates.empty()) builder_.SetCover(i, forest_.hit_rates[tree.begin + i]);
      if (node.mode != OnnxTreeMode::kLeaf) {
        if (!AddSplit(node, i)) return false;
        continue;
      }
      // Without a weight it has the value of its node there.
      if (one_output && !weighted[i] && node.value != 0) return false;
      builder_.SetLeaf(i, leaf[i]);
    }
    builder_.Finish(static_cast<std::int32_t>(weights.front().output));
    return true;
  }

  // In the order of the forest, so that a set's index is the same here and there.
  void AddSets() {
    for (const OnnxTreeNode& node : forest_.nodes) {
      if (node.set >= 0) forest_.sets[node.set].rule.single = columns_.At(node.column).rounded();
    }
    for (const OnnxForest::Set& set : forest_.sets) {
      builder_.AddCategories(std::span(forest_.members).subspan(set.begin, set.end - set.begin),
                             set.rule);
    }
  }

  bool AddSplit(const OnnxTreeNode& from, std::int32_t index) {
    const OnnxTreeColumn column = columns_.At(from.column);
    if (column.table < 0 || !std::in_range<std::int32_t>(column.table)) return false;
    TreeNode node;
    node.column = static_cast<std::int32_t>(column.table);
    bool true_is_left = true;
    if (IsComparison(from.mode)) {
      true_is_left = Compare(from, column, node);
    } else {
      if (!column.plain()) return false;  // several numbers may become the one
      true_is_left = LookUp(from, column, node);
    }
    builder_.SetSplit(index, node, true_is_left ? from.if_true : from.if_false,
                      true_is_left ? from.if_false : from.if_true);
    return true;
  }

  static bool IsComparison(OnnxTreeMode mode) {
    return mode == OnnxTreeMode::kLessEqual || mode == OnnxTreeMode::kLess ||
           mode == OnnxTreeMode::kGreaterEqual || mode == OnnxTreeMode::kGreater;
  }

  // Whether a value of the tensor goes to the true side.
  static bool Holds(const OnnxTreeNode& node, double value) {
    switch (node.mode) {
      case OnnxTreeMode::kLessEqual: return value <= node.value;
      case OnnxTreeMode::kLess: return value < node.value;
      case OnnxTreeMode::kGreaterEqual: return value >= node.value;
      default: return value > node.value;
    }
  }

  // Makes `node` of a comparison with a number; whether its true side is then the left one.
  bool Compare(const OnnxTreeNode& from, const OnnxTreeColumn& column, TreeNode& node) const {
    const bool less = from.mode == OnnxTreeMode::kLessEqual || from.mode == OnnxTreeMode::kLess;
    const bool true_is_left = less != column.falls();
    // A number for < and its other side >=, or for <= and >.
    const bool open = from.mode == OnnxTreeMode::kLess || from.mode == OnnxTreeMode::kGreaterEqual;
    if (!column.rounded()) {
      node.number = open ? from.value : LessEqual(from.value);
    } else if (column.plain() && columns_.single) {
      const auto value = static_cast<float>(from.value);
      node.number = open ? FloatLess(value) : FloatLessEqual(value);
    } else {
      if (std::isnan(from.value)) ThrowInvalid("a threshold is not a number");
      node.number = Least([&](double x) { return Holds(from, column.Apply(x)) != true_is_left; });
    }
    const double missing = column.Apply(std::numeric_limits<double>::quiet_NaN());
    const bool missing_true = std::isnan(missing) ? from.missing_true : Holds(from, missing);
    node.missing_left = missing_true == true_is_left;
    return true_is_left;
  }

  // The same of an equation or a set.
  bool LookUp(const OnnxTreeNode& from, const OnnxTreeColumn& column, TreeNode& node) const {
    node.missing_left = from.missing_true;
    if (from.mode == OnnxTreeMode::kMember) {
      node.categories = from.set;
      return true;
    }
    node.equal = true;
    node.single = column.rounded();
    node.number = from.value;
    if (from.mode == OnnxTreeMode::kEqual) return true;
    node.missing_left = false;  // a missing value equals nothing
    return false;
  }

  OnnxForest forest_;
  const OnnxTreeColumns& columns_;
  OnnxTrees result_;
  TreeBuilder builder_{result_.ensemble};
};

}  // namespace

std::optional<OnnxTrees> BuildOnnxTrees(OnnxForest forest, const OnnxTreeColumns& columns,
                                        std::int64_t table_columns) {
  return TreesBuilder(std::move(forest), columns, table_columns).Build();
}

}  // namespace windlass::model
