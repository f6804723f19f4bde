// What a cluster is made from: a values file of KubeRay's `ray-cluster` Helm chart, under flags.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/base/json.h"

namespace windlass::cluster {

inline constexpr std::string_view kDefaultKubeRay = "1.5.1";
inline constexpr std::string_view kDefaultRay = "2.60.0";
inline constexpr std::string_view kDefaultPython = "3.11";
inline constexpr std::string_view kDefaultRepository = "rayproject/ray";

// As typed; what is empty was not given.
struct ClusterFlags {
  std::string ray_version;
  std::string image;   // REPOSITORY:TAG
  std::string python;  // "3.11"
  std::string head_cpu;
  std::string head_memory;
  std::string workers;  // N or MIN:MAX
  std::string worker_cpu;
  std::string worker_memory;
  std::vector<std::string> head_node_selector;
  std::vector<std::string> worker_node_selector;
  std::vector<std::string> tolerations;
  std::vector<std::string> pull_secrets;
};

struct Values {
  Json values = Json::object();       // those of the chart, checked, nulls taken out
  std::vector<std::string> warnings;  // keys that nothing reads
};

// Reads a values file's text; `what` names it in errors. Throws Error{kInvalidInput} with the path
// of the key ("values.yaml: head.resources.limits.cpu is ...").
Values ReadValues(std::string_view text, std::string_view what);

// The values with the flags over them and with our defaults below them: image, rayVersion,
// resources and numbers of workers are there afterwards. Throws Error{kInvalidInput} naming the
// flag.
Json CompleteValues(Json values, const ClusterFlags& flags);

}  // namespace windlass::cluster
