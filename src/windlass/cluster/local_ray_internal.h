// The Ray of this machine's Python, and what it says of its nodes.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "windlass/base/cancel.h"
#include "windlass/base/child_process.h"
#include "windlass/base/json.h"
#include "windlass/cluster/cluster.h"
#include "windlass/cluster/local_record_internal.h"
#include "windlass/cluster/values.h"

namespace windlass::cluster {

struct FoundRay {
  std::string python;
  std::string python_version;
  std::string ray_version;
  int cpus = 0;
  bool has_dashboard = false;
  std::string no_dashboard;  // why not
};

// "3.11" of "3.11.7".
bool IsVersion(const std::string& version, const std::string& wanted);

// `python`: a program, found in $PATH. Throws Error{kNotFound, kUnsupported} saying what to install
// where there is no Python, no Ray, or not the versions that the flags name.
FoundRay FindRay(const std::string& python, const ClusterFlags& flags,
                 const std::function<bool()>& cancelled);

// The nodes of a cluster, by Ray's own word.
class NodeQuery {
 public:
  NodeQuery(const LocalRecord& record, const std::function<bool()>& cancelled);

  // An array of {name, ip, alive, why}; or nothing, and then `fault` says why.
  std::optional<Json> Ask(Deadline deadline, std::string& fault);

 private:
  std::function<bool()> cancelled_;
  ChildProcess child_;
};

}  // namespace windlass::cluster
