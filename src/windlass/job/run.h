// The one way anything runs.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "windlass/base/cancel.h"
#include "windlass/base/export.h"
#include "windlass/base/json.h"
#include "windlass/engine/session.h"
#include "windlass/job/info.h"
#include "windlass/job/progress.h"

namespace windlass::job {

class JobRecord;

struct RunOptions {
  std::filesystem::path out;  // where outputs go; of a service nowhere
  std::string engine = "local";
  engine::WorkerCount workers;
  std::int64_t batch = 0;  // 0: the plan's
  bool memo = true;        // look results up, and remember them
  Progress::Style progress = Progress::Style::kQuiet;
  CancelToken token = ProcessCancelToken();
  bool keep_record = true;  // false: a job that succeeded leaves no record (one of a sweep's)
  std::string restart_of;   // the job whose spec this is
  std::int64_t restarts = 0;
  std::string id;                     // of the job; empty: one is made
  Json given;                         // what Context::given() tells; null: the spec itself
  std::shared_ptr<JobRecord> record;  // of a job that was begun already; null: begin one
};

struct RunResult {
  std::string job_id;
  Json result;  // what the capability returned: depends on spec and data only
  Json run;     // run.json: timings, host, workers, counts
  double seconds = 0;
};

// Runs a spec: {"kind": "explain", ...}. Keeps a job record, gives the outputs to `out` when all
// of them are complete (each file is renamed into place, run.json last), and nothing otherwise.
// `what` names the document in errors.
//
// Throws Error; the job's record then says failed or cancelled, and why.
WINDLASS_API RunResult Run(const Json& spec, std::string_view what, const RunOptions& options);

// The normalised spec, without running it.
Json Normalise(const Json& spec, std::string_view what);

// What the record of such a job begins with: a normalised spec, options that were checked.
JobInfo NewJob(const Json& spec, std::string_view what, const RunOptions& options);

}  // namespace windlass::job
