// TreeEnsemble: the ONNX standard's ai.onnx.ml domain, version 5. Where it leaves things open, ONNX
// Runtime 1.32 decides (its core/providers/cpu/ml/tree_ensemble_attribute.h).
#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <span>
#include <utility>

#include "windlass/model/onnx_trees_internal.h"

namespace windlass::model {
namespace {

constexpr std::int64_t kAverage = 0, kSum = 1;  // aggregate_function

std::optional<OnnxTreeMode> ModeOfCode(std::uint8_t code) {
  constexpr OnnxTreeMode kModes[] = {OnnxTreeMode::kLessEqual,    OnnxTreeMode::kLess,
                                     OnnxTreeMode::kGreaterEqual, OnnxTreeMode::kGreater,
                                     OnnxTreeMode::kEqual,        OnnxTreeMode::kNotEqual,
                                     OnnxTreeMode::kMember};
  if (code >= std::size(kModes)) return std::nullopt;
  return kModes[code];
}

// The nodes and leaves of all trees are two lists; a tree is what its root leads to.
class Reader5 {
 public:
  Reader5(const OnnxNode& node, std::string_view what) : node_(node), attributes_(node, what) {}

  std::optional<OnnxForest> Read() {
    const std::int64_t aggregate = node_.Integer("aggregate_function", kSum);
    // The runtime takes the standard's number of SOFTMAX for LOGISTIC and the other way round.
    if (node_.Integer("post_transform", 0) != 0) return {};
    if (aggregate != kSum && aggregate != kAverage) return {};
    if (!ReadInner() || !ReadLeaves() || !ReadSets() || !AddTrees()) return {};
    if (aggregate == kAverage) forest_.Average();
    if (!forest_.SetOutputs(node_.Integer("n_targets", 0))) return {};
    forest_.room = 2 * std::ssize(forest_.nodes) + 64;
    return std::move(forest_);
  }

 private:
  bool ReadInner() {
    const auto modes = attributes_.Bytes("nodes_modes");
    const auto splits = attributes_.Tensor("nodes_splits", forest_.in_double);
    if (!modes || !splits || splits->size() != modes->size()) return false;
    if (modes->size() > std::numeric_limits<std::int32_t>::max() / 4) return false;
    inner_.resize(modes->size());
    for (std::size_t i = 0; i < inner_.size(); ++i) {
      const auto mode = ModeOfCode((*modes)[i]);
      if (!mode) return false;
      inner_[i].mode = *mode;
      inner_[i].value = (*splits)[i];
    }
    return attributes_.FillColumns(inner_) && attributes_.FillMissing(inner_) &&
           ReadChildren("nodes_truenodeids", "nodes_trueleafs", &OnnxTreeNode::if_true) &&
           ReadChildren("nodes_falsenodeids", "nodes_falseleafs", &OnnxTreeNode::if_false);
  }

  // A child: the index of a node, or of leaf i the number -1 - i.
  bool ReadChildren(std::string_view ids_name, std::string_view leaves_name,
                    std::int32_t OnnxTreeNode::*child) {
    const auto ids = attributes_.Integers(ids_name), leaves = attributes_.Integers(leaves_name);
    if (ids.size() != inner_.size() || leaves.size() != inner_.size()) return false;
    for (std::size_t i = 0; i < inner_.size(); ++i) {
      if (ids[i] < 0 || ids[i] > std::numeric_limits<std::int32_t>::max() - 1) return false;
      const auto id = static_cast<std::int32_t>(ids[i]);
      if (leaves[i] == 0 && id >= std::ssize(inner_)) return false;
      inner_[i].*child = leaves[i] == 0 ? id : -1 - id;
    }
    return true;
  }

  bool ReadLeaves() {
    auto values = attributes_.Tensor("leaf_weights", forest_.in_double);
    leaf_outputs_ = attributes_.Integers("leaf_targetids");
    if (!values || values->size() != leaf_outputs_.size()) return false;
    leaf_values_ = std::move(*values);
    return true;
  }

  // The members of each set, in the order of the nodes that have one, with NaN between them.
  bool ReadSets() {
    const auto members = attributes_.Tensor("membership_values", forest_.in_double);
    if (!members) return false;
    auto next = members->begin();
    for (OnnxTreeNode& node : inner_) {
      if (node.mode != OnnxTreeMode::kMember) continue;
      const auto end = std::find_if(next, members->end(), [](double m) { return std::isnan(m); });
      if (next == end) return false;
      node.set = static_cast<std::int32_t>(forest_.sets.size());
      if (!AddSet({next, end})) return false;
      next = end == members->end() ? end : end + 1;
    }
    return true;
  }

  // The runtime looks a value up as it is among a few small members, and cut to an integer among
  // others.
  bool AddSet(std::span<const double> members) {
    constexpr double kMost = (1 << 24) - 1;
    bool small = members.size() < 31;
    OnnxForest::Set set;
    set.begin = std::ssize(forest_.members);
    for (const double member : members) {
      if (!(member >= 0 && member <= kMost) || member != std::trunc(member)) return false;
      small = small && member <= 30;
      forest_.members.push_back(static_cast<std::int32_t>(member));
    }
    set.end = std::ssize(forest_.members);
    set.rule.whole = small;
    set.rule.cut_negatives = !small;
    forest_.sets.push_back(set);
    return true;
  }

  bool AddTrees() {
    const auto roots = attributes_.Integers("tree_roots");
    added_.resize(inner_.size(), false);
    for (const std::int64_t root : roots) {
      if (root < 0 || root >= std::ssize(inner_) || !AddTree(static_cast<std::int32_t>(root))) {
        return false;
      }
    }
    return !roots.empty();
  }

  // A root whose two children are one leaf is a tree of that leaf alone.
  bool AddTree(std::int32_t root) {
    const OnnxTreeNode& first = inner_[root];
    const bool one_leaf = first.if_true < 0 && first.if_true == first.if_false;
    const auto begin = std::ssize(forest_.nodes);
    // Children as in inner_, breadth first; those of forest_.nodes are indices in the tree.
    std::vector<std::int32_t> queue = {one_leaf ? first.if_true : root};
    if (one_leaf && !IsNew(root)) return false;
    for (std::size_t i = 0; i < queue.size(); ++i) {
      const std::int32_t at = queue[i];
      if (at < 0) {
        if (!AddLeaf(-1 - at, static_cast<std::int32_t>(i))) return false;
        continue;
      }
      if (!IsNew(at)) return false;
      OnnxTreeNode& node = forest_.nodes.emplace_back(inner_[at]);
      for (std::int32_t* child : {&node.if_true, &node.if_false}) {
        queue.push_back(*child);
        *child = static_cast<std::int32_t>(queue.size()) - 1;
      }
    }
    forest_.trees.push_back({begin, std::ssize(forest_.nodes)});
    return true;
  }

  // Whether nothing led to this node before.
  bool IsNew(std::int32_t node) {
    if (added_[node]) return false;
    added_[node] = true;
    return true;
  }

  bool AddLeaf(std::int32_t leaf, std::int32_t index) {
    if (leaf >= std::ssize(leaf_values_)) return false;
    forest_.nodes.emplace_back();
    forest_.weights.push_back({static_cast<std::int32_t>(forest_.trees.size()), index,
                               leaf_outputs_[leaf], leaf_values_[leaf]});
    return true;
  }

  const OnnxNode& node_;
  OnnxTreeAttributes attributes_;
  std::vector<OnnxTreeNode> inner_;
  std::vector<bool> added_;  // [inner]
  std::vector<std::int64_t> leaf_outputs_;
  std::vector<double> leaf_values_;
  OnnxForest forest_;
};

}  // namespace

std::optional<OnnxForest> ReadOnnxForest5(const OnnxNode& node, std::string_view what) {
  return Reader5(node, what).Read();
}

}  // namespace windlass::model
