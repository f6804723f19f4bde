// What kubectl says of a cluster's Pods, and what they wait for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "windlass/base/json.h"

namespace windlass::cluster {

struct Trouble {
  std::string pod;  // empty: the cluster itself
  std::string node_type;
  std::string what;       // "cannot be placed", "its image cannot be pulled", ...
  std::string message;    // Kubernetes' own
  std::string container;  // that crashed, if one did
  bool may_pass = true;   // more nodes may come; an image that is not there will not
  int others = 0;         // Pods that have the same trouble
};

struct PodInfo {
  std::string name;
  std::string node_type;  // "head", "worker"
  std::string group;
  std::string
      phase;  // as `kubectl get pods` would say it: Pending, Running, ContainerCreating, ...
  bool ready = false;
  bool leaving = false;  // it is being deleted
  std::int64_t restarts = 0;
  std::string ip;
  std::string node;
  std::int64_t pid = 0;  // of a node that is a process on this machine; 0: it is not
  std::optional<Trouble> trouble;

  Json ToJson() const;
};

// From `kubectl get pods -o json`; heads first, then by name. Throws Error{kCorrupt} for an answer
// that is no list of Pods.
std::vector<PodInfo> ReadPods(const Json& list);

// Warnings of `kubectl get events -o json` about these Pods and the RayCluster itself, the latest
// for each: what Pods' own states do not tell (volumes that cannot be mounted, Pods that could not
// be made).
std::vector<Trouble> ReadEvents(const Json& list, const std::string& cluster,
                                const std::vector<PodInfo>& pods);

// One for all workers, or heads, that have the same trouble, in their order.
std::vector<Trouble> MergeTroubles(const std::vector<Trouble>& troubles);

// "worker x-w-abc and 3 more: no node can take it: ..."
std::string TroubleText(const Trouble& trouble);

struct ClusterInfo {
  std::string name;
  std::string name_space;
  std::string state;  // KubeRay's: "ready", "failed", "suspended"; empty before
  std::string reason;
  std::string ray_version;
  std::string image;
  std::string head_ip;
  std::string head_service;
  std::string created;  // RFC 3339
  int workers_wanted = 0;
  int workers_least = 0;
  int workers_most = 0;
  int workers_ready = 0;
  bool autoscaled = false;
  bool leaving = false;
  bool observed = false;  // the operator has seen the latest change
  bool is_local = false;  // processes of this machine; then only:
  std::string url;        // of the dashboard, where there is one
  std::string address;    // HOST:PORT of the head, for --engine ray:HOST:PORT

  std::string Endpoint() const;  // http://<head>:8265, or empty
  Json ToJson() const;
};

// From `kubectl get raycluster NAME -o json`. Throws Error{kCorrupt}.
ClusterInfo ReadCluster(const Json& object);

// Of those that stay.
int ReadyWorkers(const std::vector<PodInfo>& pods);

// Whether the head and the workers that are wanted are ready (at least the least, when Ray itself
// decides how many), none is about to leave, and the operator says so.
bool IsReady(const ClusterInfo& cluster, const std::vector<PodInfo>& pods);

}  // namespace windlass::cluster
