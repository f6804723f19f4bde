// Any bytes: an error or a model, never a crash, a hang, or memory out of proportion. What the
// reader accepts it must also be able to cut down for the runtime, and read again.
#include <cstdint>
#include <cstdlib>

#include "windlass/base/error.h"
#include "windlass/model/linear.h"
#include "windlass/model/onnx_graph.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace windlass;
  const std::string_view content(reinterpret_cast<const char*>(data), size);
  std::string program;
  try {
    const auto signature = model::ReadOnnxSignature(content, "fuzz.onnx");
    program = model::OnnxForRuntime(content, signature, "fuzz.onnx");
  } catch (const Error&) {
    return 0;
  }
  try {
    if (auto linear = model::ReadOnnxLinear(content, "fuzz.onnx")) {
      model::MakeLinearModel(std::move(linear->structure), std::move(linear->column_names),
                             std::move(linear->output_names));
    }
    model::ReadOnnxSignature(program, "fuzz.onnx");
  } catch (const Error&) {  // a name that stands twice, a tensor of another size
  }
  return 0;
}
