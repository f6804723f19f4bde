// What the ONNX plug-in registers: the library that runs graphs that are not linear.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "windlass/base/registry.h"
#include "windlass/model/model.h"
#include "windlass/model/onnx_graph.h"

namespace windlass::model {

// A graph, ready for a runtime.
struct OnnxProgram {
  std::string content;  // an ONNX model with one output, signature.output
  OnnxSignature signature;
  std::string what;  // the file, for messages
  int threads = 1;   // that one call may use
};

// Registered as "onnxruntime".
class WINDLASS_API OnnxRuntime : public Registrable {
 public:
  static constexpr std::string_view kRegistryKind = "ONNX runtime";

  // The model's Predict is thread safe and waits for no other thread. Throws Error{kInvalidInput}
  // when the runtime refuses the graph or its output is not a table of numbers, with one row for
  // each row of the input; Error{kUnsupported} when there is no runtime.
  virtual std::unique_ptr<Model> Load(const OnnxProgram& program) const = 0;
};

}  // namespace windlass::model
