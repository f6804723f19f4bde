#include "windlass/model/trees.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/model/activation_internal.h"
#include "windlass/model/dot_internal.h"
#include "windlass/model/invalid_internal.h"
#include "windlass/model/names_internal.h"
#include "windlass/model/tree_limit_internal.h"

namespace windlass::model {
namespace {

constexpr std::int32_t kMaxCategory = (1 << 24) - 1;  // floats are exact up to there

// Rows that walk down a tree together: their loads do not depend on each other.
constexpr std::int64_t kTogether = 8;
// Rows for which a tree is loaded once.
constexpr std::int64_t kRowsInCache = 64;

class TreeModel final : public Model {
 public:
  TreeModel(std::shared_ptr<const TreeEnsemble> ensemble, Activation activation, TreeNames names,
            std::vector<std::string> notes)
      : ensemble_(std::move(ensemble)),
        activation_(activation),
        names_(std::move(names)),
        notes_(std::move(notes)) {
    MakeSteps();
  }

  std::int64_t columns() const override { return ensemble_->columns; }
  std::vector<std::string> column_names() const override { return names_.columns; }
  std::vector<std::vector<std::string>> column_categories() const override {
    return names_.categories;
  }
  std::vector<std::string> output_names() const override { return names_.outputs; }
  std::int64_t outputs() const override { return std::ssize(ensemble_->base); }
  bool accepts_missing() const override { return true; }
  Activation activation() const override { return activation_; }
  const TreeEnsemble* trees() const override { return ensemble_.get(); }
  std::vector<std::string> notes() const override { return notes_; }

  void Predict(std::span<const double> x, std::int64_t rows, std::span<double> out) const override {
    CheckPredictShapes(*this, x, rows, out);
    const std::int64_t columns = ensemble_->columns;
    const std::int64_t outputs = std::ssize(ensemble_->base);
    for (std::int64_t begin = 0; begin < rows; begin += kRowsInCache) {
      const std::int64_t count = std::min(kRowsInCache, rows - begin);
      double* to = out.data() + begin * outputs;
      for (std::int64_t row = 0; row < count; ++row) {
        std::ranges::copy(ensemble_->base, to + row * outputs);
      }
      for (std::int64_t tree = 0; tree < ensemble_->trees(); ++tree) {
        AddTree(tree, x.data() + begin * columns, count, to + ensemble_->outputs[tree], outputs);
      }
    }
    Activate(activation_, outputs, out);
  }

  std::unique_ptr<Model> Margin() const override {
    return std::make_unique<TreeModel>(ensemble_, Activation::kIdentity, names_, notes_);
  }

 private:
  // A node for rows that walk together: a leaf leads to itself.
  struct Step {
    double number;
    std::int32_t column;
    std::int32_t left;
    std::int32_t missing_left;
    std::int32_t always_left;
  };

  void MakeSteps() {
    for (const TreeNode& node : ensemble_->nodes) {
      if (!node.leaf() && (node.categories >= 0 || node.equal || node.zero_is_missing)) return;
    }
    depth_.reserve(ensemble_->roots.size());
    for (const std::int32_t root : ensemble_->roots) depth_.push_back(DepthOf(root));
    steps_.reserve(ensemble_->nodes.size());
    for (const TreeNode& node : ensemble_->nodes) {
      const auto own = static_cast<std::int32_t>(steps_.size());
      steps_.push_back(
          node.leaf() ? Step{0, 0, own, 1, 1}
                      : Step{node.number, node.column, node.left, node.missing_left ? 1 : 0, 0});
    }
  }

  std::int32_t DepthOf(std::int32_t root) const {
    std::int32_t deepest = 0;
    std::vector<std::pair<std::int32_t, std::int32_t>> stack = {{root, 0}};
    while (!stack.empty()) {
      const auto [at, depth] = stack.back();
      stack.pop_back();
      deepest = std::max(deepest, depth);
      const TreeNode& node = ensemble_->nodes[at];
      if (node.leaf()) continue;
      stack.emplace_back(node.left, depth + 1);
      stack.emplace_back(node.left + 1, depth + 1);
    }
    return deepest;
  }

  void AddTree(std::int64_t tree, const double* x, std::int64_t rows, double* out,
               std::int64_t stride) const {
    const std::int32_t root = ensemble_->roots[tree];
    const std::int64_t columns = ensemble_->columns;
    std::int64_t row = 0;
    for (; !steps_.empty() && row + kTogether <= rows; row += kTogether) {
      std::int32_t at[kTogether];
      std::fill_n(at, kTogether, root);
      const double* from = x + row * columns;
      for (std::int32_t level = depth_[tree]; level > 0; --level) {
#pragma GCC unroll 8
        for (std::int64_t i = 0; i < kTogether; ++i) {
          const Step& step = steps_[at[i]];
          const double value = from[i * columns + step.column];
          const int less = value < step.number ? 1 : 0, missing = value != value ? 1 : 0;
          at[i] = step.left + 1 - (less | (missing & step.missing_left) | step.always_left);
        }
      }
      for (std::int64_t i = 0; i < kTogether; ++i) {
        out[(row + i) * stride] += ensemble_->nodes[at[i]].number;
      }
    }
    for (; row < rows; ++row) {
      const TreeNode* node = &ensemble_->nodes[root];
      while (!node->leaf()) {
        const bool left = ensemble_->GoesLeft(*node, x[row * columns + node->column]);
        node = &ensemble_->nodes[node->left + (left ? 0 : 1)];
      }
      out[row * stride] += node->number;
    }
  }

  std::shared_ptr<const TreeEnsemble> ensemble_;
  Activation activation_;
  TreeNames names_;
  std::vector<std::string> notes_;
  std::vector<Step> steps_;          // [nodes]; empty unless every split is a plain comparison
  std::vector<std::int32_t> depth_;  // [trees]
};

void CheckEnsemble(const TreeEnsemble& ensemble, Activation activation) {
  if (ensemble.roots.empty()) ThrowInvalid("it has no trees");
  if (ensemble.base.empty()) ThrowInvalid("it has no outputs");
  if (ensemble.columns < 1) ThrowInvalid("it has no columns");
  for (const double base : ensemble.base) {
    if (!std::isfinite(base))
      ThrowInvalid(fmt::format("its base score is {}, no finite margin", base));
  }
  if (activation == Activation::kSoftmax && ensemble.base.size() == 1) {
    ThrowInvalid("softmax of one output is always 1; at least two classes were expected");
  }
}

}  // namespace

std::optional<std::int64_t> TreeLimitOf(const ObjectSpec& spec) {
  if (!spec.options.contains(kTreeLimit)) return std::nullopt;
  const std::int64_t limit = spec.Integer(kTreeLimit, 0);
  if (limit < 0) {
    ThrowInvalid(fmt::format("{} is {}; 0 (all) or more was expected", kTreeLimit, limit));
  }
  return limit;
}

double LessEqual(double threshold) {
  return std::nextafter(threshold, std::numeric_limits<double>::infinity());
}

double FloatLess(float threshold) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  if (threshold == -kInfinity) return threshold;
  // Doubles round to the threshold from the middle between it and the float below on; the middle
  // itself does when the threshold's last bit is even.
  const float below = std::nextafterf(threshold, -kInfinity);
  if (below == -kInfinity) return threshold;
  const double above = threshold == kInfinity ? std::ldexp(1.0, 128) : double{threshold};
  const double middle = (double{below} + above) / 2;
  const bool even = (std::bit_cast<std::uint32_t>(threshold) & 1) == 0;
  return even ? middle : LessEqual(middle);
}

double FloatLessEqual(float threshold) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  if (threshold == kInfinity) return kInfinity;  // no input is infinite
  // -0 and 0 are one number.
  return FloatLess(std::nextafterf(threshold == 0 ? 0.0F : threshold, kInfinity));
}

void TreeBuilder::Begin(std::int64_t nodes) {
  if (nodes < 1) ThrowInvalid("a tree has no nodes");
  if (nodes > std::numeric_limits<std::int32_t>::max() / 2)
    ThrowInvalid("a tree has too many nodes");
  splits_.assign(nodes, {});
  cover_.clear();
}

void TreeBuilder::SetLeaf(std::int32_t index, double value) {
  splits_[index] = {};
  splits_[index].node.number = value;
}

void TreeBuilder::SetSplit(std::int32_t index, const TreeNode& node, std::int32_t left,
                           std::int32_t right) {
  splits_[index] = {node, left, right};
}

void TreeBuilder::SetCover(std::int32_t index, double cover) {
  cover_.resize(splits_.size(), 0.0);
  cover_[index] = cover;
}

std::int32_t TreeBuilder::AddCategories(std::span<const std::int32_t> categories,
                                        TreeEnsemble::CategoryRule rule) {
  std::vector<std::int32_t> sorted(categories.begin(), categories.end());
  std::ranges::sort(sorted);
  const std::int64_t begin = std::ssize(ensemble_.category_words);
  for (const std::int32_t category : sorted) {
    if (category < 0 || category > kMaxCategory) {
      ThrowInvalid(fmt::format("category {} is not within 0..{}", category, kMaxCategory));
    }
    if (std::ssize(ensemble_.category_words) == begin ||
        ensemble_.category_blocks.back() != category / 64) {
      ensemble_.category_blocks.push_back(category / 64);
      ensemble_.category_words.push_back(0);
    }
    ensemble_.category_words.back() |= std::uint64_t{1} << (category % 64);
  }
  return AddSet(begin, rule);
}

std::int32_t TreeBuilder::AddCategoryBits(std::span<const std::uint32_t> words) {
  const std::int64_t begin = std::ssize(ensemble_.category_words);
  if (std::ssize(words) > (kMaxCategory + 1) / 32) {
    ThrowInvalid(fmt::format("a set of categories has {} words of 32; at most {} were expected",
                             words.size(), (kMaxCategory + 1) / 32));
  }
  for (std::size_t i = 0; i < words.size(); i += 2) {
    const std::uint64_t high = i + 1 < words.size() ? words[i + 1] : 0;
    const std::uint64_t word = high << 32 | words[i];
    if (word == 0) continue;
    ensemble_.category_blocks.push_back(static_cast<std::int32_t>(i / 2));
    ensemble_.category_words.push_back(word);
  }
  return AddSet(begin, {});
}

// The set of the words from `begin` on; an empty one has one word without bits.
std::int32_t TreeBuilder::AddSet(std::int64_t begin, TreeEnsemble::CategoryRule rule) {
  if (std::ssize(ensemble_.category_words) == begin) {
    ensemble_.category_blocks.push_back(0);
    ensemble_.category_words.push_back(0);
  }
  TreeEnsemble::CategorySet set{begin};
  set.rule = rule;
  set.count = static_cast<std::int32_t>(std::ssize(ensemble_.category_words) - begin);
  set.dense = ensemble_.category_blocks.back() - ensemble_.category_blocks[begin] == set.count - 1;
  ensemble_.category_sets.push_back(set);
  return static_cast<std::int32_t>(ensemble_.category_sets.size()) - 1;
}

void TreeBuilder::Check(std::int32_t index, const Split& split) const {
  const auto nodes = static_cast<std::int32_t>(splits_.size());
  if (!cover_.empty() && !(cover_[index] >= 0 && std::isfinite(cover_[index]))) {
    ThrowInvalid(fmt::format("node {}: its cover is {}; a weight of rows was expected", index,
                             cover_[index]));
  }
  if (split.node.leaf()) {
    if (!std::isfinite(split.node.number)) {
      ThrowInvalid(fmt::format("node {}: its leaf is {}; a finite number was expected", index,
                               split.node.number));
    }
    return;
  }
  if (split.node.column >= ensemble_.columns) {
    ThrowInvalid(fmt::format("node {}: it splits column {}, but the model has {} (0..{})", index,
                             split.node.column, ensemble_.columns, ensemble_.columns - 1));
  }
  if (std::isnan(split.node.number)) {
    ThrowInvalid(fmt::format("node {}: its threshold is not a number", index));
  }
  for (const std::int32_t child : {split.left_child, split.right_child}) {
    if (child <= 0 || child >= nodes) {
      ThrowInvalid(fmt::format("node {}: its child {} is none of the tree's nodes 1..{}", index,
                               child, nodes - 1));
    }
  }
}

void TreeBuilder::Finish(std::int32_t output) {
  if (output < 0 || output >= std::ssize(ensemble_.base)) {
    ThrowInvalid(fmt::format("the tree adds to output {}, but the model has {} (0..{})", output,
                             ensemble_.base.size(), std::ssize(ensemble_.base) - 1));
  }
  if (ensemble_.nodes.size() + splits_.size() > std::numeric_limits<std::int32_t>::max()) {
    ThrowInvalid("the model has too many nodes");
  }
  const bool with_cover = !cover_.empty();
  const auto root = static_cast<std::int32_t>(ensemble_.nodes.size());
  if (with_cover != !ensemble_.cover.empty() && root > 0) {
    ThrowInvalid("some trees have covers and some do not");
  }
  std::vector<bool> seen(splits_.size(), false);
  // Breadth first: (index in the file, index here). A node here is made with its parent.
  std::vector<std::pair<std::int32_t, std::int32_t>> queue = {{0, root}};
  seen[0] = true;
  ensemble_.nodes.emplace_back();
  for (std::size_t i = 0; i < queue.size(); ++i) {
    const auto [from, to] = queue[i];
    const Split& split = splits_[from];
    Check(from, split);
    TreeNode node = split.node;
    node.left = -1;
    if (!node.leaf()) {
      node.left = static_cast<std::int32_t>(ensemble_.nodes.size());
      for (const std::int32_t child : {split.left_child, split.right_child}) {
        if (seen[child]) {
          ThrowInvalid(
              fmt::format("node {}: its child {} has another parent as well", from, child));
        }
        seen[child] = true;
        queue.emplace_back(child, static_cast<std::int32_t>(ensemble_.nodes.size()));
        ensemble_.nodes.emplace_back();
      }
    }
    ensemble_.nodes[to] = node;
    if (with_cover) {
      ensemble_.cover.resize(ensemble_.nodes.size());
      ensemble_.cover[to] = cover_[from];
    }
  }
  ensemble_.roots.push_back(root);
  ensemble_.outputs.push_back(output);
}

std::unique_ptr<Model> MakeTreeModel(TreeEnsemble ensemble, Activation activation, TreeNames names,
                                     std::vector<std::string> notes) {
  CheckEnsemble(ensemble, activation);
  const auto outputs = std::ssize(ensemble.base);
  if (!names.columns.empty())
    CheckNames(names.columns, ensemble.columns, "column", "the trees have");
  if (names.outputs.empty()) names.outputs = NumberedNames(outputs);
  CheckNames(names.outputs, outputs, "output", "the trees have");
  if (!names.categories.empty() && std::ssize(names.categories) != ensemble.columns) {
    ThrowInvalid(fmt::format("categories are named for {} columns, but the trees have {}",
                             names.categories.size(), ensemble.columns));
  }
  for (std::size_t c = 0; c < names.categories.size(); ++c) {
    std::set<std::string_view> seen;
    for (const std::string& category : names.categories[c]) {
      if (!seen.insert(category).second) {
        ThrowInvalid(fmt::format("column {}: category \"{}\" is named twice; names must differ", c,
                                 category));
      }
    }
  }
  return std::make_unique<TreeModel>(std::make_shared<const TreeEnsemble>(std::move(ensemble)),
                                     activation, std::move(names), std::move(notes));
}

}  // namespace windlass::model
