#include "windlass/cli/start_flags.h"

#include <fmt/format.h>

#include <utility>

#include "windlass/base/file.h"
#include "windlass/cluster/check.h"
#include "windlass/cluster/manifest.h"

namespace windlass::cli {

std::vector<CLI::Option*> StartFlags::AddTo(CLI::App& command) {
  std::vector<CLI::Option*> kubernetes;
  const auto only = [&kubernetes](CLI::Option* option) {
    kubernetes.push_back(option->allow_extra_args(false));
  };
  only(command.add_option("-f,--values", values_file,
                          "A values file of KubeRay's ray-cluster Helm chart; flags win"));
  only(command.add_option(
      "--kuberay-version", operator_options.version,
      fmt::format("Of the operator, where it is missing [{}]", cluster::kDefaultKubeRay)));
  command.add_option("--ray-version", sizes.ray_version,
                     fmt::format("Ray in the image [from its tag, else {}]", cluster::kDefaultRay));
  only(command.add_option(
      "--image", sizes.image,
      fmt::format("REPOSITORY:TAG [{}:RAY-pyPYTHON]", cluster::kDefaultRepository)));
  command.add_option("--python", sizes.python, "The Python that jobs need, as 3.11");
  command.add_option("--head-cpu", sizes.head_cpu,
                     "CPUs of the head, as 7 or 500m [1; with --local all]");
  command.add_option("--head-memory", sizes.head_memory,
                     "Memory of the head, as 30G [2Gi; with --local as Ray decides]");
  command.add_option("--worker-cpu", sizes.worker_cpu, "CPUs of each worker [1]");
  command.add_option("--worker-memory", sizes.worker_memory, "Memory of each worker [2Gi]");
  only(command.add_option("--head-node-selector", sizes.head_node_selector,
                          "KEY=VALUE,...: labels of nodes that the head may stand on"));
  only(command.add_option("--worker-node-selector", sizes.worker_node_selector,
                          "KEY=VALUE,...: labels of nodes that workers may stand on"));
  only(command.add_option("--toleration", sizes.tolerations,
                          "KEY[=VALUE][:EFFECT]: a taint of nodes that all accept; may be "
                          "repeated"));
  only(command.add_option("--pull-secret", sizes.pull_secrets,
                          "The Secret that the image is pulled with; may be repeated"));
  only(
      command.add_option("--operator-chart", operator_options.chart,
                         "A Helm chart of the operator instead of KubeRay's, where it is missing"));
  only(command.add_option("--operator-manifest", operator_options.manifest,
                          "The file that the operator comes by, instead of Helm"));
  return kubernetes;
}

Json StartFlags::Manifest(const std::string& name, const std::string& name_space,
                          const cluster::Say& warn) const {
  cluster::Values values;
  if (!values_file.empty()) {
    values = cluster::ReadValues(ReadFile(values_file), values_file);
  }
  Json manifest = cluster::MakeRayCluster(name, name_space,
                                          cluster::CompleteValues(std::move(values.values), sizes));
  for (const std::string& warning : values.warnings) warn(warning);
  for (const std::string& warning : cluster::CheckManifest(manifest, sizes.python)) warn(warning);
  return manifest;
}

}  // namespace windlass::cli
