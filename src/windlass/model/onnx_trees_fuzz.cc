// Any bytes: an error, no trees, or a model that predicts.
#include <cstdint>

#include "windlass/base/error.h"
#include "windlass/model/fuzzing_internal.h"
#include "windlass/model/onnx_graph.h"
#include "windlass/model/trees.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace windlass;
  const std::string_view content(reinterpret_cast<const char*>(data), size);
  try {
    auto trees = model::ReadOnnxTrees(content, "fuzz.onnx");
    if (!trees) return 0;
    const auto model = model::MakeTreeModel(std::move(trees->ensemble), trees->activation,
                                            std::move(trees->names));
    model::PredictAnything(*model);
  } catch (const Error&) {
  }
  return 0;
}
