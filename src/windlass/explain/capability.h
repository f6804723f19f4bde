// The explain capability: a spec of kind "explain".
#pragma once

#include "windlass/base/registry.h"

namespace windlass::explain {

// Registers the kind of spec and the kind of task.
void RegisterExplain(Registry& registry);

}  // namespace windlass::explain
