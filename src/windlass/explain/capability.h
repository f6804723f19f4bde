// The explain capability: a spec of kind "explain".
#pragma once

#include "windlass/base/registry.h"
#include "windlass/job/schema.h"

namespace windlass::explain {

const job::Schema& ExplainSchema();

// Registers the kind of spec, the kind of task and the service.
void RegisterExplain(Registry& registry);

}  // namespace windlass::explain
