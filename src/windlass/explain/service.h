// Explanations as a service: operations "infer" and "explain".
#pragma once

#include "windlass/base/registry.h"

namespace windlass::explain {

void RegisterExplainService(Registry& registry);

}  // namespace windlass::explain
