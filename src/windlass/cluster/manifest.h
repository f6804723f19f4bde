// The RayCluster that Kubernetes is given.
#pragma once

#include <string>

#include "windlass/base/json.h"

namespace windlass::cluster {

// Marks a RayCluster as ours, with a hash of its Pods' templates: what a running cluster does not
// take over from a changed manifest.
inline constexpr const char* kTemplatesAnnotation = "windlass/templates";

// `values` come from CompleteValues. They mean what the ray-cluster chart makes of them. An empty
// namespace leaves it to kubectl.
Json MakeRayCluster(const std::string& name, const std::string& name_space, const Json& values);

}  // namespace windlass::cluster
