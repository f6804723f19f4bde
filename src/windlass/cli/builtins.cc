#include "windlass/cli/builtins.h"

#include <mutex>

#include "windlass/base/registry.h"
#include "windlass/compare/capability.h"
#include "windlass/engine/local.h"
#include "windlass/explain/capability.h"
#include "windlass/model/model.h"
#include "windlass/serve/capability.h"
#include "windlass/tune/capability.h"

namespace windlass {

void RegisterBuiltins() {
  static std::once_flag registered;
  std::call_once(registered, [] {
    Registry& registry = Registry::Global();
    engine::RegisterLocalEngine(registry);
    model::RegisterModelFormats(registry);
    explain::RegisterExplain(registry);
    compare::RegisterCompare(registry);
    tune::RegisterTune(registry);
    serve::RegisterServe(registry);  // what was registered so far
  });
}

}  // namespace windlass
