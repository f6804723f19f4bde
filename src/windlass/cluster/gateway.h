// The store gateway: what jobs of a cluster leave in WINDLASS_HOME, over HTTP.
//
//   GET    /v1/windlass                what it is: version, build, Python, Ray, home
//   GET    /v1/jobs                    the records of all jobs
//   GET    /v1/jobs/ID                 one record
//   GET    /v1/jobs/ID/result          result, run, and the outputs with their sizes and hashes
//   GET    /v1/jobs/ID/outputs/NAME    the bytes of one output
//   GET    /v1/tasks/ID                a task that failed, with its inputs
//   DELETE /v1/jobs/ID[/outputs]       all of a job, or its outputs
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "windlass/base/cancel.h"
#include "windlass/cluster/job_home.h"
#include "windlass/cluster/operator.h"
#include "windlass/cluster/ray_api.h"
#include "windlass/cluster/ray_engine.h"

namespace windlass::cluster {

struct GatewayOptions {
  std::filesystem::path home;
  std::string address = "127.0.0.1";
  std::uint16_t port = kGatewayPort;
  std::string token;  // empty: anyone may ask
};

// Serves until `token` is cancelled; `ready` is told the URL. Throws Error{kIo} for a port that is
// taken, and others.
void ServeGateway(const GatewayOptions& options, const CancelToken& token,
                  const std::function<void(const std::string& url)>& ready);

// A gateway that answers at `url`.
std::unique_ptr<JobHome> ConnectGateway(const std::string& url, const std::string& token,
                                        const std::string& ca_file,
                                        std::function<bool()> cancelled);

// The home of the cluster's jobs as the engine says how it is reached: the shared folder, the
// bucket, or the gateway. One that runs there is taken; with `start`, one is started beside the
// head where none runs, as a Ray job. Without, null when there is none.
//
// Throws Error{kUnsupported} when Windlass there is missing or another build, naming both.
std::unique_ptr<JobHome> OpenJobHome(const RayEngine& engine, RayApi& api, bool start,
                                     const Say& say);

}  // namespace windlass::cluster
