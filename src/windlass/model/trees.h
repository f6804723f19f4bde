// Ensembles of decision trees, whatever library grew them: one structure that every reader fills
// and that exact algorithms use.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "windlass/base/export.h"
#include "windlass/model/model.h"

namespace windlass::model {

// A node of a tree: a leaf, or a split that sends a row to `left` or to `left + 1`.
struct TreeNode {
  double number = 0;             // what the split compares with; a leaf's value
  std::int32_t column = -1;      // of the split; -1: a leaf
  std::int32_t left = -1;        // index of the left child; the right one follows it
  std::int32_t categories = -1;  // index of the categories that go left; -1: a numeric split
  bool missing_left = false;     // where a missing value (NaN) goes
  bool zero_is_missing = false;  // a value within +-kZero counts as missing (LightGBM)
  bool equal = false;            // x == number goes left, instead of x < number
  bool single = false;           // with `equal`: x is rounded to single precision first

  bool leaf() const { return column < 0; }
};

// What counts as zero where a zero is missing: LightGBM's kZeroThreshold.
inline constexpr double kZero = 1e-35F;

// margin[k] = base[k] + sum of the leaves that the row reaches in the trees of output k.
//
// Readers bring every kind of comparison to the two of TreeNode, in double precision (see
// LessEqual and FloatLess below), and weights of trees into the leaves.
struct TreeEnsemble {
  // The categories that go left at one split, as bits of words[begin, begin + count): those of
  // the 64 categories from 64 * blocks[i] on, for each i of that range. A value is cut to an
  // integer; one that is negative or of no block is not among them, unless the rule says otherwise.
  struct CategoryRule {
    bool single = false;         // values are rounded to single precision first
    bool whole = false;          // values that are no integers are not among them
    bool cut_negatives = false;  // values between -1 and 0 are cut to 0
  };
  struct CategorySet {
    std::int64_t begin = 0;
    std::int32_t count = 0;
    bool dense = true;  // its blocks follow each other
    CategoryRule rule;
  };

  std::vector<TreeNode> nodes;        // of all trees; children after their parent
  std::vector<double> cover;          // [nodes], the weight of training rows; empty: not known
  std::vector<std::int32_t> roots;    // [trees]
  std::vector<std::int32_t> outputs;  // [trees], the output that each adds to
  std::vector<CategorySet> category_sets;
  std::vector<std::uint64_t> category_words;
  std::vector<std::int32_t> category_blocks;  // [category_words], ascending within each set
  std::vector<double> base;                   // [outputs]
  std::int64_t columns = 0;

  std::int64_t trees() const { return std::ssize(roots); }

  // The nodes of one tree, its root first; they follow each other.
  std::span<const TreeNode> nodes_of(std::int64_t tree) const {
    const std::size_t begin = roots[tree];
    const std::size_t end = tree + 1 < trees() ? roots[tree + 1] : nodes.size();
    return {nodes.data() + begin, end - begin};
  }
  std::span<TreeNode> nodes_of(std::int64_t tree) {
    const auto all = std::as_const(*this).nodes_of(tree);
    return {nodes.data() + roots[tree], all.size()};
  }

  // Whether x goes to the left child of a split.
  bool GoesLeft(const TreeNode& node, double x) const {
    if (x != x || (node.zero_is_missing && x <= kZero && x >= -kZero)) return node.missing_left;
    if (node.categories >= 0) return Contains(category_sets[node.categories], x);
    if (node.equal) return (node.single ? double{static_cast<float>(x)} : x) == node.number;
    return x < node.number;
  }

  bool Contains(const CategorySet& set, double x) const {
    if (set.rule.single) x = static_cast<float>(x);
    if (set.rule.whole && x != std::trunc(x)) return false;
    if (set.rule.cut_negatives && x < 0 && x > -1) x = 0;
    if (!(x >= 0 && x < double{1 << 30})) return false;
    const auto code = static_cast<std::uint32_t>(x);
    const auto block = static_cast<std::int32_t>(code / 64);
    const auto* first = category_blocks.data() + set.begin;
    const auto* at = set.dense ? first + std::clamp(block - *first, 0, set.count - 1)
                               : std::lower_bound(first, first + set.count - 1, block);
    return *at == block && (category_words[at - category_blocks.data()] >> (code % 64) & 1) != 0;
  }
};

// The number t for which x < t says what x <= threshold says, for every double x.
double LessEqual(double threshold);
// The number t for which x < t says what float(x) < threshold says, for every double x: libraries
// that keep their data in single precision round it first.
double FloatLess(float threshold);
// The same for float(x) <= threshold.
double FloatLessEqual(float threshold);

// Collects a tree as its file has it, with children anywhere, and checks it.
class TreeBuilder {
 public:
  struct Split {
    TreeNode node;                // its `left` is ignored
    std::int32_t left_child = 0;  // indices in this tree
    std::int32_t right_child = 0;
  };

  explicit TreeBuilder(TreeEnsemble& ensemble) : ensemble_(ensemble) {}

  // Begins a tree of `nodes` nodes; node 0 is its root.
  void Begin(std::int64_t nodes);
  void SetLeaf(std::int32_t index, double value);
  void SetSplit(std::int32_t index, const TreeNode& node, std::int32_t left, std::int32_t right);
  void SetCover(std::int32_t index, double cover);

  // The set of these categories, for TreeNode::categories.
  // Throws Error{kInvalidInput} for a negative category or one above 2^24 - 1.
  std::int32_t AddCategories(std::span<const std::int32_t> categories,
                             TreeEnsemble::CategoryRule rule = {});
  // The same for the categories whose bits are set, 32 a word from category 0 on.
  std::int32_t AddCategoryBits(std::span<const std::uint32_t> words);

  // Adds the tree to the ensemble, for `output`. Nodes that nothing leads to are left out.
  //
  // Throws Error{kInvalidInput} naming the node: a child that is no node, a node with two parents
  // or above itself, a column that the ensemble does not have, a number that is not finite (of a
  // leaf) or NaN (of a split), a cover that is negative.
  void Finish(std::int32_t output);

 private:
  void Check(std::int32_t index, const Split& split) const;
  std::int32_t AddSet(std::int64_t begin, TreeEnsemble::CategoryRule rule);

  TreeEnsemble& ensemble_;
  std::vector<Split> splits_;
  std::vector<double> cover_;
};

// What the columns and outputs of trees are called, where the file says it.
struct TreeNames {
  std::vector<std::string> columns;                  // [columns], or empty
  std::vector<std::vector<std::string>> categories;  // as Model::column_categories
  std::vector<std::string> outputs;                  // [outputs], or empty: numbers
};

// `notes` are the model's (Model::notes).
// Throws Error{kInvalidInput} when the ensemble has no trees or its parts do not fit together.
WINDLASS_API std::unique_ptr<Model> MakeTreeModel(TreeEnsemble ensemble, Activation activation,
                                                  TreeNames names = {},
                                                  std::vector<std::string> notes = {});

}  // namespace windlass::model
