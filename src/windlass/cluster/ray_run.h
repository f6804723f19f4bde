// Specs run on a cluster that is reached over Ray's Jobs REST API: `python -m windlass run` there.
#pragma once

#include <filesystem>
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

// Submits a spec and gives the job's id once the cluster has it. Nothing of it stays here.
std::string SubmitToRay(const Json& spec, std::string_view what, const job::RunOptions& options,
                        const Say& say);

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
