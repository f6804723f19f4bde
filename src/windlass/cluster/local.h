// Ray clusters on this machine: a head and workers that are processes here, with the verbs that
// clusters on Kubernetes have.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "windlass/cluster/cluster.h"
#include "windlass/cluster/values.h"

namespace windlass::cluster {

struct LocalRecord;
struct LocalNode;

// As typed; what is empty (0) was not given.
struct LocalFlags {
  ClusterFlags sizes;      // cpu, memory, workers, ray_version, python; nothing else is allowed
  std::string address;     // where the dashboard listens [127.0.0.1]
  int dashboard_port = 0;  // [8265, or the next that is free]
};

// For one thread at a time. Records and logs are in `home`/clusters; a lock in there keeps two
// commands from changing the same cluster at the same time.
class LocalClusters {
 public:
  // `python`: the program that Ray runs in, found in $PATH. `cancelled` ends every wait.
  LocalClusters(const std::filesystem::path& home, std::string python,
                std::function<bool()> cancelled);

  // Whether there is one of that name. Throws Error{kInvalidInput} for what can be no name.
  bool Has(const std::string& name) const;

  // Starts a cluster and waits until Ray says that all its nodes are alive. Of one that is there
  // it starts the nodes that have died, and takes over another number of workers; what else is
  // given and differs is Error{kInvalidInput}. Throws Error{kNotFound} or {kUnsupported} when
  // there is no Python, no Ray or another one; {kUnavailable} with a node's last words when it
  // does not start; {kDeadlineExceeded} after `limit`; after {kCancelled} nothing of a cluster
  // that was not there before is left.
  Inspection Start(const std::string& name, const LocalFlags& flags, std::chrono::seconds limit,
                   const Say& say);

  // What runs, by its processes and by Ray's own word. The four throw Error{kNotFound} naming the
  // clusters there are, {kUnsupported} for one of another machine that shares `home`.
  Inspection Inspect(const std::string& name);

  // Starts workers, or ends those with the highest numbers. Throws as Start does.
  Inspection Scale(const std::string& name, const WorkerCount& workers, std::chrono::seconds limit,
                   const Say& say);

  // Ends its processes, and removes its record, its logs and Ray's folder. Throws
  // Error{kDeadlineExceeded}.
  void Stop(const std::string& name, std::chrono::seconds limit, const Say& say);

  // The dashboard's URL. Throws Error{kUnavailable} when the head is gone, {kUnsupported} when
  // Ray was installed without it.
  std::string Dashboard(const std::string& name) const;

  // By their processes alone. A record that cannot be read is left out with a warning.
  std::vector<ClusterInfo> List() const;

 private:
  std::filesystem::path RecordPath(const std::string& name) const;
  std::filesystem::path LogPath(const LocalRecord& record, const LocalNode& node) const;
  std::vector<LocalRecord> Records() const;
  LocalRecord Load(const std::string& name) const;
  void Save(const LocalRecord& record) const;
  LocalRecord Create(const std::string& name, const LocalFlags& flags, const Say& say) const;
  Inspection BringUp(LocalRecord& record, Deadline deadline, const Say& say);
  void StartNode(LocalRecord& record, LocalNode& node, Deadline deadline, const Say& say) const;
  bool TryNode(LocalRecord& record, LocalNode& node, Deadline deadline) const;
  std::set<int> PortsOfOthers(const std::string& name) const;
  std::vector<std::string> Command(LocalRecord& record, const LocalNode& node) const;
  void Remove(const LocalRecord& record, Deadline deadline) const;
  ClusterInfo Summary(const LocalRecord& record) const;
  Inspection Look(const LocalRecord& record, const Json& nodes, const std::string& fault) const;

  std::filesystem::path folder_;
  std::string python_;
  std::function<bool()> cancelled_;
};

}  // namespace windlass::cluster
