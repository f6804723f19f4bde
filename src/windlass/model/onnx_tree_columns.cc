#include "windlass/model/onnx_trees_internal.h"

namespace windlass::model {
namespace {

constexpr std::size_t kMaxRanges = 4096;  // of columns

std::optional<OnnxTreeColumns> ColumnsOf(const OnnxModelFile& model, const OnnxSignature& signature,
                                         std::string_view name, int steps) {
  std::int64_t first = 0;
  for (const OnnxInput& input : signature.inputs) {
    if (input.name == name) {
      const bool single = input.element == OnnxElement::kFloat;
      if ((!single && input.element != OnnxElement::kDouble) || input.rank != 2) return {};
      return OnnxTreeColumns{{{first, input.columns}}, single, single};
    }
    first += input.columns;
  }
  const OnnxNode* node = ProducerOf(model, name);
  if (node == nullptr || steps == 0 || node->inputs.empty()) return {};
  if (node->Is("", "Concat")) {
    const std::int64_t axis = node->Integer("axis", 0);
    if (axis != 1 && axis != -1) return {};
    OnnxTreeColumns all;
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

}  // namespace

std::int64_t OnnxTreeColumns::At(std::int64_t at) const {
  if (at < 0) return -1;
  for (const Range& range : ranges) {
    if (at < range.count) return range.first + at;
    at -= range.count;
  }
  return -1;
}

std::optional<OnnxTreeColumns> ReadOnnxTreeColumns(const OnnxModelFile& model,
                                                   const OnnxSignature& signature,
                                                   std::string_view name) {
  return ColumnsOf(model, signature, name, kMaxOnnxSteps);
}

}  // namespace windlass::model
