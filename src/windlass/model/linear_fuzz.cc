// Any text: an error or a model that predicts.
#include <cstdint>
#include <vector>

#include "windlass/base/error.h"
#include "windlass/model/linear.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace windlass;
  try {
    const auto model = model::ParseLinearModel(
        std::string_view(reinterpret_cast<const char*>(data), size), "fuzz.json");
    const std::vector<double> x(2 * model->columns(), 0.5);
    std::vector<double> out(2 * model->output_names().size());
    model->Predict(x, 2, out);
  } catch (const Error&) {
  }
  return 0;
}
