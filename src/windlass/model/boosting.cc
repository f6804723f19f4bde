#include "windlass/model/boosting.h"

#include <mutex>

#include "windlass/base/error.h"

namespace windlass::model {

const BoostingLibrary& FindBoostingLibrary() {
  constexpr const char* kLibrary = "xgboost";
  static std::mutex loading;
  const std::lock_guard lock(loading);
  Registry& registry = Registry::Global();
  try {
    if (!registry.Has<BoostingLibrary>(kLibrary)) registry.LoadPluginNamed("windlass_xgboost");
    return registry.Find<BoostingLibrary>(kLibrary);
  } catch (const Error& error) {
    throw Error(ErrorCode::kUnsupported, "growing trees needs XGBoost", error);
  }
}

}  // namespace windlass::model
