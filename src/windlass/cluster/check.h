// What may be wrong with a RayCluster before it is applied: said, not refused.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/base/json.h"

namespace windlass::cluster {

// What the manifest alone shows: requests other than limits; an image tag of another Ray version,
// or of another Python than `python` ("3.11"; empty: not asked).
std::vector<std::string> CheckManifest(const Json& ray_cluster, const std::string& python);

// What shows beside the nodes there are: `nodes` is `kubectl get nodes -o json`; `autoscaler`, if
// any, the ConfigMap cluster-autoscaler-status, which knows how far groups of nodes may grow.
std::vector<std::string> CheckNodes(const Json& ray_cluster, const Json& nodes,
                                    const std::optional<Json>& autoscaler);

}  // namespace windlass::cluster
