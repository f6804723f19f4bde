#include "windlass/model/oip_protocol.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "windlass/base/bytes.h"
#include "windlass/base/error.h"
#include "windlass/model/oip_protocol_internal.h"

namespace windlass::model {
namespace {

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

// The JSON of an input up to its values, which are bytes behind the document or follow here.
std::string HeadOf(const OipSignature& signature, const OipSignature::Input& input,
                   std::size_t rows, std::size_t columns) {
  const std::string shape =
      signature.flat ? fmt::format("[{}]", rows) : fmt::format("[{},{}]", rows, columns);
  const std::string head =
      fmt::format(R"({{"name":{},"shape":{},"datatype":"{}",)", CanonicalDump(Json(input.name)),
                  shape, OipTypeName(input.type));
  if (!signature.binary) return head + R"("data":[)";
  return head + fmt::format(R"("parameters":{{"binary_data_size":{}}}}})",
                            rows * columns * OipTypeSize(input.type));
}

// What of the answer is wanted, and how.
std::string WantedOf(const OipSignature& signature) {
  if (!signature.output.empty()) {
    return fmt::format(R"(,"outputs":[{{"name":{}{}}}])", CanonicalDump(Json(signature.output)),
                       signature.binary ? R"(,"parameters":{"binary_data":true})" : "");
  }
  return signature.binary ? R"(,"parameters":{"binary_data_output":true})" : "";
}

struct Output {
  const OipTensor* tensor = nullptr;
  std::string_view bytes;  // of it, behind the document
};

// The first output of this name. `behind` are the bytes of all outputs, in the document's order.
Output FindOutput(const OipDocument& document, std::string_view name, std::string_view behind,
                  std::string_view what) {
  Output found;
  std::size_t used = 0;
  for (const OipTensor& tensor : document.outputs) {
    const std::uint64_t size = tensor.binary_size.value_or(0);
    if (size > behind.size() - used) {
      ThrowOipAnswer(what, fmt::format("output \"{}\" has {} bytes, but {} are left of the answer",
                                       OipExcerpt(tensor.name), size, behind.size() - used));
    }
    if (found.tensor == nullptr && tensor.name == name)
      found = {&tensor, behind.substr(used, size)};
    used += size;
  }
  if (used != behind.size()) {
    ThrowOipAnswer(what, fmt::format("{} bytes follow the last output", behind.size() - used));
  }
  return found;
}

// The type of an output that is [rows] or [rows, outputs] of numbers.
OipType CheckOutput(const OipTensor& tensor, std::int64_t rows, std::string_view what) {
  const auto type = OipTypeOf(tensor.datatype);
  if (!type) {
    ThrowOipAnswer(
        what, fmt::format("output {}; {} were expected", DescribeOipTensor(tensor), kOipNumbers));
  }
  const auto& shape = tensor.shape;
  const bool fits = (shape.size() == 1 || shape.size() == 2) &&
                    (shape.size() == 1 || (shape[1] >= 1 && shape[1] <= kMaxOipColumns));
  if (!fits) {
    ThrowOipAnswer(what, fmt::format("output {}; [{rows}] or [{rows}, outputs] was expected",
                                     DescribeOipTensor(tensor), fmt::arg("rows", rows)));
  }
  if (shape[0] != rows) {
    ThrowOipAnswer(
        what, fmt::format("output {}, but {} rows were sent", DescribeOipTensor(tensor), rows));
  }
  return *type;
}

// The `wanted` values of an output that are bytes.
std::vector<double> BinaryValues(const Output& output, OipType type, std::uint64_t wanted,
                                 std::string_view what) {
  const std::size_t each = OipTypeSize(type);
  const std::size_t size = output.bytes.size();
  if (output.tensor->values != 0 || size % each != 0 || size / each != wanted) {
    ThrowOipAnswer(
        what, fmt::format("output {}, but has {} bytes", DescribeOipTensor(*output.tensor), size));
  }
  std::vector<double> values;
  AppendOipNumbers(type, output.bytes, values);
  return values;
}

// The `wanted` values of an output that are JSON.
std::vector<double> JsonValues(OipDocument& document, const OipTensor& tensor, OipType type,
                               std::uint64_t wanted, std::string_view what) {
  if (tensor.values != wanted) {
    ThrowOipAnswer(what, fmt::format("output {}, but has {} numbers", DescribeOipTensor(tensor),
                                     tensor.values));
  }
  std::vector<double> values;
  if (tensor.values == document.values.size()) {
    values = std::move(document.values);
  } else {
    const auto begin = document.values.begin() + static_cast<std::ptrdiff_t>(tensor.first_value);
    values.assign(begin, begin + static_cast<std::ptrdiff_t>(tensor.values));
  }
  // A server may print more digits of a float than it has, or fewer: the same number either way.
  if (type == OipType::kFp32) {
    for (double& value : values) value = static_cast<float>(value);
  }
  return values;
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

void AppendOipNumbers(OipType type, std::string_view bytes, std::vector<double>& values) {
  WithType(type, [&]<typename T>(T value) {
    values.reserve(values.size() + bytes.size() / sizeof(T));
    for (std::size_t at = 0; at + sizeof(T) <= bytes.size(); at += sizeof(T)) {
      std::memcpy(&value, bytes.data() + at, sizeof(T));
      values.push_back(static_cast<double>(value));
    }
  });
}

void ThrowOipAnswer(std::string_view what, std::string_view message) {
  throw Error(ErrorCode::kInvalidInput, fmt::format("{}: {}", what, message));
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

OipRequest EncodeOipRequest(const OipSignature& signature, std::span<const double> x,
                            std::int64_t rows, std::string_view what) {
  const auto count = static_cast<std::size_t>(rows);
  const std::size_t columns = rows == 0 ? 0 : x.size() / count;
  const std::size_t each = signature.one_input_a_column() ? 1 : columns;
  OipRequest request;
  std::string& json = request.body;
  std::string bytes;
  json = R"({"inputs":[)";
  std::size_t first = 0;
  for (const auto& input : signature.inputs) {
    if (first > 0) json += ',';
    json += HeadOf(signature, input, count, each);
    AppendData(signature, input, x, count, columns, first, each, what,
               signature.binary ? bytes : json);
    if (!signature.binary) json += "]}";
    first += each;
  }
  json += ']';
  json += WantedOf(signature);
  json += '}';
  request.json_size = json.size();
  json += bytes;
  return request;
}

OipPrediction ParseOipAnswer(std::string_view body, std::optional<std::uint64_t> json_size,
                             std::string_view output, std::int64_t rows, std::string_view what) {
  if (json_size && *json_size > body.size()) {
    ThrowOipAnswer(what, fmt::format("the header says that {} bytes are JSON, but there are {}",
                                     *json_size, body.size()));
  }
  const std::uint64_t end = json_size.value_or(body.size());
  OipDocument document = ParseOipDocument(body.substr(0, end), what);
  if (!document.has_outputs) {
    ThrowOipAnswer(what, document.error
                             ? fmt::format("the server says: {}", OipExcerpt(*document.error))
                             : "JSON without \"outputs\"");
  }
  const std::string name =
      ChooseOipOutput(document.outputs, std::string(output), what, ErrorCode::kInvalidInput);
  const Output found = FindOutput(document, name, body.substr(end), what);
  const OipTensor& tensor = *found.tensor;
  const OipType type = CheckOutput(tensor, rows, what);
  OipPrediction prediction;
  prediction.width = tensor.shape.size() == 2 ? tensor.shape[1] : 1;
  const auto wanted =
      static_cast<std::uint64_t>(rows) * static_cast<std::uint64_t>(prediction.width);
  prediction.values = tensor.binary_size ? BinaryValues(found, type, wanted, what)
                                         : JsonValues(document, tensor, type, wanted, what);
  return prediction;
}

}  // namespace windlass::model
