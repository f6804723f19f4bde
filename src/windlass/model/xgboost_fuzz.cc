// Any bytes: an error or a model that predicts.
#include <cstdint>

#include "windlass/base/error.h"
#include "windlass/model/fuzzing_internal.h"
#include "windlass/model/xgboost.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace windlass;
  try {
    const auto model =
        model::ReadXGBoostModel(std::string_view(reinterpret_cast<const char*>(data), size), 0);
    model::PredictAnything(*model);
  } catch (const Error&) {
  }
  return 0;
}
