// What is known of a Ray cluster of this machine: $WINDLASS_HOME/clusters/NAME.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "windlass/base/json.h"
#include "windlass/cluster/local_processes_internal.h"

namespace windlass::cluster {

struct LocalNode {
  std::string name;  // as Ray has it, too
  bool is_head = false;
  Session session;
  int restarts = 0;
  std::string ip;  // Ray's own word; empty before the node was there
};

struct NodeSize {
  int cpus = 0;             // 0: all that the machine has
  std::int64_t memory = 0;  // bytes, of tasks and of the object store together; 0: as Ray decides
};

struct LocalRecord {
  std::string name;
  std::string created;  // RFC 3339
  std::string host;
  std::string boot;    // BootId when the nodes were started
  std::string python;  // the program
  std::string python_version;
  std::string ray_version;
  bool has_dashboard = false;  // ray[default] was there
  std::string dashboard_host;
  int dashboard_port = 0;
  int port = 0;      // of the head (the GCS)
  std::string temp;  // Ray's folder of sockets and logs
  NodeSize head;
  NodeSize worker;
  int workers = 0;  // that are wanted
  std::vector<LocalNode> nodes;

  Json ToJson() const;
  // `what` names it in errors. Throws Error{kCorrupt}.
  static LocalRecord FromJson(std::string_view text, const std::string& what);

  std::string Url() const;  // of the dashboard; empty: there is none
};

// The last lines of a log that say something, on one line, at most 600 bytes.
std::string LastWords(const std::filesystem::path& log);

}  // namespace windlass::cluster
