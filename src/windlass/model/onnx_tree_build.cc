#include <algorithm>
#include <span>
#include <utility>

#include "windlass/model/onnx_trees_internal.h"

namespace windlass::model {
namespace {

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
    // In double precision, values that were rounded before are compared with thresholds that were
    // not: no form of ours.
    if (columns_.single ? forest_.in_double : columns_.rounded) return {};
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
    for (OnnxForest::Set& set : forest_.sets) {
      set.rule.single = columns_.single;
      builder_.AddCategories(std::span(forest_.members).subspan(set.begin, set.end - set.begin),
                             set.rule);
    }
  }

  bool AddSplit(const OnnxTreeNode& from, std::int32_t index) {
    const std::int64_t column = columns_.At(from.column);
    if (column < 0 || !std::in_range<std::int32_t>(column)) return false;
    TreeNode node;
    node.column = static_cast<std::int32_t>(column);
    const bool true_is_left = Compare(from, node);
    builder_.SetSplit(index, node, true_is_left ? from.if_true : from.if_false,
                      true_is_left ? from.if_false : from.if_true);
    return true;
  }

  double Less(double value) const {
    return columns_.single ? FloatLess(static_cast<float>(value)) : value;
  }
  double LessOrEqual(double value) const {
    return columns_.single ? FloatLessEqual(static_cast<float>(value)) : LessEqual(value);
  }

  // Makes the comparison that `from` makes; whether its true side is then the left one.
  bool Compare(const OnnxTreeNode& from, TreeNode& node) const {
    node.missing_left = from.missing_true;
    switch (from.mode) {
      case OnnxTreeMode::kLeaf: break;
      case OnnxTreeMode::kMember: node.categories = from.set; break;
      case OnnxTreeMode::kLessEqual: node.number = LessOrEqual(from.value); break;
      case OnnxTreeMode::kLess: node.number = Less(from.value); break;
      case OnnxTreeMode::kGreaterEqual:
      case OnnxTreeMode::kGreater:
        // The other side of < and <=; a missing value is neither.
        node.number =
            from.mode == OnnxTreeMode::kGreaterEqual ? Less(from.value) : LessOrEqual(from.value);
        node.missing_left = !from.missing_true;
        return false;
      case OnnxTreeMode::kEqual:
      case OnnxTreeMode::kNotEqual:
        node.equal = true;
        node.single = columns_.single;
        node.number = from.value;
        if (from.mode == OnnxTreeMode::kEqual) break;
        node.missing_left = false;  // a missing value equals nothing
        return false;
    }
    return true;
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
