// The messages of ONNX that we read, as plain structures of views into the file.
// Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto (IR version 3 to 13).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/model/wire_internal.h"

namespace windlass::model {

// TensorProto.DataType, those that we name.
enum class OnnxType : std::int32_t {
  kUnknown = 0,
  kFloat = 1,
  kInt32 = 6,
  kInt64 = 7,
  kString = 8,
  kBool = 9,
  kDouble = 11,
};

// Whether this TensorProto.DataType is kFloat or kDouble.
inline bool IsFloating(std::int64_t type) {
  return type == static_cast<std::int64_t>(OnnxType::kFloat) ||
         type == static_cast<std::int64_t>(OnnxType::kDouble);
}

// "float", "int64", "type 16".
std::string OnnxTypeName(OnnxType type);

// Values of a constant. Shape `dims`; empty for a scalar.
struct OnnxConstant {
  std::vector<std::int64_t> dims;
  OnnxType type = OnnxType::kUnknown;
  std::vector<double> values;
};

struct OnnxTensor {
  std::string_view name;
  NumberChunks dims;
  std::int64_t type = 0;
  NumberChunks floats;   // float_data
  NumberChunks int32s;   // int32_data
  NumberChunks int64s;   // int64_data
  NumberChunks doubles;  // double_data
  std::optional<std::string_view> raw;
  bool external = false;  // the values are in another file

  // The values as doubles; nothing for types that are not float, double, int32 or int64, for
  // integers that a double does not hold, and for external ones. Throws Error{kInvalidInput}
  // naming `what` and the tensor when shape and data disagree; allocates no more than the data
  // takes.
  std::optional<OnnxConstant> Decode(std::string_view what) const;
};

struct OnnxAttribute {
  std::optional<float> number;
  std::optional<std::int64_t> integer;
  std::optional<std::string_view> text;
  std::optional<OnnxTensor> tensor;
  NumberChunks floats;
  NumberChunks integers;
  std::vector<std::string_view> texts;
};

struct OnnxNode {
  std::string_view op;
  std::string_view domain;  // "" for "ai.onnx"
  std::vector<std::string_view> inputs;
  std::vector<std::string_view> outputs;
  std::map<std::string_view, OnnxAttribute> attributes;

  bool Is(std::string_view domain_wanted, std::string_view op_wanted) const {
    return op == op_wanted && domain == domain_wanted;
  }
  const OnnxAttribute* Find(std::string_view attribute) const;
  std::int64_t Integer(std::string_view attribute, std::int64_t otherwise) const;
  double Number(std::string_view attribute, double otherwise) const;
  std::string_view Text(std::string_view attribute, std::string_view otherwise) const;
};

// A graph's input or output. Dimensions that are not fixed are kAnySize.
struct OnnxValueInfo {
  static constexpr std::int64_t kAnySize = -1;

  std::string_view name;
  bool is_tensor = false;
  OnnxType type = OnnxType::kUnknown;
  bool has_shape = false;
  std::vector<std::int64_t> dims;

  std::string Described() const;  // "float [?, 49]"
};

struct OnnxModelFile {
  std::vector<OnnxNode> nodes;
  std::vector<OnnxTensor> initializers;
  std::vector<OnnxValueInfo> inputs;  // without those that an initializer gives
  std::vector<OnnxValueInfo> outputs;
  bool has_functions = false;

  // Nodes by what they make. Names that stand twice belong to no node.
  std::map<std::string_view, const OnnxNode*> producers;
};

// Reads a model; the views in the result point into `content`. Sub-graphs (in If, Loop, Scan) are
// not descended into. Throws Error{kInvalidInput} naming `what`.
OnnxModelFile ParseOnnxModel(std::string_view content, std::string_view what);

// The same model with `output` as its only output: node and output messages are copied verbatim,
// ZipMap nodes are left out. A ZipMap turns a table of probabilities into a list of dictionaries,
// which costs more than the model and which nobody here wants. `output` is an output of the graph
// or the input of a ZipMap.
std::string WithOnlyOutput(std::string_view content, std::string_view output,
                           std::string_view what);

inline constexpr std::string_view kOnnxMl = "ai.onnx.ml";

}  // namespace windlass::model
