#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "windlass/base/error.h"
#include "windlass/base/json.h"
#include "windlass/model/onnx_graph.h"
#include "windlass/model/onnx_proto_internal.h"

namespace windlass::model {
namespace {

[[noreturn]] void Throw(std::string_view what, std::string_view message) {
  throw Error(ErrorCode::kInvalidInput, fmt::format("{}: {}", what, message));
}

OnnxElement ElementOf(const OnnxValueInfo& input, std::string_view what) {
  switch (input.type) {
    case OnnxType::kFloat: return OnnxElement::kFloat;
    case OnnxType::kDouble: return OnnxElement::kDouble;
    case OnnxType::kInt32: return OnnxElement::kInt32;
    case OnnxType::kInt64: return OnnxElement::kInt64;
    default:
      Throw(what, fmt::format("input \"{}\" is {}; numbers (float, double, int64 or int32) were "
                              "expected",
                              input.name, input.Described()));
  }
}

// One input, its batch size (0 for any) returned through `batch`.
OnnxInput ReadInput(const OnnxValueInfo& info, std::int64_t columns, std::int64_t& batch,
                    std::string_view what) {
  OnnxInput input;
  input.name = std::string(info.name);
  input.element = ElementOf(info, what);
  input.rank = info.has_shape ? static_cast<int>(info.dims.size()) : 2;
  if (info.has_shape && info.dims.size() != 1 && info.dims.size() != 2) {
    Throw(what, fmt::format("input \"{}\" is {}; rows of numbers, [rows, columns], were expected",
                            info.name, info.Described()));
  }
  const auto size = [&](std::size_t axis) {
    return info.has_shape ? info.dims[axis] : OnnxValueInfo::kAnySize;
  };
  batch = size(0) == OnnxValueInfo::kAnySize ? 0 : size(0);
  if (input.rank == 1) return input;
  input.columns = size(1);
  if (columns > 0) {
    if (input.columns != OnnxValueInfo::kAnySize && input.columns != columns) {
      Throw(what, fmt::format("option columns={}, but input \"{}\" is {}", columns, info.name,
                              info.Described()));
    }
    input.columns = columns;
  }
  if (input.columns == OnnxValueInfo::kAnySize) {
    Throw(what, fmt::format("input \"{}\" is {}: it does not say how many columns it takes; say "
                            "it with ?columns=NUMBER",
                            info.name, info.Described()));
  }
  return input;
}

void ReadInputs(const OnnxModelFile& model, std::int64_t columns, std::string_view what,
                OnnxSignature& signature) {
  if (model.inputs.empty()) Throw(what, "the graph has no input; rows of numbers were expected");
  if (columns > 0 && model.inputs.size() > 1) {
    Throw(what, fmt::format("option columns={} is for a model of one input; this one has {}",
                            columns, model.inputs.size()));
  }
  bool single = model.inputs.size() > 1;
  for (const auto& info : model.inputs) {
    std::int64_t batch = 0;
    signature.inputs.push_back(ReadInput(info, columns, batch, what));
    const OnnxInput& input = signature.inputs.back();
    if (signature.inputs.size() > 1 && batch != signature.batch) {
      Throw(what, fmt::format("input \"{}\" is {}, which is another number of rows than \"{}\" "
                              "has",
                              info.name, info.Described(), signature.inputs.front().name));
    }
    signature.batch = batch;
    constexpr std::int64_t kMostColumns = 100'000'000;
    if (input.columns > kMostColumns - signature.columns) {
      Throw(what, fmt::format("more than {} columns", kMostColumns));
    }
    signature.columns += input.columns;
    single = single && input.columns == 1;
  }
  if (single) {
    for (const auto& input : signature.inputs) signature.column_names.push_back(input.name);
  }
}

const OnnxNode* Producer(const OnnxModelFile& model, std::string_view name) {
  const auto found = model.producers.find(name);
  return found == model.producers.end() ? nullptr : found->second;
}

bool IsZipMap(const OnnxNode* node) {
  return node != nullptr && node->Is(kOnnxMl, "ZipMap") && node->inputs.size() == 1;
}

bool NamesProbabilities(std::string_view name) {
  std::string lower(name);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower.find("prob") != std::string::npos;
}

// The output that is meant; see ReadOnnxSignature.
std::string_view ChooseOutput(const OnnxModelFile& model, const std::string& wanted,
                              std::string_view what) {
  std::vector<std::string> names;
  std::vector<std::string_view> floating;
  std::vector<std::string_view> probabilities;
  for (const auto& output : model.outputs) {
    names.emplace_back(output.name);
    if (wanted == output.name) return output.name;
    const bool numbers =
        output.is_tensor && (output.type == OnnxType::kFloat || output.type == OnnxType::kDouble ||
                             output.type == OnnxType::kUnknown);
    if (!numbers && !IsZipMap(Producer(model, output.name))) continue;
    floating.push_back(output.name);
    if (NamesProbabilities(output.name)) probabilities.push_back(output.name);
  }
  if (!wanted.empty()) {
    Throw(what, fmt::format("no output \"{}\"{}", wanted, Suggestion(wanted, names)));
  }
  if (floating.size() == 1) return floating.front();
  if (probabilities.size() == 1) return probabilities.front();
  if (model.outputs.size() == 1) return model.outputs.front().name;
  Throw(what,
        fmt::format("several outputs: {}; choose one with ?output=NAME", fmt::join(names, ", ")));
}

std::vector<std::string> LabelsAt(const OnnxNode& node, std::string_view what) {
  std::vector<std::string> labels;
  for (const auto* key : {"classlabels_int64s", "classlabels_ints"}) {
    if (const OnnxAttribute* found = node.Find(key); found != nullptr) {
      for (const auto label : DecodeIntegers(found->integers, what)) {
        labels.push_back(std::to_string(label));
      }
    }
  }
  if (const OnnxAttribute* found = node.Find("classlabels_strings"); found != nullptr) {
    for (const auto label : found->texts) labels.emplace_back(label);
  }
  const std::set<std::string_view> different(labels.begin(), labels.end());
  if (different.size() != labels.size() || different.contains("")) return {};
  return labels;
}

// Class labels, from the ZipMap or the classifier that the output comes from by steps that keep
// its columns.
std::vector<std::string> LabelsOf(const OnnxModelFile& model, std::string_view output,
                                  std::string_view what) {
  static const std::set<std::string_view> kKeepColumns = {"ZipMap", "Normalizer", "Identity",
                                                          "Cast",   "Softmax",    "Sigmoid"};
  constexpr int kMostSteps = 16;
  for (int step = 0; step < kMostSteps; ++step) {
    const OnnxNode* node = Producer(model, output);
    if (node == nullptr) return {};
    const bool is_label = node->outputs.size() > 1 && node->outputs.front() == output;
    if (is_label) return {};
    if (auto labels = LabelsAt(*node, what); !labels.empty()) return labels;
    if (!kKeepColumns.contains(node->op) || node->inputs.empty()) return {};
    output = node->inputs.front();
  }
  return {};
}

}  // namespace

OnnxSignature ReadOnnxSignature(std::string_view content, std::string_view what,
                                const OnnxChoice& choice) {
  const OnnxModelFile model = ParseOnnxModel(content, what);
  for (const auto& tensor : model.initializers) {
    if (tensor.external) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("{}: the weights \"{}\" are in another file; save the model as one "
                              "file (onnx.save without save_as_external_data)",
                              what, tensor.name));
    }
  }
  OnnxSignature signature;
  ReadInputs(model, choice.columns, what, signature);
  std::string_view output = ChooseOutput(model, choice.output, what);
  signature.output_names = LabelsOf(model, output, what);
  if (const OnnxNode* node = Producer(model, output); IsZipMap(node)) output = node->inputs[0];
  signature.output = std::string(output);
  return signature;
}

std::string OnnxForRuntime(std::string_view content, const OnnxSignature& signature,
                           std::string_view what) {
  return WithOnlyOutput(content, signature.output, what);
}

}  // namespace windlass::model
