#include "windlass/cli/builtins.h"

#include "windlass/compare/capability.h"
#include "windlass/engine/local.h"
#include "windlass/explain/capability.h"
#include "windlass/model/model.h"

namespace windlass {

void RegisterBuiltins(Registry& registry) {
  engine::RegisterLocalEngine(registry);
  model::RegisterModelFormats(registry);
  explain::RegisterExplain(registry);
  compare::RegisterCompare(registry);
}

}  // namespace windlass
