// What a cluster on Kubernetes is started with, for each command that starts one.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "windlass/base/json.h"
#include "windlass/cluster/operator.h"
#include "windlass/cluster/values.h"

namespace windlass::cli {

struct StartFlags {
  std::string values_file;
  cluster::ClusterFlags sizes;
  cluster::OperatorOptions operator_options;

  // All but the number of workers. Gives those that only clusters on Kubernetes have.
  std::vector<CLI::Option*> AddTo(CLI::App& command);

  // The RayCluster; `warn` is told what looks wrong with it. Throws Error naming file, key or flag.
  Json Manifest(const std::string& name, const std::string& name_space,
                const cluster::Say& warn) const;
};

}  // namespace windlass::cli
