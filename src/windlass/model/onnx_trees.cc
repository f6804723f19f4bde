// Source of the operators: the ONNX standard's ai.onnx.ml domain, versions 1 and 3. Where it leaves
// things open, ONNX Runtime 1.32 decides (its core/providers/cpu/ml/tree_ensemble_common.h and
// tree_ensemble_aggregator.h).
#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/vector_math.h"
#include "windlass/model/onnx_graph.h"
#include "windlass/model/onnx_proto_internal.h"

namespace windlass::model {
namespace {

constexpr int kMaxSteps = 64;             // nodes on the way from the output or to an input
constexpr std::size_t kMaxRanges = 4096;  // of columns, in the input of the trees

const OnnxNode* ProducerOf(const OnnxModelFile& model, std::string_view name) {
  const auto found = model.producers.find(name);
  return found == model.producers.end() ? nullptr : found->second;
}

// The columns of a tensor [rows, width], each one of the table's as it is.
struct Columns {
  struct Range {
    std::int64_t first = 0;
    std::int64_t count = 0;
  };
  std::vector<Range> ranges;
  bool single = false;   // its elements are in single precision
  bool rounded = false;  // on the way to it they were

  // The table's column of column `at`, or -1.
  std::int64_t At(std::int64_t at) const {
    if (at < 0) return -1;
    for (const Range& range : ranges) {
      if (at < range.count) return range.first + at;
      at -= range.count;
    }
    return -1;
  }
};

std::optional<Columns> ColumnsOf(const OnnxModelFile& model, const OnnxSignature& signature,
                                 std::string_view name, int steps) {
  std::int64_t first = 0;
  for (const OnnxInput& input : signature.inputs) {
    if (input.name == name) {
      const bool single = input.element == OnnxElement::kFloat;
      if ((!single && input.element != OnnxElement::kDouble) || input.rank != 2) return {};
      return Columns{{{first, input.columns}}, single, single};
    }
    first += input.columns;
  }
  const OnnxNode* node = ProducerOf(model, name);
  if (node == nullptr || steps == 0 || node->inputs.empty()) return {};
  if (node->Is("", "Concat")) {
    const std::int64_t axis = node->Integer("axis", 0);
    if (axis != 1 && axis != -1) return {};
    Columns all;
    for (std::size_t i = 0; i < node->inputs.size(); ++i) {
      const auto part = ColumnsOf(model, signature, node->inputs[i], steps - 1);
      if (!part || all.ranges.size() + part->ranges.size() > kMaxRanges) return {};
      if (i > 0 && (part->single != all.single || part->rounded != all.rounded)) return {};
      all.ranges.insert(all.ranges.end(), part->ranges.begin(), part->ranges.end());
      all.single = part->single;
      all.rounded = part->rounded;
    }
    return all;
  }
  if (!node->Is("", "Identity") && !node->Is("", "Cast")) return {};
  auto columns = ColumnsOf(model, signature, node->inputs[0], steps - 1);
  if (columns && node->op == "Cast") {
    if (!IsFloating(node->Integer("to", 0))) return {};
    columns->single = node->Integer("to", 0) == static_cast<std::int64_t>(OnnxType::kFloat);
    columns->rounded = columns->rounded || columns->single;
  }
  return columns;
}

// Reads attributes of a tree node; false where they are of no use here.
class Attributes {
 public:
  Attributes(const OnnxNode& node, std::string_view what) : node_(node), what_(what) {}

  std::vector<std::int64_t> Integers(std::string_view name) const {
    const OnnxAttribute* found = node_.Find(name);
    return found == nullptr ? std::vector<std::int64_t>() : DecodeIntegers(found->integers, what_);
  }

  // NAME in single precision, or NAME_as_tensor. `in_double`: some were in double precision.
  std::optional<std::vector<double>> Numbers(const std::string& name, bool& in_double) const {
    std::vector<double> numbers;
    if (const OnnxAttribute* found = node_.Find(name); found != nullptr) {
      const auto floats = DecodeFloats(found->floats, what_);
      numbers.assign(floats.begin(), floats.end());
    }
    const OnnxAttribute* tensor = node_.Find(name + "_as_tensor");
    if (tensor == nullptr || !tensor->tensor) return numbers;
    auto constant = tensor->tensor->Decode(what_);
    if (!constant || !numbers.empty()) return std::nullopt;
    if (!IsFloating(static_cast<std::int64_t>(constant->type))) return std::nullopt;
    in_double = in_double || constant->type == OnnxType::kDouble;
    return std::move(constant->values);
  }

 private:
  const OnnxNode& node_;
  std::string_view what_;
};

enum class Mode { kLeaf, kLessEqual, kLess, kGreaterEqual, kGreater, kEqual, kNotEqual };

std::optional<Mode> ModeOf(std::string_view name) {
  if (name == "LEAF") return Mode::kLeaf;
  if (name == "BRANCH_LEQ") return Mode::kLessEqual;
  if (name == "BRANCH_LT") return Mode::kLess;
  if (name == "BRANCH_GTE") return Mode::kGreaterEqual;
  if (name == "BRANCH_GT") return Mode::kGreater;
  if (name == "BRANCH_EQ") return Mode::kEqual;
  if (name == "BRANCH_NEQ") return Mode::kNotEqual;
  return std::nullopt;
}

// The trees of one operator as they are, [nodes] each.
struct Nodes {
  std::vector<std::int64_t> trees, ids, columns, if_true, if_false, missing_true;
  std::vector<Mode> modes;
  std::vector<double> values, hit_rates;
  bool single = false;  // values are compared in single precision

  std::int64_t size() const { return std::ssize(ids); }
};

// A number that a leaf adds to an output.
struct Weight {
  std::int64_t tree = 0;  // index of the tree, not its id
  std::int64_t node = 0;  // index in the tree
  std::int64_t output = 0;
  double value = 0;
};

// A tree's nodes are those of one id, which follow each other.
struct Range {
  std::int64_t id = 0;
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

class Reader {
 public:
  Reader(const OnnxNode& node, const Columns& columns, std::string_view what)
      : node_(node), columns_(columns), attributes_(node, what) {}

  // Nothing for a form that is not known, or that the runtime may see otherwise.
  std::optional<OnnxTrees> Read(std::int64_t table_columns) {
    const bool classifier = node_.op == "TreeEnsembleClassifier";
    result_.ensemble.columns = table_columns;
    if (!ReadNodes() || !FindTrees()) return {};
    if (!ReadWeights(classifier ? "class" : "target")) return {};
    if (!(classifier ? PlanClassifier() : PlanRegressor())) return {};
    if (!BuildAll()) return {};
    return std::move(result_);
  }

 private:
  bool ReadNodes() {
    bool in_double = false;
    nodes_.trees = attributes_.Integers("nodes_treeids");
    nodes_.ids = attributes_.Integers("nodes_nodeids");
    nodes_.columns = attributes_.Integers("nodes_featureids");
    nodes_.if_true = attributes_.Integers("nodes_truenodeids");
    nodes_.if_false = attributes_.Integers("nodes_falsenodeids");
    nodes_.missing_true = attributes_.Integers("nodes_missing_value_tracks_true");
    auto values = attributes_.Numbers("nodes_values", in_double);
    auto hit_rates = attributes_.Numbers("nodes_hitrates", in_double);
    const OnnxAttribute* modes = node_.Find("nodes_modes");
    if (!values || !hit_rates || modes == nullptr) return false;
    nodes_.values = std::move(*values);
    nodes_.hit_rates = std::move(*hit_rates);
    for (const std::string_view name : modes->texts) {
      const auto mode = ModeOf(name);
      if (!mode) return false;
      nodes_.modes.push_back(*mode);
    }
    const auto size = static_cast<std::size_t>(nodes_.size());
    for (const auto* list : {&nodes_.trees, &nodes_.columns, &nodes_.if_true, &nodes_.if_false}) {
      if (list->size() != size) return false;
    }
    if (nodes_.values.size() != size || nodes_.modes.size() != size) return false;
    nodes_.missing_true.resize(size, 0);
    if (nodes_.hit_rates.size() != size) nodes_.hit_rates.clear();
    // Exporters that do not know them write ones or zeros.
    if (std::ranges::all_of(nodes_.hit_rates,
                            [&](double rate) { return rate == nodes_.hit_rates.front(); })) {
      nodes_.hit_rates.clear();
    }
    nodes_.single = columns_.single;
    // In double precision, values that were rounded before are compared with thresholds that were
    // not: no form of ours.
    return columns_.single ? !in_double : !columns_.rounded;
  }

  bool FindTrees() {
    for (std::int64_t i = 0; i < nodes_.size(); ++i) {
      if (trees_.empty() || trees_.back().id != nodes_.trees[i]) {
        trees_.push_back({nodes_.trees[i], i, i});
      }
      trees_.back().end = i + 1;
    }
    std::ranges::sort(trees_, {}, &Range::id);
    for (std::size_t t = 1; t < trees_.size(); ++t) {
      if (trees_[t].id == trees_[t - 1].id) return false;
    }
    by_id_.resize(nodes_.size());
    for (const Range& tree : trees_) {
      const auto ids = std::span(by_id_).subspan(tree.begin, tree.end - tree.begin);
      for (std::int64_t i = 0; i < std::ssize(ids); ++i) ids[i] = {nodes_.ids[tree.begin + i], i};
      std::ranges::sort(ids);
      for (std::int64_t i = 1; i < std::ssize(ids); ++i) {
        if (ids[i].first == ids[i - 1].first) return false;
      }
    }
    return !trees_.empty();
  }

  // The index within the tree of the node with this id, or -1.
  std::int64_t Find(const Range& tree, std::int64_t id) const {
    const auto ids = std::span(by_id_).subspan(tree.begin, tree.end - tree.begin);
    const auto found = std::ranges::lower_bound(
        ids, id, {}, [](const std::pair<std::int64_t, std::int64_t>& one) { return one.first; });
    return found != ids.end() && found->first == id ? found->second : -1;
  }

  bool ReadWeights(const std::string& prefix) {
    bool in_double = false;
    const auto trees = attributes_.Integers(prefix + "_treeids");
    const auto ids = attributes_.Integers(prefix + "_nodeids");
    const auto outputs = attributes_.Integers(prefix + "_ids");
    const auto values = attributes_.Numbers(prefix + "_weights", in_double);
    auto base = attributes_.Numbers("base_values", in_double);
    if (!values || !base || (in_double && columns_.single)) return false;
    if (trees.size() != ids.size() || outputs.size() != ids.size() ||
        values->size() != ids.size() || ids.empty()) {
      return false;
    }
    base_ = std::move(*base);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto tree = std::ranges::lower_bound(trees_, trees[i], {}, &Range::id);
      if (tree == trees_.end() || tree->id != trees[i]) return false;
      const std::int64_t node = Find(*tree, ids[i]);
      if (node < 0 || nodes_.modes[tree->begin + node] != Mode::kLeaf) return false;
      weights_.push_back({tree - trees_.begin(), node, outputs[i], (*values)[i]});
    }
    return true;
  }

  std::optional<Activation> PostTransform() const {
    const std::string_view name = node_.Text("post_transform", "NONE");
    if (name == "NONE") return Activation::kIdentity;
    if (name == "LOGISTIC") return Activation::kSigmoid;
    if (name == "SOFTMAX") return Activation::kSoftmax;
    return std::nullopt;  // SOFTMAX_ZERO, PROBIT
  }

  // One base value for each output, or none.
  bool SetBase(std::int64_t outputs) {
    if (outputs < 1 || outputs > std::ssize(weights_)) return false;
    if (!base_.empty() && std::ssize(base_) != outputs) return false;
    result_.ensemble.base = base_;
    result_.ensemble.base.resize(outputs, 0.0);
    return std::ranges::all_of(
        weights_, [&](const Weight& w) { return w.output >= 0 && w.output < outputs; });
  }

  bool PlanClassifier() {
    const OnnxAttribute* texts = node_.Find("classlabels_strings");
    const std::int64_t labels = texts != nullptr && !texts->texts.empty()
                                    ? std::ssize(texts->texts)
                                    : std::ssize(attributes_.Integers("classlabels_int64s"));
    const auto activation = PostTransform();
    if (!activation || node_.Text("aggregate_function", "SUM") != "SUM") return false;
    result_.activation = *activation;
    const bool one_sum =
        std::ranges::all_of(weights_, [](const Weight& w) { return w.output == 0; });
    if (labels == 2 && one_sum) {
      // The runtime gives both classes; it ignores SOFTMAX, which is left to it.
      if (*activation == Activation::kSoftmax || base_.size() > 1) return false;
      const double base = base_.empty() ? 0.0 : base_.front();
      const bool positive =
          std::ranges::all_of(weights_, [](const Weight& w) { return !(w.value < 0); });
      const double whole = *activation == Activation::kIdentity && positive ? 1.0 : 0.0;
      result_.ensemble.base = {whole - base, base};
      const std::size_t count = weights_.size();
      for (std::size_t i = 0; i < count; ++i) {
        Weight other = weights_[i];
        other.output = 1;
        weights_.push_back(other);
        weights_[i].value = -weights_[i].value;
      }
      return true;
    }
    // What it makes of base values of two classes, and of one class, is not what the standard says.
    if (labels == 2 && !base_.empty()) return false;
    if (labels == 1 && *activation != Activation::kIdentity) return false;
    return SetBase(labels);
  }

  bool PlanRegressor() {
    const std::int64_t targets = node_.Integer("n_targets", 1);
    const auto activation = PostTransform();
    const std::string_view aggregate = node_.Text("aggregate_function", "SUM");
    if (!activation || (aggregate != "SUM" && aggregate != "AVERAGE")) return false;
    // The runtime ignores the post_transform of one target, against the standard: left to it.
    if (targets == 1 && *activation != Activation::kIdentity) return false;
    result_.activation = *activation;
    if (aggregate == "AVERAGE") {
      for (Weight& w : weights_) w.value /= static_cast<double>(trees_.size());
    }
    return SetBase(targets);
  }

  // A tree for each output that its leaves add to.
  bool BuildAll() {
    std::ranges::stable_sort(weights_, [](const Weight& a, const Weight& b) {
      return std::pair(a.tree, a.output) < std::pair(b.tree, b.output);
    });
    // Copies take room in proportion to the weights, or they are not worth it.
    std::int64_t room = 4 * (nodes_.size() + std::ssize(weights_)) + 64;
    TreeBuilder builder(result_.ensemble);
    for (std::size_t begin = 0; begin < weights_.size();) {
      std::size_t end = begin;
      while (end < weights_.size() && weights_[end].tree == weights_[begin].tree &&
             weights_[end].output == weights_[begin].output) {
        ++end;
      }
      const Range& tree = trees_[weights_[begin].tree];
      room -= tree.end - tree.begin;
      if (room < 0) return false;
      if (!Build(tree, std::span(weights_).subspan(begin, end - begin), builder)) return false;
      begin = end;
    }
    return true;
  }

  bool Build(const Range& tree, std::span<const Weight> weights, TreeBuilder& builder) {
    const bool one_output = result_.ensemble.base.size() == 1;
    std::vector<double> leaf(tree.end - tree.begin, 0.0);
    std::vector<bool> weighted(leaf.size(), false);
    for (const Weight& w : weights) {
      // Of one output the runtime takes the first weight of a leaf only.
      if (weighted[w.node]) return false;
      weighted[w.node] = true;
      leaf[w.node] = w.value;
    }
    builder.Begin(tree.end - tree.begin);
    for (std::int64_t i = 0; i < std::ssize(leaf); ++i) {
      const std::int64_t at = tree.begin + i;
      const auto index = static_cast<std::int32_t>(i);
      if (!nodes_.hit_rates.empty()) builder.SetCover(index, nodes_.hit_rates[at]);
      if (nodes_.modes[at] == Mode::kLeaf) {
        // Without a weight it has the value of its node there.
        if (one_output && !weighted[i] && nodes_.values[at] != 0) return false;
        builder.SetLeaf(index, leaf[i]);
        continue;
      }
      const std::int64_t column = columns_.At(nodes_.columns[at]);
      if (column < 0 || column > std::numeric_limits<std::int32_t>::max()) return false;
      const std::int64_t if_true = Find(tree, nodes_.if_true[at]);
      const std::int64_t if_false = Find(tree, nodes_.if_false[at]);
      if (if_true < 0 || if_false < 0) return false;
      AddSplit(at, index, static_cast<std::int32_t>(column), static_cast<std::int32_t>(if_true),
               static_cast<std::int32_t>(if_false), builder);
    }
    builder.Finish(static_cast<std::int32_t>(weights.front().output));
    return true;
  }

  void AddSplit(std::int64_t at, std::int32_t index, std::int32_t column, std::int32_t if_true,
                std::int32_t if_false, TreeBuilder& builder) const {
    const double value = nodes_.values[at];
    const auto single = static_cast<float>(value);
    const bool missing_true = nodes_.missing_true[at] == 1;
    const auto less = [&] { return nodes_.single ? FloatLess(single) : value; };
    const auto less_equal = [&] {
      return nodes_.single ? FloatLessEqual(single) : LessEqual(value);
    };
    TreeNode node;
    node.column = column;
    node.missing_left = missing_true;
    bool true_is_left = true;
    switch (nodes_.modes[at]) {
      case Mode::kLeaf: break;
      case Mode::kLessEqual: node.number = less_equal(); break;
      case Mode::kLess: node.number = less(); break;
      case Mode::kGreaterEqual:
      case Mode::kGreater:
        // The other side of < and <=; a missing value is neither.
        node.number = nodes_.modes[at] == Mode::kGreaterEqual ? less() : less_equal();
        node.missing_left = !missing_true;
        true_is_left = false;
        break;
      case Mode::kEqual:
      case Mode::kNotEqual:
        node.equal = true;
        node.single = nodes_.single;
        node.number = value;
        if (nodes_.modes[at] == Mode::kNotEqual) {  // a missing value equals nothing
          node.missing_left = false;
          true_is_left = false;
        }
        break;
    }
    builder.SetSplit(index, node, true_is_left ? if_true : if_false,
                     true_is_left ? if_false : if_true);
  }

  const OnnxNode& node_;
  const Columns& columns_;
  Attributes attributes_;
  Nodes nodes_;
  std::vector<Range> trees_;                                  // by id
  std::vector<std::pair<std::int64_t, std::int64_t>> by_id_;  // (id, index in its tree), by tree
  std::vector<Weight> weights_;
  std::vector<double> base_;
  OnnxTrees result_;
};

// What follows the trees, on a sum of trees and an activation.
class Follower {
 public:
  Follower(const OnnxModelFile& model, std::string_view what, OnnxTrees& trees)
      : model_(model), what_(what), trees_(trees) {}

  bool Apply(const OnnxNode& node, std::string_view from) {
    if (node.Is("", "Identity")) return true;
    if (node.Is("", "Cast")) return IsFloating(node.Integer("to", 0));
    if (node.Is("", "Sigmoid")) return Activate(Activation::kSigmoid);
    if (node.Is("", "Exp")) return Activate(Activation::kExp);
    if (node.Is("", "Softmax")) {
      const std::int64_t axis = node.Integer("axis", -1);
      return (axis == 1 || axis == -1) && Activate(Activation::kSoftmax);
    }
    if (node.Is(kOnnxMl, "Normalizer")) return node.Text("norm", "MAX") == "L1" && SumsToOne();
    if (!node.domain.empty() || node.inputs.size() != 2) return false;
    const bool first = node.inputs[0] == from;
    const auto constant = Constant(node.inputs[first ? 1 : 0]);
    if (!constant || node.inputs[0] == node.inputs[1]) return false;
    if (node.op == "Mul") return Scale(*constant);
    if (node.op == "Add") return Shift(*constant, 1, 1);
    if (node.op == "Sub") return first ? Shift(*constant, 1, -1) : Shift(*constant, -1, 1);
    if (node.op != "Div" || !first) return false;
    std::vector<double> inverse;
    for (const double divisor : *constant) inverse.push_back(1 / divisor);
    return Scale(inverse);
  }

 private:
  bool identity() const { return trees_.activation == Activation::kIdentity; }
  std::int64_t outputs() const { return std::ssize(trees_.ensemble.base); }

  bool Activate(Activation activation) {
    if (!identity() || (activation == Activation::kSoftmax && outputs() < 2)) return false;
    trees_.activation = activation;
    return true;
  }

  // Whether the outputs are probabilities of all classes: after softmax, or [-s, s] and a sigmoid.
  bool SumsToOne() const {
    if (trees_.activation == Activation::kSoftmax) return true;
    const TreeEnsemble& e = trees_.ensemble;
    if (trees_.activation != Activation::kSigmoid || outputs() != 2) return false;
    if (e.base[0] != -e.base[1] || e.trees() % 2 != 0) return false;
    for (std::int64_t t = 0; t < e.trees(); t += 2) {
      if (e.outputs[t] != 0 || e.outputs[t + 1] != 1) return false;
      const auto first = e.nodes_of(t), second = e.nodes_of(t + 1);
      if (first.size() != second.size()) return false;
      for (std::size_t i = 0; i < first.size(); ++i) {
        const TreeNode &left = first[i], &right = second[i];
        if (left.leaf() != right.leaf()) return false;
        if (left.leaf() && left.number != -right.number) return false;
        if (!left.leaf() && (left.column != right.column || left.number != right.number)) {
          return false;
        }
      }
    }
    return true;
  }

  // One number for each output.
  std::optional<std::vector<double>> Constant(std::string_view name) const {
    const OnnxTensor* tensor = nullptr;
    for (const OnnxTensor& one : model_.initializers) {
      if (one.name == name) tensor = &one;
    }
    if (const OnnxNode* node = ProducerOf(model_, name); tensor == nullptr && node != nullptr) {
      const OnnxAttribute* value = node->Is("", "Constant") ? node->Find("value") : nullptr;
      if (value != nullptr && value->tensor) tensor = &*value->tensor;
    }
    if (tensor == nullptr) return std::nullopt;
    const auto constant = tensor->Decode(what_);
    if (!constant || constant->dims.size() > 2) return std::nullopt;
    if (constant->values.size() == 1) return std::vector<double>(outputs(), constant->values[0]);
    if (std::ssize(constant->values) != outputs() || constant->dims.back() != outputs()) {
      return std::nullopt;
    }
    return constant->values;
  }

  bool Scale(const std::vector<double>& factors) {
    if (std::ranges::all_of(factors, [](double f) { return f == 1; })) return true;
    if (!std::ranges::all_of(factors, [](double f) { return std::isfinite(f); })) return false;
    TreeEnsemble& ensemble = trees_.ensemble;
    if (trees_.activation == Activation::kExp) {
      for (std::int64_t k = 0; k < outputs(); ++k) {
        if (!(factors[k] > 0)) return false;
        ensemble.base[k] += Log(factors[k]);
      }
      return true;
    }
    if (!identity()) return false;
    for (std::int64_t k = 0; k < outputs(); ++k) ensemble.base[k] *= factors[k];
    for (std::int64_t t = 0; t < ensemble.trees(); ++t) {
      for (TreeNode& node : ensemble.nodes_of(t)) {
        if (node.leaf()) node.number *= factors[ensemble.outputs[t]];
      }
    }
    return true;
  }

  bool Shift(const std::vector<double>& by, double factor, double sign) {
    if (!identity()) return false;
    if (!Scale(std::vector<double>(outputs(), factor))) return false;
    for (std::int64_t k = 0; k < outputs(); ++k) trees_.ensemble.base[k] += sign * by[k];
    return true;
  }

  const OnnxModelFile& model_;
  std::string_view what_;
  OnnxTrees& trees_;
};

bool IsFinite(const TreeEnsemble& ensemble) {
  return std::ranges::all_of(ensemble.base, [](double b) { return std::isfinite(b); }) &&
         std::ranges::all_of(ensemble.nodes, [](const TreeNode& node) {
           return !node.leaf() || std::isfinite(node.number);
         });
}

bool IsTrees(const OnnxNode& node) {
  return node.Is(kOnnxMl, "TreeEnsembleClassifier") || node.Is(kOnnxMl, "TreeEnsembleRegressor");
}

}  // namespace

std::optional<OnnxTrees> ReadOnnxTrees(std::string_view content, std::string_view what,
                                       const OnnxChoice& choice) {
  OnnxSignature signature = ReadOnnxSignature(content, what, choice);
  const OnnxModelFile model = ParseOnnxModel(content, what);
  if (model.has_functions) return std::nullopt;  // they may redefine operators
  // From the output back to the trees.
  std::vector<std::pair<const OnnxNode*, std::string_view>> after;  // and what goes into each
  std::string_view name = signature.output;
  const OnnxNode* node = ProducerOf(model, name);
  while (node != nullptr && !IsTrees(*node)) {
    if (after.size() == kMaxSteps || node->inputs.empty() || node->outputs.size() != 1) return {};
    name = node->inputs[0];
    const OnnxNode* before = ProducerOf(model, name);
    if (node->inputs.size() == 2 && (before == nullptr || before->Is("", "Constant"))) {
      name = node->inputs[1];
      before = ProducerOf(model, name);
    }
    after.emplace_back(node, name);
    node = before;
  }
  if (node == nullptr || node->inputs.empty()) return std::nullopt;
  const std::size_t at = node->op == "TreeEnsembleClassifier" ? 1 : 0;
  if (at >= node->outputs.size() || node->outputs[at] != name) return std::nullopt;
  const auto columns = ColumnsOf(model, signature, node->inputs[0], kMaxSteps);
  if (!columns) return std::nullopt;
  std::optional<OnnxTrees> trees;
  try {
    trees = Reader(*node, *columns, what).Read(signature.columns);
  } catch (const Error&) {
    return std::nullopt;  // nodes that form no trees: the runtime's to judge
  }
  if (!trees) return std::nullopt;
  Follower follower(model, what, *trees);
  for (auto step = after.rbegin(); step != after.rend(); ++step) {
    if (!follower.Apply(*step->first, step->second)) return std::nullopt;
  }
  if (!IsFinite(trees->ensemble) || trees->ensemble.roots.empty()) return std::nullopt;
  if (trees->activation == Activation::kSoftmax && trees->ensemble.base.size() < 2) return {};
  trees->names.columns = std::move(signature.column_names);
  if (signature.output_names.size() == trees->ensemble.base.size()) {
    trees->names.outputs = std::move(signature.output_names);
  }
  return trees;
}

}  // namespace windlass::model
