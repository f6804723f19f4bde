// Any bytes: an error, no trees, or a model that predicts.
#include <cstdint>
#include <limits>
#include <vector>

#include "windlass/base/error.h"
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
    // What a few bytes may claim as a number of columns takes no memory by itself.
    if (model->columns() > 1000) return 0;
    std::vector<double> x(3 * model->columns(), 0.5);
    for (std::int64_t i = 0; i < model->columns(); ++i) {
      x[i] = std::numeric_limits<double>::quiet_NaN();
      x[2 * model->columns() + i] = 3.0;
    }
    std::vector<double> out(3 * model->outputs());
    model->Predict(x, 3, out);
  } catch (const Error&) {
  }
  return 0;
}
