// Specs run on a cluster that is reached over Ray's Jobs REST API: `python -m windlass run` there.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "windlass/base/json.h"
#include "windlass/cluster/operator.h"
#include "windlass/job/run.h"

namespace windlass::cluster {

// Runs a spec as job::Run does, with a record here, on the cluster that options.engine names. Files
// of this machine that it reads are uploaded; the log goes to standard error and progress is shown
// as it comes; the outputs are brought here. A job that the cluster forgot is submitted again.
//
// `say` is told what a person should know. Throws Error as job::Run does, and what RayApi throws.
WINDLASS_API job::RunResult RunOnRay(const Json& spec, std::string_view what,
                                     const job::RunOptions& options, const Say& say);

// Submits a spec and gives the job's id once the cluster has it. What it takes to do so again stays
// here (submitted.h).
std::string SubmitToRay(const Json& spec, std::string_view what, const job::RunOptions& options,
                        const Say& say);

// Submits a job of the user's again, and gives its new id.
using Resubmit = std::function<std::string(const job::JobInfo&)>;

// Waits until a job of the cluster has ended; `look` sees it again and again. One that was
// submitted from here and that the cluster has forgotten is submitted again, as often as the
// engine's `restarts` says; a cluster that does not answer is waited for as long as its `patience`.
// Throws Error{kDeadlineExceeded} after `timeout`, and what RayApi throws.
job::JobInfo WaitOnRay(std::string_view engine, std::string_view id,
                       std::chrono::milliseconds timeout,
                       const std::function<void(const job::JobInfo&)>& look,
                       const Resubmit& resubmit, const Say& say);

// Brings the outputs of a job that has succeeded into the folder `out`. Throws Error{kNotFound}
// when there are none, {kCorrupt} when they did not come over whole.
job::RunResult FetchFromRay(std::string_view engine, std::string_view id,
                            const std::filesystem::path& out, const Say& say);

// The other side: what SubmitToRay put into the environment of a job's driver, or beside it.
struct Submitted {
  Json spec;   // as it reads there
  Json given;  // as the user gave it
  std::int64_t restarts = 0;
  std::string restart_of;
  std::string bucket;  // where it leaves its record and outputs as well; may be empty

  // Throws Error{kUsage} when this process is no such driver.
  static Submitted Read();
};

}  // namespace windlass::cluster
