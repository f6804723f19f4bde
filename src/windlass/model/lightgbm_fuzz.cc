// Any bytes: an error or a model that predicts.
#include <cstdint>
#include <limits>
#include <vector>

#include "windlass/base/error.h"
#include "windlass/model/lightgbm.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace windlass;
  try {
    const auto model =
        model::ReadLightGBMModel(std::string_view(reinterpret_cast<const char*>(data), size), 0);
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
