#include <algorithm>
#include <cmath>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/model/onnx_trees_internal.h"

namespace windlass::model {
namespace {

bool IsFinite(const TreeEnsemble& ensemble) {
  return std::ranges::all_of(ensemble.base, [](double b) { return std::isfinite(b); }) &&
         std::ranges::all_of(ensemble.nodes, [](const TreeNode& node) {
           return !node.leaf() || std::isfinite(node.number);
         });
}

// The nodes from the trees to the output, the last one first, each with its input that leads back.
struct Way {
  const OnnxNode* trees = nullptr;
  std::vector<std::pair<const OnnxNode*, std::string_view>> after;
};

std::optional<Way> FindTrees(const OnnxModelFile& model, std::string_view output) {
  Way way;
  std::string_view name = output;
  const OnnxNode* node = ProducerOf(model, name);
  while (node != nullptr && !IsOnnxTrees(*node)) {
    if (way.after.size() == kMaxOnnxSteps || node->inputs.empty()) return {};
    if (node->outputs.size() != 1) return {};
    name = node->inputs[0];
    const OnnxNode* before = ProducerOf(model, name);
    if (node->inputs.size() == 2 && (before == nullptr || before->Is("", "Constant"))) {
      name = node->inputs[1];
      before = ProducerOf(model, name);
    }
    way.after.emplace_back(node, name);
    node = before;
  }
  if (node == nullptr || node->inputs.empty()) return {};
  const std::size_t at = node->op == "TreeEnsembleClassifier" ? 1 : 0;
  if (at >= node->outputs.size() || node->outputs[at] != name) return {};
  way.trees = node;
  return way;
}

// The trees alone.
std::optional<OnnxTrees> ReadTrees(const OnnxNode& node, const OnnxTreeColumns& columns,
                                   std::int64_t table_columns, std::string_view what) {
  try {
    auto forest = ReadOnnxForest(node, what);
    return forest ? BuildOnnxTrees(std::move(*forest), columns, table_columns) : std::nullopt;
  } catch (const Error&) {
    return std::nullopt;  // nodes that form no trees: the runtime's to judge
  }
}

}  // namespace

const OnnxNode* ProducerOf(const OnnxModelFile& model, std::string_view name) {
  const auto found = model.producers.find(name);
  return found == model.producers.end() ? nullptr : found->second;
}

OnnxConstants::OnnxConstants(const OnnxModelFile& model, std::string_view what)
    : model_(model), what_(what) {
  for (const OnnxTensor& tensor : model.initializers) initializers_[tensor.name] = &tensor;
}

const OnnxConstant* OnnxConstants::Find(std::string_view name) {
  const auto [at, added] = decoded_.try_emplace(name);
  if (added) {
    const OnnxTensor* tensor = nullptr;
    if (const auto found = initializers_.find(name); found != initializers_.end()) {
      tensor = found->second;
    }
    if (const OnnxNode* node = ProducerOf(model_, name); tensor == nullptr && node != nullptr) {
      const OnnxAttribute* value = node->Is("", "Constant") ? node->Find("value") : nullptr;
      if (value != nullptr && value->tensor) tensor = &*value->tensor;
    }
    if (tensor != nullptr) at->second = tensor->Decode(what_);
  }
  return at->second ? &*at->second : nullptr;
}

const std::vector<double>& OnnxConstants::Floats(const OnnxNode& node, std::string_view name) {
  const OnnxAttribute* attribute = node.Find(name);
  const auto [at, added] = floats_.try_emplace(attribute);
  if (added && attribute != nullptr) {
    const auto floats = DecodeFloats(attribute->floats, what_);
    at->second.assign(floats.begin(), floats.end());
  }
  return at->second;
}

std::optional<OnnxTrees> ReadOnnxTrees(std::string_view content, std::string_view what,
                                       const OnnxChoice& choice) {
  OnnxSignature signature = ReadOnnxSignature(content, what, choice);
  const OnnxModelFile model = ParseOnnxModel(content, what);
  if (model.has_functions) return std::nullopt;  // they may redefine operators
  const auto way = FindTrees(model, signature.output);
  if (!way) return std::nullopt;
  OnnxConstants constants(model, what);
  const auto columns = ReadOnnxTreeColumns(model, signature, constants, way->trees->inputs[0]);
  if (!columns) return std::nullopt;
  auto trees = ReadTrees(*way->trees, *columns, signature.columns, what);
  if (!trees) return std::nullopt;
  for (auto step = way->after.rbegin(); step != way->after.rend(); ++step) {
    if (!ApplyAfterOnnxTrees(*step->first, step->second, constants, *trees)) return std::nullopt;
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
