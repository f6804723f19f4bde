#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "windlass/model/oip_protocol_internal.h"

namespace windlass::model {
namespace {

OipType TypeOfInput(const OipTensor& input, const OipChoice& choice, std::string_view what) {
  if (choice.type) return *choice.type;
  const auto type = OipTypeOf(input.datatype);
  if (!type) {
    throw Error(ErrorCode::kUnsupported, fmt::format("{}: input {}; {} were expected", what,
                                                     DescribeOipTensor(input), kOipNumbers));
  }
  return *type;
}

// The metadata's inputs, or the one of them that was chosen.
std::vector<const OipTensor*> InputsOf(const OipDocument& metadata, const OipChoice& choice,
                                       std::string_view what) {
  std::vector<const OipTensor*> inputs;
  std::vector<std::string> names;
  for (const OipTensor& input : metadata.inputs) {
    names.push_back(input.name);
    if (choice.input.empty() || input.name == choice.input) inputs.push_back(&input);
  }
  if (inputs.empty()) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("{}: no input \"{}\"{}", what, choice.input,
                                                      Suggestion(choice.input, names)));
  }
  return inputs;
}

// Whether a table fits into it: [rows, columns] or [rows].
bool IsTable(const std::vector<std::int64_t>& shape) {
  if ((shape.size() != 1 && shape.size() != 2) || shape[0] == 0 || shape[0] < -1) return false;
  return shape.size() == 1 || shape[1] == -1 || (shape[1] > 0 && shape[1] <= kMaxOipColumns);
}

void CheckInputs(const std::vector<const OipTensor*>& inputs, std::string_view what) {
  const auto& first = inputs.front()->shape;
  for (const OipTensor* input : inputs) {
    const auto& shape = input->shape;
    if (!IsTable(shape)) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("{}: input {}; rows of numbers, [-1, columns], were expected", what,
                              DescribeOipTensor(*input)));
    }
    const bool column = shape.size() == first.size() && shape[0] == first[0] &&
                        (shape.size() == 1 || shape[1] == 1);
    if (inputs.size() > 1 && !column) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("{}: input {} beside {} others; one input [-1, columns], or one a "
                              "column ([-1, 1] or [-1] all of them), was expected; ?input=NAME "
                              "takes one alone",
                              what, DescribeOipTensor(*input), inputs.size() - 1));
    }
  }
}

void ReadOipInputs(const OipDocument& metadata, const OipChoice& choice, std::string_view what,
                   OipSignature& signature) {
  if (metadata.inputs.empty()) {
    constexpr std::string_view kUsual = "input-0";
    signature.inputs.push_back({choice.input.empty() ? std::string(kUsual) : choice.input,
                                choice.type.value_or(OipType::kFp64)});
    return;
  }
  const auto inputs = InputsOf(metadata, choice, what);
  CheckInputs(inputs, what);
  for (const OipTensor* input : inputs) {
    signature.inputs.push_back({input->name, TypeOfInput(*input, choice, what)});
  }
  const auto& shape = inputs.front()->shape;
  signature.flat = shape.size() == 1;
  signature.fixed_rows = std::max<std::int64_t>(shape[0], 0);
  signature.columns = inputs.size() > 1 || signature.flat ? std::ssize(inputs) : shape[1];
}

}  // namespace

std::string DescribeOipTensor(const OipTensor& tensor) {
  return fmt::format("\"{}\" is {} of shape [{}]", OipExcerpt(tensor.name),
                     OipExcerpt(tensor.datatype), fmt::join(tensor.shape, ", "));
}

std::string ChooseOipOutput(const std::deque<OipTensor>& outputs, const std::string& wanted,
                            std::string_view what, ErrorCode code) {
  std::vector<std::string> names;
  std::vector<std::string> probabilities;
  for (const OipTensor& output : outputs) {
    if (output.name == wanted) return wanted;
    names.push_back(output.name);
    if (output.name.find("proba") != std::string::npos) probabilities.push_back(output.name);
  }
  if (!wanted.empty()) {
    throw Error(code, fmt::format("{}: no output \"{}\"{}", what, OipExcerpt(wanted),
                                  Suggestion(wanted, names)));
  }
  if (names.size() == 1) return names.front();
  if (probabilities.size() == 1) return probabilities.front();
  if (names.empty()) throw Error(code, fmt::format("{}: \"outputs\" is empty", what));
  constexpr std::size_t kShown = 12;
  const auto shown = static_cast<std::ptrdiff_t>(std::min(names.size(), kShown));
  throw Error(code, fmt::format("{}: several outputs: {}; choose one with ?output=NAME", what,
                                OipExcerpt(fmt::format(
                                    "{}", fmt::join(names.begin(), names.begin() + shown, ", ")))));
}

OipSignature ReadOipSignature(const OipDocument& metadata, const OipChoice& choice,
                              std::string_view what) {
  OipSignature signature;
  ReadOipInputs(metadata, choice, what, signature);
  signature.output = metadata.outputs.empty() ? choice.output
                                              : ChooseOipOutput(metadata.outputs, choice.output,
                                                                what, ErrorCode::kInvalidInput);
  return signature;
}

Json EncodeOipSignature(const OipSignature& signature) {
  Json inputs = Json::array();
  for (const auto& input : signature.inputs) {
    inputs.push_back({{"name", input.name}, {"datatype", OipTypeName(input.type)}});
  }
  return {{"inputs", std::move(inputs)},  {"flat", signature.flat},
          {"columns", signature.columns}, {"fixed_rows", signature.fixed_rows},
          {"output", signature.output},   {"binary", signature.binary}};
}

OipSignature DecodeOipSignature(const Json& json) {
  OipSignature signature;
  for (const Json& input : json.at("inputs")) {
    signature.inputs.push_back(
        {input.at("name").get<std::string>(),
         OipTypeOf(input.at("datatype").get<std::string>()).value_or(OipType::kFp64)});
  }
  signature.flat = json.at("flat").get<bool>();
  signature.columns = json.at("columns").get<std::int64_t>();
  signature.fixed_rows = json.at("fixed_rows").get<std::int64_t>();
  signature.output = json.at("output").get<std::string>();
  signature.binary = json.at("binary").get<bool>();
  return signature;
}

}  // namespace windlass::model
