#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "windlass/base/error.h"
#include "windlass/model/onnx_proto_internal.h"

namespace windlass::model {
namespace {

// Field numbers of ModelProto and GraphProto that two functions use.
constexpr int kModelGraph = 7;
constexpr int kGraphNode = 1;
constexpr int kGraphOutput = 12;
constexpr int kValueInfoName = 1;

OnnxTensor ParseTensor(std::string_view message, std::string_view what) {
  OnnxTensor tensor;
  for (WireReader reader(message, what); reader.Next();) {
    switch (reader.field()) {
      case 1: reader.GatherNumbers(WireType::kVarint, tensor.dims); break;
      case 2: tensor.type = reader.ReadInteger(); break;
      case 4: reader.GatherNumbers(WireType::kFixed32, tensor.floats); break;
      case 5: reader.GatherNumbers(WireType::kVarint, tensor.int32s); break;
      case 7: reader.GatherNumbers(WireType::kVarint, tensor.int64s); break;
      case 8: tensor.name = reader.ReadBytes(); break;
      case 9: tensor.raw = reader.ReadBytes(); break;
      case 10: reader.GatherNumbers(WireType::kFixed64, tensor.doubles); break;
      case 14: tensor.external = reader.ReadInteger() == 1; break;
      default: reader.Skip();
    }
  }
  return tensor;
}

void ParseAttribute(std::string_view message, std::string_view what, OnnxNode& node) {
  std::string_view name;
  OnnxAttribute attribute;
  for (WireReader reader(message, what); reader.Next();) {
    switch (reader.field()) {
      case 1: name = reader.ReadBytes(); break;
      case 2: attribute.number = reader.ReadFloat(); break;
      case 3: attribute.integer = reader.ReadInteger(); break;
      case 4: attribute.text = reader.ReadBytes(); break;
      case 5: attribute.tensor = ParseTensor(reader.ReadBytes(), what); break;
      case 7: reader.GatherNumbers(WireType::kFixed32, attribute.floats); break;
      case 8: reader.GatherNumbers(WireType::kVarint, attribute.integers); break;
      case 9: attribute.texts.push_back(reader.ReadBytes()); break;
      default: reader.Skip();
    }
  }
  node.attributes.insert_or_assign(name, std::move(attribute));
}

std::string_view NormalDomain(std::string_view domain) {
  return domain == "ai.onnx" ? std::string_view() : domain;
}

OnnxNode ParseNode(std::string_view message, std::string_view what) {
  OnnxNode node;
  for (WireReader reader(message, what); reader.Next();) {
    switch (reader.field()) {
      case 1: node.inputs.push_back(reader.ReadBytes()); break;
      case 2: node.outputs.push_back(reader.ReadBytes()); break;
      case 4: node.op = reader.ReadBytes(); break;
      case 5: ParseAttribute(reader.ReadBytes(), what, node); break;
      case 7: node.domain = NormalDomain(reader.ReadBytes()); break;
      default: reader.Skip();
    }
  }
  return node;
}

void ParseShape(std::string_view message, std::string_view what, OnnxValueInfo& info) {
  info.has_shape = true;
  for (WireReader reader(message, what); reader.Next();) {
    if (reader.field() != 1) {
      reader.Skip();
      continue;
    }
    std::int64_t size = OnnxValueInfo::kAnySize;
    for (WireReader dim(reader.ReadBytes(), what); dim.Next();) {
      if (dim.field() == 1) {
        size = dim.ReadInteger();
      } else {
        dim.Skip();
      }
    }
    // Some exporters write 0 where they mean any size.
    info.dims.push_back(size > 0 ? size : OnnxValueInfo::kAnySize);
  }
}

OnnxValueInfo ParseValueInfo(std::string_view message, std::string_view what) {
  OnnxValueInfo info;
  for (WireReader reader(message, what); reader.Next();) {
    if (reader.field() == kValueInfoName) {
      info.name = reader.ReadBytes();
    } else if (reader.field() == 2) {
      for (WireReader type(reader.ReadBytes(), what); type.Next();) {
        if (type.field() != 1) {
          type.Skip();
          continue;
        }
        info.is_tensor = true;
        for (WireReader tensor(type.ReadBytes(), what); tensor.Next();) {
          switch (tensor.field()) {
            case 1: info.type = static_cast<OnnxType>(tensor.ReadInteger()); break;
            case 2: ParseShape(tensor.ReadBytes(), what, info); break;
            default: tensor.Skip();
          }
        }
      }
    } else {
      reader.Skip();
    }
  }
  return info;
}

void ParseGraph(std::string_view message, std::string_view what, OnnxModelFile& model) {
  for (WireReader reader(message, what); reader.Next();) {
    switch (reader.field()) {
      case kGraphNode: model.nodes.push_back(ParseNode(reader.ReadBytes(), what)); break;
      case 5: model.initializers.push_back(ParseTensor(reader.ReadBytes(), what)); break;
      case 11: model.inputs.push_back(ParseValueInfo(reader.ReadBytes(), what)); break;
      case kGraphOutput: model.outputs.push_back(ParseValueInfo(reader.ReadBytes(), what)); break;
      default: reader.Skip();
    }
  }
}

std::string_view ParseOperatorSet(std::string_view message, std::string_view what) {
  std::string_view domain;
  for (WireReader reader(message, what); reader.Next();) {
    if (reader.field() == 1) {
      domain = reader.ReadBytes();
    } else {
      reader.Skip();
    }
  }
  return NormalDomain(domain);
}

// What a model must have beyond being well-formed messages: truncated files and files of other
// formats often lack it.
void CheckModel(const OnnxModelFile& model, std::int64_t ir_version, bool has_graph,
                const std::set<std::string_view>& domains, std::string_view what) {
  const auto fail = [&](std::string_view missing) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} is damaged, or no ONNX model: {}", what, missing));
  };
  if (ir_version <= 0) fail("it has no ir_version");
  if (!has_graph) fail("it has no graph");
  if (domains.empty()) fail("it names no operator set");
  if (model.outputs.empty()) fail("its graph has no output");
  for (const auto& node : model.nodes) {
    if (node.op.empty()) fail("a node has no op_type");
    if (!model.has_functions && !domains.contains(node.domain)) {
      fail(fmt::format("operator {} is of domain \"{}\", for which it names no operator set",
                       node.op, node.domain));
    }
  }
}

// Whether each of `values` is a whole number that fits a double exactly.
bool ExactInDouble(const std::vector<std::int64_t>& values) {
  constexpr std::int64_t kLargest = std::int64_t{1} << 53;
  return std::ranges::all_of(values,
                             [](std::int64_t v) { return v >= -kLargest && v <= kLargest; });
}

template <typename T>
std::vector<T> FromRaw(std::string_view raw) {
  std::vector<T> values(raw.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), raw.data(), values.size() * sizeof(T));
  return values;
}

template <typename T>
std::vector<double> ToDoubles(const std::vector<T>& values) {
  return {values.begin(), values.end()};
}

}  // namespace

std::string OnnxTypeName(OnnxType type) {
  switch (type) {
    case OnnxType::kUnknown: return "unknown type";
    case OnnxType::kFloat: return "float";
    case OnnxType::kInt32: return "int32";
    case OnnxType::kInt64: return "int64";
    case OnnxType::kString: return "string";
    case OnnxType::kBool: return "bool";
    case OnnxType::kDouble: return "double";
  }
  return fmt::format("type {}", static_cast<std::int32_t>(type));
}

std::string OnnxValueInfo::Described() const {
  if (!is_tensor) return "not a tensor";
  if (!has_shape) return OnnxTypeName(type) + " of any shape";
  std::vector<std::string> sizes;
  for (const auto size : dims) sizes.push_back(size == kAnySize ? "?" : std::to_string(size));
  return fmt::format("{} [{}]", OnnxTypeName(type), fmt::join(sizes, ", "));
}

std::optional<OnnxConstant> OnnxTensor::Decode(std::string_view what) const {
  if (external) return std::nullopt;
  OnnxConstant constant;
  constant.dims = DecodeIntegers(dims, what);
  constant.type = static_cast<OnnxType>(type);
  std::vector<std::int64_t> integers;
  std::size_t element = 0;
  switch (constant.type) {
    case OnnxType::kFloat:
      element = 4;
      constant.values = ToDoubles(raw ? FromRaw<float>(*raw) : DecodeFloats(floats, what));
      break;
    case OnnxType::kDouble:
      element = 8;
      constant.values = raw ? FromRaw<double>(*raw) : DecodeDoubles(doubles, what);
      break;
    case OnnxType::kInt32:
      element = 4;
      if (raw) {
        constant.values = ToDoubles(FromRaw<std::int32_t>(*raw));
      } else {
        integers = DecodeIntegers(int32s, what);
        constant.values = ToDoubles(integers);
      }
      break;
    case OnnxType::kInt64:
      element = 8;
      integers = raw ? FromRaw<std::int64_t>(*raw) : DecodeIntegers(int64s, what);
      constant.values = ToDoubles(integers);
      break;
    default: return std::nullopt;
  }
  // Sizes are compared with the data, never allocated from.
  std::uint64_t count = 1;
  bool fits = true;
  for (const auto size : constant.dims) {
    fits = fits && size >= 0 &&
           !__builtin_mul_overflow(count, static_cast<std::uint64_t>(size), &count);
  }
  if (!fits || count != constant.values.size() || (raw && raw->size() % element != 0)) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} is damaged: tensor \"{}\" of shape [{}] has {} values", what, name,
                            fmt::join(constant.dims, ", "), constant.values.size()));
  }
  if (!ExactInDouble(integers)) return std::nullopt;
  return constant;
}

const OnnxAttribute* OnnxNode::Find(std::string_view attribute) const {
  const auto found = attributes.find(attribute);
  return found == attributes.end() ? nullptr : &found->second;
}

std::int64_t OnnxNode::Integer(std::string_view attribute, std::int64_t otherwise) const {
  const OnnxAttribute* found = Find(attribute);
  return found == nullptr ? otherwise : found->integer.value_or(0);
}

double OnnxNode::Number(std::string_view attribute, double otherwise) const {
  const OnnxAttribute* found = Find(attribute);
  return found == nullptr ? otherwise : found->number.value_or(0);
}

std::string_view OnnxNode::Text(std::string_view attribute, std::string_view otherwise) const {
  const OnnxAttribute* found = Find(attribute);
  return found == nullptr ? otherwise : found->text.value_or("");
}

OnnxModelFile ParseOnnxModel(std::string_view content, std::string_view what) {
  if (content.empty()) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} is empty; an ONNX model was expected", what));
  }
  OnnxModelFile model;
  std::int64_t ir_version = 0;
  bool has_graph = false;
  std::set<std::string_view> domains;
  for (WireReader reader(content, what); reader.Next();) {
    switch (reader.field()) {
      case 1: ir_version = reader.ReadInteger(); break;
      case kModelGraph:
        has_graph = true;
        ParseGraph(reader.ReadBytes(), what, model);
        break;
      case 8: domains.insert(ParseOperatorSet(reader.ReadBytes(), what)); break;
      case 25:
        model.has_functions = true;
        reader.ReadBytes();
        break;
      default: reader.Skip();
    }
  }
  CheckModel(model, ir_version, has_graph, domains, what);

  std::set<std::string_view> given;
  for (const auto& tensor : model.initializers) given.insert(tensor.name);
  std::erase_if(model.inputs, [&](const auto& input) { return given.contains(input.name); });
  std::set<std::string_view> twice;
  for (const auto& node : model.nodes) {
    for (const auto output : node.outputs) {
      if (!output.empty() && !model.producers.emplace(output, &node).second) twice.insert(output);
    }
  }
  for (const auto name : twice) model.producers.erase(name);
  return model;
}

std::string WithOnlyOutput(std::string_view content, std::string_view output,
                           std::string_view what) {
  std::string graph;
  std::string model;
  bool found = false;
  const auto copy_graph = [&](std::string_view message) {
    for (WireReader reader(message, what); reader.Next();) {
      const std::string_view value = reader.Skip();
      if (reader.field() == kGraphNode && ParseNode(value, what).Is(kOnnxMl, "ZipMap")) continue;
      if (reader.field() == kGraphOutput) {
        if (ParseValueInfo(value, what).name != output) continue;
        found = true;
      }
      graph += reader.Verbatim();
    }
  };
  for (WireReader reader(content, what); reader.Next();) {
    if (reader.field() == kModelGraph) {
      copy_graph(reader.ReadBytes());
    } else {
      reader.Skip();
      model += reader.Verbatim();
    }
  }
  if (!found) {  // what went into a ZipMap: its type is inferred
    std::string info;
    AppendBytesField(info, kValueInfoName, output);
    AppendBytesField(graph, kGraphOutput, info);
  }
  AppendBytesField(model, kModelGraph, graph);
  return model;
}

}  // namespace windlass::model
