// The plug-in windlass_onnx: ONNX Runtime for graphs that are not linear.
#include <memory>

#include "ort_library.h"
#include "ort_model.h"
#include "windlass/base/registry.h"
#include "windlass/model/onnx_runtime.h"

namespace windlass::ort {
namespace {

class OrtRuntime final : public model::OnnxRuntime {
 public:
  std::unique_ptr<model::Model> Load(const model::OnnxProgram& program) const override {
    return MakeOrtModel(OpenLibrary(), program);
  }
};

}  // namespace
}  // namespace windlass::ort

extern "C" WINDLASS_API int windlass_plugin(int abi, windlass::Registry& registry) {
  if (abi != windlass::kPluginAbi) return windlass::kPluginAbi;
  registry.Add<windlass::model::OnnxRuntime>("onnxruntime",
                                             std::make_shared<windlass::ort::OrtRuntime>());
  return 0;
}
