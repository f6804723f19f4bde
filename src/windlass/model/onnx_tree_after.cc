#include <algorithm>
#include <cmath>
#include <span>
#include <tuple>

#include "windlass/base/vector_math.h"
#include "windlass/model/onnx_trees_internal.h"

namespace windlass::model {
namespace {

// What follows the trees, on a sum of trees and an activation.
class Follower {
 public:
  Follower(OnnxConstants& constants, OnnxTrees& trees) : constants_(constants), trees_(trees) {}

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
    return node.domain.empty() && node.inputs.size() == 2 && Calculate(node, from);
  }

 private:
  // With a constant.
  bool Calculate(const OnnxNode& node, std::string_view from) {
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

  bool identity() const { return trees_.activation == Activation::kIdentity; }
  std::int64_t outputs() const { return std::ssize(trees_.ensemble.base); }

  bool Activate(Activation activation) {
    if (!identity() || (activation == Activation::kSoftmax && outputs() < 2)) return false;
    trees_.activation = activation;
    return true;
  }

  // Whether one tree is the other with the signs of its leaves changed.
  static bool AreOpposite(std::span<const TreeNode> first, std::span<const TreeNode> second) {
    return std::ranges::equal(first, second, [](const TreeNode& a, const TreeNode& b) {
      if (a.leaf() || b.leaf()) return a.leaf() && b.leaf() && a.number == -b.number;
      return std::tie(a.column, a.number, a.categories, a.missing_left, a.equal, a.single) ==
             std::tie(b.column, b.number, b.categories, b.missing_left, b.equal, b.single);
    });
  }

  // Whether the outputs are probabilities of all classes: after softmax, or [-s, s] and a sigmoid.
  bool SumsToOne() const {
    if (trees_.activation == Activation::kSoftmax) return true;
    const TreeEnsemble& e = trees_.ensemble;
    if (trees_.activation != Activation::kSigmoid || outputs() != 2) return false;
    if (e.base[0] != -e.base[1] || e.trees() % 2 != 0) return false;
    for (std::int64_t t = 0; t < e.trees(); t += 2) {
      if (e.outputs[t] != 0 || e.outputs[t + 1] != 1) return false;
      if (!AreOpposite(e.nodes_of(t), e.nodes_of(t + 1))) return false;
    }
    return true;
  }

  // One number for each output.
  std::optional<std::vector<double>> Constant(std::string_view name) const {
    const OnnxConstant* constant = constants_.Find(name);
    if (constant == nullptr || constant->dims.size() > 2) return std::nullopt;
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

  OnnxConstants& constants_;
  OnnxTrees& trees_;
};

}  // namespace

bool ApplyAfterOnnxTrees(const OnnxNode& node, std::string_view from, OnnxConstants& constants,
                         OnnxTrees& trees) {
  return Follower(constants, trees).Apply(node, from);
}

}  // namespace windlass::model
