// TreeEnsembleClassifier and TreeEnsembleRegressor: the ONNX standard's ai.onnx.ml domain, versions
// 1 and 3. Where it leaves things open, ONNX Runtime 1.32 decides (its
// core/providers/cpu/ml/tree_ensemble_common.h and tree_ensemble_aggregator.h).
#include <algorithm>
#include <limits>
#include <span>
#include <string>
#include <utility>

#include "windlass/model/onnx_trees_internal.h"

namespace windlass::model {
namespace {

std::optional<OnnxTreeMode> ModeOf(std::string_view name) {
  if (name == "LEAF") return OnnxTreeMode::kLeaf;
  if (name == "BRANCH_LEQ") return OnnxTreeMode::kLessEqual;
  if (name == "BRANCH_LT") return OnnxTreeMode::kLess;
  if (name == "BRANCH_GTE") return OnnxTreeMode::kGreaterEqual;
  if (name == "BRANCH_GT") return OnnxTreeMode::kGreater;
  if (name == "BRANCH_EQ") return OnnxTreeMode::kEqual;
  if (name == "BRANCH_NEQ") return OnnxTreeMode::kNotEqual;
  return std::nullopt;
}

std::optional<Activation> ActivationOf(std::string_view post_transform) {
  if (post_transform == "NONE") return Activation::kIdentity;
  if (post_transform == "LOGISTIC") return Activation::kSigmoid;
  if (post_transform == "SOFTMAX") return Activation::kSoftmax;
  return std::nullopt;  // SOFTMAX_ZERO, PROBIT
}

class Reader {
 public:
  Reader(const OnnxNode& node, std::string_view what) : node_(node), attributes_(node, what) {}

  std::optional<OnnxForest> Read() {
    const bool classifier = node_.op == "TreeEnsembleClassifier";
    const auto activation = ActivationOf(node_.Text("post_transform", "NONE"));
    if (!activation) return {};
    forest_.activation = *activation;
    if (!ReadNodes() || !FindTrees() || !ReadChildren()) return {};
    if (!ReadWeights(classifier ? "class" : "target")) return {};
    if (!(classifier ? PlanClassifier() : PlanRegressor())) return {};
    forest_.room = 4 * (std::ssize(forest_.nodes) + std::ssize(forest_.weights)) + 64;
    return std::move(forest_);
  }

 private:
  // A tree's nodes are those of one id, which follow each other.
  struct Tree {
    std::int64_t id = 0;
    std::int64_t begin = 0;
    std::int64_t end = 0;
  };

  bool ReadNodes() {
    const OnnxAttribute* modes = node_.Find("nodes_modes");
    if (modes == nullptr || modes->texts.size() > std::numeric_limits<std::int32_t>::max()) {
      return false;
    }
    forest_.nodes.resize(modes->texts.size());
    for (std::size_t i = 0; i < modes->texts.size(); ++i) {
      const auto mode = ModeOf(modes->texts[i]);
      if (!mode) return false;
      forest_.nodes[i].mode = *mode;
    }
    return ReadValues() && attributes_.FillColumns(forest_.nodes) &&
           attributes_.FillMissing(forest_.nodes) && ReadHitRates();
  }

  bool ReadValues() {
    const auto values = attributes_.Numbers("nodes_values", forest_.in_double);
    if (!values || values->size() != forest_.nodes.size()) return false;
    for (std::size_t i = 0; i < values->size(); ++i) forest_.nodes[i].value = (*values)[i];
    return true;
  }

  bool ReadHitRates() {
    auto rates = attributes_.Numbers("nodes_hitrates", forest_.in_double);
    if (!rates) return false;
    // Exporters that do not know them write ones or zeros.
    const bool tell =
        rates->size() == forest_.nodes.size() &&
        !std::ranges::all_of(*rates, [&](double rate) { return rate == rates->front(); });
    if (tell) forest_.hit_rates = std::move(*rates);
    return true;
  }

  bool FindTrees() {
    const auto trees = attributes_.Integers("nodes_treeids");
    const auto ids = attributes_.Integers("nodes_nodeids");
    if (trees.size() != forest_.nodes.size() || ids.size() != trees.size()) return false;
    for (std::int64_t i = 0; i < std::ssize(trees); ++i) {
      if (trees_.empty() || trees_.back().id != trees[i]) trees_.push_back({trees[i], i, i});
      trees_.back().end = i + 1;
    }
    std::ranges::sort(trees_, {}, &Tree::id);
    if (std::ranges::adjacent_find(trees_, {}, &Tree::id) != trees_.end()) return false;
    by_id_.resize(ids.size());
    for (const Tree& tree : trees_) {
      forest_.trees.push_back({tree.begin, tree.end});
      const auto of_tree = IdsOf(tree);
      for (std::int64_t i = 0; i < std::ssize(of_tree); ++i) {
        of_tree[i] = {ids[tree.begin + i], static_cast<std::int32_t>(i)};
      }
      std::ranges::sort(of_tree, {}, &Id::id);
      if (std::ranges::adjacent_find(of_tree, {}, &Id::id) != of_tree.end()) return false;
    }
    return !trees_.empty();
  }

  // The id of a node in the file, and its index in its tree.
  struct Id {
    std::int64_t id = 0;
    std::int32_t index = 0;
  };
  std::span<Id> IdsOf(const Tree& tree) {
    return std::span(by_id_).subspan(tree.begin, tree.end - tree.begin);
  }

  // The index within the tree of the node with this id, or -1.
  std::int32_t Find(const Tree& tree, std::int64_t id) {
    const auto ids = IdsOf(tree);
    const auto found = std::ranges::lower_bound(ids, id, {}, &Id::id);
    return found != ids.end() && found->id == id ? found->index : -1;
  }

  bool ReadChildren() {
    return ReadChildren("nodes_truenodeids", &OnnxTreeNode::if_true) &&
           ReadChildren("nodes_falsenodeids", &OnnxTreeNode::if_false);
  }

  bool ReadChildren(std::string_view name, std::int32_t OnnxTreeNode::*child) {
    const auto ids = attributes_.Integers(name);
    if (ids.size() != forest_.nodes.size()) return false;
    for (const Tree& tree : trees_) {
      for (std::int64_t i = tree.begin; i < tree.end; ++i) {
        OnnxTreeNode& node = forest_.nodes[i];
        if (node.mode == OnnxTreeMode::kLeaf) continue;
        node.*child = Find(tree, ids[i]);
        if (node.*child < 0) return false;
      }
    }
    return true;
  }

  bool ReadWeights(const std::string& prefix) {
    const auto trees = attributes_.Integers(prefix + "_treeids");
    const auto ids = attributes_.Integers(prefix + "_nodeids");
    const auto outputs = attributes_.Integers(prefix + "_ids");
    const auto values = attributes_.Numbers(prefix + "_weights", forest_.in_double);
    auto base = attributes_.Numbers("base_values", forest_.in_double);
    if (!values || !base || ids.empty() || trees.size() != ids.size() ||
        outputs.size() != ids.size() || values->size() != ids.size()) {
      return false;
    }
    forest_.base = std::move(*base);
    forest_.weights.reserve(ids.size());
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto tree = std::ranges::lower_bound(trees_, trees[i], {}, &Tree::id);
      if (tree == trees_.end() || tree->id != trees[i]) return false;
      const std::int32_t node = Find(*tree, ids[i]);
      if (node < 0 || forest_.nodes[tree->begin + node].mode != OnnxTreeMode::kLeaf) return false;
      forest_.weights.push_back(
          {static_cast<std::int32_t>(tree - trees_.begin()), node, outputs[i], (*values)[i]});
    }
    return true;
  }

  bool PlanClassifier() {
    const OnnxAttribute* texts = node_.Find("classlabels_strings");
    const std::int64_t labels = texts != nullptr && !texts->texts.empty()
                                    ? std::ssize(texts->texts)
                                    : std::ssize(attributes_.Integers("classlabels_int64s"));
    if (node_.Text("aggregate_function", "SUM") != "SUM") return false;
    const bool one_sum =
        std::ranges::all_of(forest_.weights, [](const OnnxLeafWeight& w) { return w.output == 0; });
    if (labels == 2 && one_sum) return PlanPair();
    // What it makes of base values of two classes, and of one class, is not what the standard says.
    if (labels == 2 && !forest_.base.empty()) return false;
    if (labels == 1 && forest_.activation != Activation::kIdentity) return false;
    return forest_.SetOutputs(labels);
  }

  // Two classes of one sum s: the runtime gives both, [-s, s] before the sigmoid, or [1 - s, s]
  // without one. It ignores SOFTMAX, which is left to it.
  bool PlanPair() {
    if (forest_.activation == Activation::kSoftmax || forest_.base.size() > 1) return false;
    auto& weights = forest_.weights;
    const double base = forest_.base.empty() ? 0.0 : forest_.base.front();
    const bool positive =
        std::ranges::all_of(weights, [](const OnnxLeafWeight& w) { return !(w.value < 0); });
    const double whole = forest_.activation == Activation::kIdentity && positive ? 1.0 : 0.0;
    forest_.base = {whole - base, base};
    const std::size_t count = weights.size();
    for (std::size_t i = 0; i < count; ++i) {
      OnnxLeafWeight other = weights[i];
      other.output = 1;
      weights.push_back(other);
      weights[i].value = -weights[i].value;
    }
    return true;
  }

  bool PlanRegressor() {
    const std::int64_t targets = node_.Integer("n_targets", 1);
    const std::string_view aggregate = node_.Text("aggregate_function", "SUM");
    if (aggregate != "SUM" && aggregate != "AVERAGE") return false;
    // The runtime ignores the post_transform of one target, against the standard: left to it.
    if (targets == 1 && forest_.activation != Activation::kIdentity) return false;
    if (aggregate == "AVERAGE") forest_.Average();
    return forest_.SetOutputs(targets);
  }

  const OnnxNode& node_;
  OnnxTreeAttributes attributes_;
  std::vector<Tree> trees_;  // by id
  std::vector<Id> by_id_;    // ascending within each tree
  OnnxForest forest_;
};

}  // namespace

std::vector<std::int64_t> OnnxTreeAttributes::Integers(std::string_view name) const {
  const OnnxAttribute* found = node_.Find(name);
  return found == nullptr ? std::vector<std::int64_t>() : DecodeIntegers(found->integers, what_);
}

std::optional<std::vector<double>> OnnxTreeAttributes::Numbers(const std::string& name,
                                                               bool& in_double) const {
  std::vector<double> numbers;
  if (const OnnxAttribute* found = node_.Find(name); found != nullptr) {
    const auto floats = DecodeFloats(found->floats, what_);
    numbers.assign(floats.begin(), floats.end());
  }
  auto tensor = Tensor(name + "_as_tensor", in_double);
  if (!tensor || tensor->empty()) return tensor ? std::optional(std::move(numbers)) : std::nullopt;
  return numbers.empty() ? std::move(tensor) : std::nullopt;
}

std::optional<std::vector<double>> OnnxTreeAttributes::Tensor(std::string_view name,
                                                              bool& in_double) const {
  const OnnxAttribute* found = node_.Find(name);
  if (found == nullptr || !found->tensor) return std::vector<double>();
  auto constant = found->tensor->Decode(what_);
  if (!constant || !IsFloating(static_cast<std::int64_t>(constant->type))) return std::nullopt;
  in_double = in_double || constant->type == OnnxType::kDouble;
  return std::move(constant->values);
}

std::optional<std::vector<std::uint8_t>> OnnxTreeAttributes::Bytes(std::string_view name) const {
  constexpr std::int64_t kUint8 = 2;
  const OnnxAttribute* found = node_.Find(name);
  if (found == nullptr || !found->tensor || found->tensor->type != kUint8) return std::nullopt;
  const OnnxTensor& tensor = *found->tensor;
  if (tensor.raw) return std::vector<std::uint8_t>(tensor.raw->begin(), tensor.raw->end());
  std::vector<std::uint8_t> bytes;
  for (const std::int64_t value : DecodeIntegers(tensor.int32s, what_)) {
    if (!std::in_range<std::uint8_t>(value)) return std::nullopt;
    bytes.push_back(static_cast<std::uint8_t>(value));
  }
  return bytes;
}

bool OnnxTreeAttributes::FillColumns(std::vector<OnnxTreeNode>& nodes) const {
  const auto columns = Integers("nodes_featureids");
  if (columns.size() != nodes.size()) return false;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (nodes[i].mode == OnnxTreeMode::kLeaf) continue;
    if (!std::in_range<std::int32_t>(columns[i]) || columns[i] < 0) return false;
    nodes[i].column = static_cast<std::int32_t>(columns[i]);
  }
  return true;
}

bool OnnxTreeAttributes::FillMissing(std::vector<OnnxTreeNode>& nodes) const {
  auto missing_true = Integers("nodes_missing_value_tracks_true");
  if (missing_true.size() > nodes.size()) return false;
  for (std::size_t i = 0; i < missing_true.size(); ++i)
    nodes[i].missing_true = missing_true[i] == 1;
  return true;
}

bool OnnxForest::SetOutputs(std::int64_t outputs) {
  if (outputs < 1 || outputs > std::ssize(weights)) return false;
  if (!base.empty() && std::ssize(base) != outputs) return false;
  base.resize(outputs, 0.0);
  return std::ranges::all_of(
      weights, [&](const OnnxLeafWeight& w) { return w.output >= 0 && w.output < outputs; });
}

void OnnxForest::Average() {
  for (OnnxLeafWeight& w : weights) w.value /= static_cast<double>(trees.size());
}

bool IsOnnxTrees(const OnnxNode& node) {
  return node.Is(kOnnxMl, "TreeEnsembleClassifier") || node.Is(kOnnxMl, "TreeEnsembleRegressor") ||
         node.Is(kOnnxMl, "TreeEnsemble");
}

std::optional<OnnxForest> ReadOnnxForest(const OnnxNode& node, std::string_view what) {
  return node.op == "TreeEnsemble" ? ReadOnnxForest5(node, what) : Reader(node, what).Read();
}

}  // namespace windlass::model
