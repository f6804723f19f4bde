// Ray clusters on Kubernetes: started, looked at, scaled, stopped.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <string>
#include <vector>

#include "windlass/cluster/kubectl.h"
#include "windlass/cluster/names.h"
#include "windlass/cluster/operator.h"
#include "windlass/cluster/pods.h"

namespace windlass::cluster {

struct Inspection {
  ClusterInfo cluster;
  std::vector<PodInfo> pods;

  Json ToJson() const;
};

// Throws Error{kNotFound} naming the clusters there are.
Inspection Inspect(const Kubectl& kubectl, const std::string& name);

std::vector<ClusterInfo> List(const Kubectl& kubectl, bool all_namespaces);

// Looks at what there is beside the manifest, in so far as the user may: the warnings of
// CheckNodes. Says so when the user may not.
std::vector<std::string> CheckAgainstNodes(const Kubectl& kubectl, const Json& ray_cluster,
                                           const Say& say);

// Applies the manifest. Throws Error{kInvalidInput} when a cluster of that name is there that is
// not ours, or whose Pods are made otherwise, which a running cluster does not take over.
void Apply(const Kubectl& kubectl, const Json& ray_cluster);

// Waits until the cluster is ready, saying what changes and what its Pods wait for. Throws
// Error{kDeadlineExceeded} after `limit`, or {kUnavailable} once an image could not be pulled or a
// container crashed for a minute, with what Kubernetes says about it, and what becomes of the
// cluster then (empty: it stays for a look).
Inspection WaitUntilReady(const Kubectl& kubectl, const std::string& name,
                          std::chrono::seconds limit, const Say& say,
                          const std::string& what_then = "");

// The operator, where it is missing, the manifest held against the nodes, applied, and waited for:
// Throws what these do.
struct Started {
  Inspection inspection;
  bool operator_put_in = false;
};
struct Listeners {
  Say say;
  Say warn;
};
Started Start(const Kubectl& kubectl, const Json& ray_cluster, const OperatorOptions& options,
              std::chrono::seconds limit, const Listeners& listeners,
              const std::string& what_then = "");

// Changes the number of workers of a group (empty: the only one). Throws Error{kInvalidInput} when
// there are several and none is named, or for MIN:MAX where the cluster has no autoscaler.
void Scale(const Kubectl& kubectl, const std::string& name, const WorkerCount& workers,
           const std::string& group);

// Deletes the cluster and waits until its Pods and Services are gone. Says false when there was
// none. Throws Error{kDeadlineExceeded} after `limit`.
bool Stop(const Kubectl& kubectl, const std::string& name, std::chrono::seconds limit,
          const Say& say);

// Error{kNotFound} naming the clusters there are.
[[noreturn]] void NoCluster(const Kubectl& kubectl, const std::string& name);

struct ForwardOptions {
  std::string address = "127.0.0.1";
  int port = 8265;  // 0: any that is free
};

// What is forwarded: the dashboard's URL here, and the engine string for jobs.
struct Forwarded {
  std::string url;
  std::string engine;
};

// Forwards two ports of this machine until the user interrupts: to the head's dashboard and Jobs
// API, and, the port after it, to the store gateway that jobs start there; also when the head is
// replaced: kubectl's own forwarding is bound to one Pod, and learns of its end only by the next
// request. Throws Error{kNotFound} when the cluster is gone.
void Forward(const Kubectl& kubectl, const std::string& name, const ForwardOptions& options,
             const std::function<void(const Forwarded&)>& ready, const Say& say);

// One port of one Pod, brought to this machine for as long as this lives.
class PodForward {
 public:
  // Returns once it listens. Throws Error{kUnavailable} when the Pod is gone, {kIo} without the
  // permission, {kCancelled} when the user interrupts.
  PodForward(const Access& access, const std::string& pod, int port);
  ~PodForward();
  PodForward(const PodForward&) = delete;
  PodForward& operator=(const PodForward&) = delete;

  const std::string& url() const { return url_; }  // "http://127.0.0.1:PORT"

 private:
  std::atomic<bool> stop_ = false;
  std::string url_;
  std::future<void> ended_;
};

// The forwarding of the head on a thread of its own, for as long as this lives.
class BackgroundForward {
 public:
  // Returns when the head answers. Throws Error as Forward does, {kCancelled} when the user
  // interrupts.
  BackgroundForward(const Access& access, const std::string& name, const ForwardOptions& options,
                    const Say& say);
  ~BackgroundForward();
  BackgroundForward(const BackgroundForward&) = delete;
  BackgroundForward& operator=(const BackgroundForward&) = delete;

  const Forwarded& forwarded() const { return forwarded_; }

 private:
  std::atomic<bool> stop_ = false;
  Forwarded forwarded_;
  std::future<void> ended_;
};

}  // namespace windlass::cluster
