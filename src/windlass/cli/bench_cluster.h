// The cluster on Kubernetes that a sweep runs on: `windlass bench explain --cluster`.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "windlass/base/json.h"
#include "windlass/bench/serve_load.h"
#include "windlass/cli/start_flags.h"
#include "windlass/cluster/cluster.h"

namespace windlass::cli {

class SweepCluster {
 public:
  struct Wanted {
    std::string name;
    cluster::Access access;
    StartFlags start;            // for when it is not there yet
    std::string engine_options;  // "store=/store&cpus=1"
    bool keep = false;           // when it was started here
  };

  // `say` and `warn` are told what happens.
  SweepCluster(Wanted wanted, cluster::Listeners listeners);

  // Stops the cluster if it was started here and is not to be kept; scales one that was there back.
  // An interrupt does not disturb that; a second one ends the process.
  ~SweepCluster();
  SweepCluster(const SweepCluster&) = delete;
  SweepCluster& operator=(const SweepCluster&) = delete;

  // The engine, with so many workers, none of which has run anything yet. Starts the cluster where
  // it is not there. Throws Error{kNotFound} when it is not, and nothing says which image has
  // Windlass; what starting and scaling throws.
  std::string Take(std::int64_t workers);

  // A service in a Ray job, and a way to each Pod that has a replica of it. Throws Error: why it
  // did not start.
  std::unique_ptr<bench::Served> Serve(Json spec, const std::string& engine) const;

 private:
  void Begin(int workers);
  void ScaleTo(int workers);
  void End();

  const Wanted wanted_;
  const cluster::Listeners listeners_;
  const cluster::Kubectl kubectl_;
  bool started_ = false;
  std::optional<int> before_;  // the workers of a cluster that was there
  std::optional<cluster::BackgroundForward> forward_;
};

}  // namespace windlass::cli
