#include "windlass/model/oip_protocol.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "windlass/base/bytes.h"
#include "windlass/base/error.h"

namespace windlass::model {
namespace {

constexpr std::size_t kMaxNesting = 64;
constexpr std::size_t kMaxDimensions = 8;
constexpr std::size_t kMaxNames = 64;  // of versions and extensions; more are passed over
constexpr std::int64_t kMaxTensorColumns = 1'000'000;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct TypeFacts {
  OipType type;
  std::string_view name;
  std::size_t size;
};
constexpr std::array<TypeFacts, 11> kTypes = {{{OipType::kBool, "BOOL", 1},
                                               {OipType::kInt8, "INT8", 1},
                                               {OipType::kInt16, "INT16", 2},
                                               {OipType::kInt32, "INT32", 4},
                                               {OipType::kInt64, "INT64", 8},
                                               {OipType::kUint8, "UINT8", 1},
                                               {OipType::kUint16, "UINT16", 2},
                                               {OipType::kUint32, "UINT32", 4},
                                               {OipType::kUint64, "UINT64", 8},
                                               {OipType::kFp32, "FP32", 4},
                                               {OipType::kFp64, "FP64", 8}}};

const TypeFacts& FactsOf(OipType type) { return kTypes[static_cast<std::size_t>(type)]; }

// Calls body(T{}) with the C++ type of a tensor's elements.
template <typename Body>
decltype(auto) WithType(OipType type, Body&& body) {
  switch (type) {
    case OipType::kBool:
    case OipType::kUint8: return body(std::uint8_t{});
    case OipType::kInt8: return body(std::int8_t{});
    case OipType::kInt16: return body(std::int16_t{});
    case OipType::kInt32: return body(std::int32_t{});
    case OipType::kInt64: return body(std::int64_t{});
    case OipType::kUint16: return body(std::uint16_t{});
    case OipType::kUint32: return body(std::uint32_t{});
    case OipType::kUint64: return body(std::uint64_t{});
    case OipType::kFp32: return body(float{});
    case OipType::kFp64: break;
  }
  return body(double{});
}

[[noreturn]] void ThrowAnswer(std::string_view what, std::string_view message) {
  throw Error(ErrorCode::kCorrupt, fmt::format("{}: {}", what, message));
}

// "[-1, 4]"
std::string ShapeText(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

// Reads a document as its parts go by, and keeps only what is asked for: a tree of values would
// take many times their size.
class Handler final : public nlohmann::json_sax<Json> {
 public:
  Handler(OipDocument& document, std::size_t size, std::string_view what)
      : document_(document), size_(size), what_(what) {}

  bool null() override { return Number(kNaN, "null"); }
  bool boolean(bool value) override { return Number(value ? 1 : 0, "true or false"); }
  bool number_integer(number_integer_t value) override { return Integer(value); }
  bool number_unsigned(number_unsigned_t value) override {
    if (place() == Place::kTensorParameters && key_ == "binary_data_size") {
      tensor().binary_size = value;
      return true;
    }
    if (value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      return Integer(static_cast<std::int64_t>(value));
    }
    return Number(static_cast<double>(value), "a number");
  }
  bool number_float(number_float_t value, const string_t&) override {
    return Number(value, "a number");
  }

  bool string(string_t& value) override {
    switch (place()) {
      case Place::kRoot:
        if (key_ == "name" || key_ == "model_name") document_.name = std::move(value);
        if (key_ == "platform") document_.platform = std::move(value);
        if (key_ == "error" || key_ == "detail" || key_ == "message") {
          document_.error = std::move(value);
        }
        break;
      case Place::kTensor:
        if (key_ == "name") tensor().name = std::move(value);
        if (key_ == "datatype") tensor().datatype = std::move(value);
        if (key_ == "shape" || key_ == "data") NoArray();
        break;
      case Place::kVersions:
        if (document_.versions.size() < kMaxNames) document_.versions.push_back(std::move(value));
        break;
      case Place::kExtensions:
        if (document_.extensions.size() < kMaxNames) {
          document_.extensions.push_back(std::move(value));
        }
        break;
      case Place::kData:
        Fail(fmt::format("{} holds text (\"{}\"); numbers were expected", Tensor(),
                         OipExcerpt(value)));
      case Place::kTensors:
      case Place::kShape: return Number(0, "text");
      default: break;
    }
    return true;
  }
  bool binary(binary_t&) override { return true; }  // never in JSON

  bool start_object(std::size_t) override {
    if (places_.empty()) return Push(Place::kRoot);
    if (place() == Place::kTensors) {
      tensors_->emplace_back();
      tensor().first_value = document_.values.size();
      seen_ = {};
      return Push(Place::kTensor);
    }
    if (place() == Place::kTensor && key_ == "parameters") return Push(Place::kTensorParameters);
    if (place() == Place::kTensor && (key_ == "shape" || key_ == "data")) NoArray();
    if (place() == Place::kData || place() == Place::kShape) return Number(0, "an object");
    return Push(Place::kOther);
  }

  bool key(string_t& name) override {
    key_ = std::move(name);
    if (place() == Place::kTensor) {
      constexpr std::array<std::string_view, 5> kOnce = {"name", "datatype", "shape", "data",
                                                         "parameters"};
      for (std::size_t i = 0; i < kOnce.size(); ++i) {
        if (key_ != kOnce[i]) continue;
        if (seen_[i]) Fail(fmt::format("{}: key \"{}\" stands twice", Tensor(), key_));
        seen_[i] = true;
      }
    }
    return true;
  }

  bool end_object() override {
    if (place() == Place::kTensor) {
      // Also what bounds the memory of a list of many small tensors.
      if (!seen_[0] || !seen_[1] || !seen_[2]) {
        Fail("a tensor lacks its \"name\", \"datatype\" or \"shape\"");
      }
      tensor().values = document_.values.size() - tensor().first_value;
    }
    places_.pop_back();
    return true;
  }

  bool start_array(std::size_t) override {
    if (places_.empty()) Fail("a list; a JSON object was expected");
    switch (place()) {
      case Place::kRoot:
        if (key_ == "inputs" || key_ == "outputs") {
          tensors_ = key_ == "inputs" ? &document_.inputs : &document_.outputs;
          bool& seen = key_ == "inputs" ? has_inputs_ : document_.has_outputs;
          if (std::exchange(seen, true)) Fail(fmt::format("key \"{}\" stands twice", key_));
          return Push(Place::kTensors);
        }
        if (key_ == "versions") return Push(Place::kVersions);
        if (key_ == "extensions") return Push(Place::kExtensions);
        break;
      case Place::kTensors: return Number(0, "a list");
      case Place::kTensor:
        if (key_ == "shape") return Push(Place::kShape);
        if (key_ == "data" && tensors_ == &document_.outputs) {
          // Two bytes a number at the least: no growth, and so no copies.
          document_.values.reserve(size_ / 2 + 1);
          return Push(Place::kData);
        }
        break;
      case Place::kShape: return Number(0, "a list");
      case Place::kData: return Push(Place::kData);
      default: break;
    }
    return Push(Place::kOther);
  }
  bool end_array() override {
    places_.pop_back();
    return true;
  }

  bool parse_error(std::size_t byte, const std::string&,
                   const nlohmann::detail::exception& error) override {
    constexpr int kOutOfRange = 406;
    if (error.id == kOutOfRange) Fail("a number is larger than a double can hold");
    Fail(fmt::format("not valid JSON at byte {}", byte));
  }

 private:
  enum class Place {
    kRoot,
    kTensors,
    kTensor,
    kTensorParameters,
    kShape,
    kData,
    kVersions,
    kExtensions,
    kOther,
  };

  [[noreturn]] void Fail(std::string_view message) const { ThrowAnswer(what_, message); }

  [[noreturn]] void NoArray() const { Fail(fmt::format("{}: \"{}\" is no list", Tensor(), key_)); }

  Place place() const {
    if (places_.empty()) Fail("a single value; a JSON object was expected");
    return places_.back();
  }
  OipTensor& tensor() const { return tensors_->back(); }
  std::string Tensor() const { return fmt::format("tensor \"{}\"", OipExcerpt(tensor().name)); }

  bool Push(Place place) {
    if (places_.size() == kMaxNesting) {
      Fail(fmt::format("nested more than {} levels deep", kMaxNesting));
    }
    places_.push_back(place);
    return true;
  }

  bool Integer(std::int64_t value) {
    if (place() == Place::kShape) {
      if (tensor().shape.size() == kMaxDimensions) {
        Fail(fmt::format("{} has more than {} dimensions", Tensor(), kMaxDimensions));
      }
      tensor().shape.push_back(value);
      return true;
    }
    return Number(static_cast<double>(value), "a number");
  }

  bool Number(double value, std::string_view described) {
    switch (place()) {
      case Place::kData: document_.values.push_back(value); break;
      case Place::kShape: Fail(fmt::format("{}: {} stands in its shape", Tensor(), described));
      case Place::kTensors: Fail(fmt::format("{} stands where a tensor should", described));
      case Place::kTensor:
        if (key_ == "shape" || key_ == "data") NoArray();
        if (key_ == "name" || key_ == "datatype") Fail(fmt::format("\"{}\" is no text", key_));
        break;
      default: break;
    }
    return true;
  }

  OipDocument& document_;
  std::size_t size_;
  std::string_view what_;
  std::vector<Place> places_;
  std::string key_;
  std::deque<OipTensor>* tensors_ = nullptr;
  std::array<bool, 5> seen_{};
  bool has_inputs_ = false;
};

std::string DescribeTensor(const OipTensor& tensor) {
  return fmt::format("\"{}\" is {} of shape {}", OipExcerpt(tensor.name),
                     OipExcerpt(tensor.datatype), ShapeText(tensor.shape));
}

constexpr std::string_view kNumbers = "numbers (FP64, FP32, INT8 to INT64, UINT8 to UINT64, BOOL)";

OipType TypeOfInput(const OipTensor& input, const OipChoice& choice, std::string_view what) {
  if (choice.type) return *choice.type;
  const auto type = OipTypeOf(input.datatype);
  if (!type) {
    throw Error(ErrorCode::kUnsupported, fmt::format("{}: input {}; {} were expected", what,
                                                     DescribeTensor(input), kNumbers));
  }
  return *type;
}

void ReadOipInputs(const OipDocument& metadata, const OipChoice& choice, std::string_view what,
                   OipSignature& signature) {
  std::vector<const OipTensor*> inputs;
  std::vector<std::string> names;
  for (const OipTensor& input : metadata.inputs) {
    names.push_back(input.name);
    if (choice.input.empty() || input.name == choice.input) inputs.push_back(&input);
  }
  if (metadata.inputs.empty()) {
    constexpr std::string_view kUsual = "input-0";
    signature.inputs.push_back({choice.input.empty() ? std::string(kUsual) : choice.input,
                                choice.type.value_or(OipType::kFp64)});
    return;
  }
  if (inputs.empty()) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("{}: no input \"{}\"{}", what, choice.input,
                                                      Suggestion(choice.input, names)));
  }
  const std::size_t rank = inputs.front()->shape.size();
  for (const OipTensor* input : inputs) {
    const auto& shape = input->shape;
    const bool table = shape.size() == 1 || shape.size() == 2;
    if (!table || shape[0] == 0 || shape[0] < -1 ||
        (shape.size() == 2 && (shape[1] == 0 || shape[1] < -1 || shape[1] > kMaxTensorColumns))) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("{}: input {}; rows of numbers, [-1, columns], were expected", what,
                              DescribeTensor(*input)));
    }
    if (inputs.size() > 1 && (shape.size() != rank || shape[0] != inputs.front()->shape[0] ||
                              (rank == 2 && shape[1] != 1))) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("{}: input {} beside {} others; one input [-1, columns], or one a "
                              "column ([-1, 1] or [-1] all of them), was expected; ?input=NAME "
                              "takes one alone",
                              what, DescribeTensor(*input), inputs.size() - 1));
    }
    signature.inputs.push_back({input->name, TypeOfInput(*input, choice, what)});
  }
  const auto& shape = inputs.front()->shape;
  signature.flat = rank == 1;
  signature.fixed_rows = std::max<std::int64_t>(shape[0], 0);
  signature.columns = inputs.size() > 1 || rank == 1 ? std::ssize(inputs) : shape[1];
}

// The output that is meant: the one asked for, the only one, or the one that says that it holds
// probabilities.
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

// One number of a request.
template <typename T>
T Converted(double value, const OipSignature::Input& input, std::string_view what) {
  if constexpr (std::is_floating_point_v<T>) {
    const T converted = static_cast<T>(value);
    if (std::isfinite(value) && !std::isfinite(converted)) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{}: input \"{}\" takes {}, and {} is beyond it", what, input.name,
                              OipTypeName(input.type), value));
    }
    return converted;
  } else {
    // Beyond 2^53 not every whole number is a double; none is a code or a count.
    const double most = input.type == OipType::kBool ? 1
                        : sizeof(T) == 8             ? 0x1p53
                                         : static_cast<double>(std::numeric_limits<T>::max());
    const double least = std::is_unsigned_v<T> ? 0 : -most - (sizeof(T) == 8 ? 0 : 1);
    if (!(value >= least && value <= most) || value != std::trunc(value)) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{}: input \"{}\" takes {}, and was given {}", what, input.name,
                              OipTypeName(input.type), value));
    }
    return static_cast<T>(value);
  }
}

template <typename T>
void AppendNumber(std::string& out, T value, OipType type) {
  if (type == OipType::kBool) {
    out += value != 0 ? "true" : "false";
    return;
  }
  std::array<char, 32> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  out.append(text.data(), end);
}

// The values of one input: every `stride`-th of x from `first` on, `count` of them in a row.
void AppendData(const OipSignature& signature, const OipSignature::Input& input,
                std::span<const double> x, std::size_t rows, std::size_t stride, std::size_t first,
                std::size_t count, std::string_view what, std::string& out) {
  WithType(input.type, [&]<typename T>(T) {
    for (std::size_t row = 0; row < rows; ++row) {
      for (std::size_t i = 0; i < count; ++i) {
        const double value = x[row * stride + first + i];
        if (!signature.binary && !std::isfinite(value)) {
          throw Error(ErrorCode::kInvalidInput,
                      fmt::format("{}: input \"{}\": JSON cannot say {}", what, input.name, value));
        }
        const T converted = Converted<T>(value, input, what);
        if (signature.binary) {
          AppendRaw(out, converted);
        } else {
          AppendNumber(out, converted, input.type);
          out += ',';
        }
      }
    }
  });
  if (!signature.binary && rows * count > 0) out.pop_back();
}

// Bytes of a tensor behind the document, as numbers.
void AppendBinary(OipType type, std::string_view bytes, std::vector<double>& values) {
  WithType(type, [&]<typename T>(T value) {
    values.reserve(values.size() + bytes.size() / sizeof(T));
    for (std::size_t at = 0; at + sizeof(T) <= bytes.size(); at += sizeof(T)) {
      std::memcpy(&value, bytes.data() + at, sizeof(T));
      values.push_back(static_cast<double>(value));
    }
  });
}

}  // namespace

std::string_view OipTypeName(OipType type) { return FactsOf(type).name; }
std::size_t OipTypeSize(OipType type) { return FactsOf(type).size; }

std::optional<OipType> OipTypeOf(std::string_view name) {
  for (const TypeFacts& facts : kTypes) {
    if (facts.name == name) return facts.type;
  }
  return std::nullopt;
}

std::string OipExcerpt(std::string_view text) {
  constexpr std::size_t kLongest = 200;
  const bool cut = text.size() > kLongest;
  std::string line;
  for (const unsigned char c : text.substr(0, kLongest)) {
    const bool space = c <= ' ' || c == 0x7f;
    if (space && (line.empty() || line.back() == ' ')) continue;
    line += space ? ' ' : c < 0x80 ? static_cast<char>(c) : '?';
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  if (cut) line += "...";
  return line;
}

OipDocument ParseOipDocument(std::string_view json, std::string_view what) {
  const auto begin = json.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) ThrowAnswer(what, "an empty answer; JSON was expected");
  if (json[begin] == '<') {
    ThrowAnswer(what, fmt::format("HTML instead of JSON (a proxy's page?): {}",
                                  OipExcerpt(json.substr(begin))));
  }
  if (json[begin] != '{') {
    ThrowAnswer(what,
                fmt::format("a JSON object was expected, not {}", OipExcerpt(json.substr(begin))));
  }
  OipDocument document;
  Handler handler(document, json.size(), what);
  Json::sax_parse(json.begin(), json.end(), &handler);
  return document;
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

OipRequest EncodeOipRequest(const OipSignature& signature, std::span<const double> x,
                            std::int64_t rows, std::string_view what) {
  const auto columns = rows == 0 ? 0 : x.size() / static_cast<std::size_t>(rows);
  const std::size_t each = signature.one_input_a_column() ? 1 : columns;
  OipRequest request;
  std::string& json = request.body;
  std::string bytes;
  json = R"({"inputs":[)";
  std::size_t first = 0;
  for (const auto& input : signature.inputs) {
    const std::string shape =
        signature.flat ? fmt::format("[{}]", rows) : fmt::format("[{},{}]", rows, each);
    json += fmt::format(R"({}{{"name":{},"shape":{},"datatype":"{}",)", first == 0 ? "" : ",",
                        CanonicalDump(Json(input.name)), shape, OipTypeName(input.type));
    if (signature.binary) {
      json += fmt::format(R"("parameters":{{"binary_data_size":{}}}}})",
                          static_cast<std::size_t>(rows) * each * OipTypeSize(input.type));
    } else {
      json += R"("data":[)";
    }
    AppendData(signature, input, x, static_cast<std::size_t>(rows), columns, first, each, what,
               signature.binary ? bytes : json);
    if (!signature.binary) json += "]}";
    first += each;
  }
  json += ']';
  if (!signature.output.empty()) {
    json += fmt::format(R"(,"outputs":[{{"name":{}{}}}])", CanonicalDump(Json(signature.output)),
                        signature.binary ? R"(,"parameters":{"binary_data":true})" : "");
  } else if (signature.binary) {
    json += R"(,"parameters":{"binary_data_output":true})";
  }
  json += '}';
  request.json_size = json.size();
  json += bytes;
  return request;
}

OipPrediction ParseOipAnswer(std::string_view body, std::optional<std::uint64_t> json_size,
                             std::string_view output, std::int64_t rows, std::string_view what) {
  if (json_size && *json_size > body.size()) {
    ThrowAnswer(what, fmt::format("the header says that {} bytes are JSON, but there are {}",
                                  *json_size, body.size()));
  }
  OipDocument document = ParseOipDocument(body.substr(0, json_size.value_or(body.size())), what);
  if (!document.has_outputs) {
    if (document.error)
      ThrowAnswer(what, fmt::format("the server says: {}", OipExcerpt(*document.error)));
    ThrowAnswer(what, "JSON without \"outputs\"");
  }
  const std::string name =
      ChooseOipOutput(document.outputs, std::string(output), what, ErrorCode::kCorrupt);

  // Where each tensor's bytes are: behind the document, in its order.
  const std::string_view behind = body.substr(json_size.value_or(body.size()));
  std::size_t used = 0;
  const OipTensor* tensor = nullptr;
  std::string_view bytes;
  for (const OipTensor& candidate : document.outputs) {
    const std::uint64_t size = candidate.binary_size.value_or(0);
    if (size > behind.size() - used) {
      ThrowAnswer(what, fmt::format("output \"{}\" has {} bytes, but {} are left of the answer",
                                    OipExcerpt(candidate.name), size, behind.size() - used));
    }
    if (tensor == nullptr && candidate.name == name) {
      tensor = &candidate;
      bytes = behind.substr(used, size);
    }
    used += size;
  }
  if (used != behind.size()) {
    ThrowAnswer(what, fmt::format("{} bytes follow the last output", behind.size() - used));
  }

  const auto type = OipTypeOf(tensor->datatype);
  if (!type) {
    ThrowAnswer(what,
                fmt::format("output {}; {} were expected", DescribeTensor(*tensor), kNumbers));
  }
  const auto& shape = tensor->shape;
  const bool fits = (shape.size() == 1 || shape.size() == 2) &&
                    (shape.size() == 1 || (shape[1] >= 1 && shape[1] <= kMaxTensorColumns));
  if (!fits) {
    ThrowAnswer(what, fmt::format("output {}; [{rows}] or [{rows}, outputs] was expected",
                                  DescribeTensor(*tensor), fmt::arg("rows", rows)));
  }
  if (shape[0] != rows) {
    ThrowAnswer(what,
                fmt::format("output {}, but {} rows were sent", DescribeTensor(*tensor), rows));
  }
  OipPrediction prediction;
  prediction.width = shape.size() == 2 ? shape[1] : 1;
  const auto wanted =
      static_cast<std::uint64_t>(rows) * static_cast<std::uint64_t>(prediction.width);
  if (tensor->binary_size) {
    if (tensor->values != 0 || bytes.size() % OipTypeSize(*type) != 0 ||
        bytes.size() / OipTypeSize(*type) != wanted) {
      ThrowAnswer(
          what, fmt::format("output {}, but has {} bytes", DescribeTensor(*tensor), bytes.size()));
    }
    AppendBinary(*type, bytes, prediction.values);
    return prediction;
  }
  if (tensor->values != wanted) {
    ThrowAnswer(what, fmt::format("output {}, but has {} numbers", DescribeTensor(*tensor),
                                  tensor->values));
  }
  if (tensor->values == document.values.size()) {
    prediction.values = std::move(document.values);
  } else {
    const auto begin = document.values.begin() + static_cast<std::ptrdiff_t>(tensor->first_value);
    prediction.values.assign(begin, begin + static_cast<std::ptrdiff_t>(tensor->values));
  }
  // A server may print more digits of a float than it has, or fewer: the same number either way.
  if (*type == OipType::kFp32) {
    for (double& value : prediction.values) value = static_cast<float>(value);
  }
  return prediction;
}

}  // namespace windlass::model
