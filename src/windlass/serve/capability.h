// Services as jobs: for each job::ServiceKind a kind of spec, "serve_explain" for "explain".
#pragma once

#include "windlass/base/registry.h"
#include "windlass/job/service.h"

namespace windlass::serve {

// The kind of spec that serves this service.
std::string ServeKind(std::string_view service);

// Registers a capability for each service that is registered by now.
void RegisterServe(Registry& registry);

}  // namespace windlass::serve
