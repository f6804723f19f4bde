// The KubeRay operator, which makes Pods of RayClusters.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "windlass/cluster/kubectl.h"

namespace windlass::cluster {

inline constexpr const char* kOperatorRepository = "https://ray-project.github.io/kuberay-helm/";

// Tells the user what happens; one line each.
using Say = std::function<void(const std::string&)>;

struct OperatorOptions {
  std::string version;   // of KubeRay; empty: the default
  std::string chart;     // a Helm chart (folder, file, oci://...) instead of KubeRay's own
  std::string manifest;  // a file for kubectl apply, instead of Helm
};

struct OperatorState {
  bool has_crd = false;     // the API server knows rayclusters of ray.io/v1
  bool may_look = false;    // for its Pods, in all namespaces
  bool is_running = false;  // one of them is ready; known only when may_look
  std::string version;      // the tag of its image; may be empty
};

OperatorState FindOperator(const Kubectl& kubectl);

// Puts the operator in unless it is there, by whatever means it came, and waits until it runs. Says
// what it does. Returns whether it put it in. Throws Error{kDeadlineExceeded} after `limit`.
bool EnsureOperator(const Kubectl& kubectl, const OperatorOptions& options,
                    std::chrono::seconds limit, const Say& say);

// Takes it out again, with its resource definitions. Throws Error{kInvalidInput} while anyone's
// RayClusters, RayJobs or RayServices are left, or when it did not come by Helm and
// options.manifest does not say what it came by.
void RemoveOperator(const Kubectl& kubectl, const OperatorOptions& options,
                    std::chrono::seconds limit, const Say& say);

}  // namespace windlass::cluster
