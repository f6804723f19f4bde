// The sweep: one job, run again and again over numbers of workers and batch sizes.
#pragma once

#include <cstdint>
#include <functional>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "windlass/base/error.h"
#include "windlass/base/json.h"
#include "windlass/bench/serve_load.h"
#include "windlass/bench/statistics.h"
#include "windlass/job/progress.h"
#include "windlass/job/run.h"

namespace windlass::bench {

struct SweepOptions {
  Json spec;         // of kind "explain"
  std::string what;  // names the spec in errors
  std::string engine = "local";
  std::vector<Mode> modes = {Mode::kPool};  // at least one, each once
  Batching batching = Batching::kRay;       // of Mode::kServe
  // Runs one job of Mode::kPool where the engine is.
  std::function<job::RunResult(const Json&, std::string_view, const job::RunOptions&)> run =
      job::Run;
  // Starts the service of Mode::kServe where the engine is.
  StartService serve = ServeHere;
  // Where jobs of so many workers run, made ready for them: then all runs of one number of workers
  // come before those of the next one. Empty: `engine` for all.
  std::function<std::string(std::int64_t workers)> place;
  std::vector<std::int64_t> workers;  // at least one, each >= 1
  std::vector<std::int64_t> batches;  // at least one, each >= 1
  int runs = 1;                       // of each configuration
  int warm_up = 1;  // runs of the first configuration of each mode before any that counts
  job::Progress::Style progress = job::Progress::Style::kQuiet;

  std::int64_t configurations() const {
    return std::ssize(modes) * std::ssize(workers) * std::ssize(batches);
  }
};

// The machine that a sweep ran on.
struct Machine {
  std::string host;
  std::string cpu;     // the model's name, or "unknown"
  std::string system;  // kernel and architecture
  int cores = 0;       // that this process may use
  double load = 0;     // the mean number of running processes in the minute before the sweep
};
Machine ThisMachine();

struct SweepResult {
  SweepOptions options;
  Machine machine;
  Json spec;                    // normalised
  std::int64_t started_ms = 0;  // since 1970
  std::vector<Sample> warm_up;  // their `run` is 0
  std::vector<Sample> samples;  // in the order they ran
  std::string method;
  std::string reason;            // why that method
  Json versions;                 // of what computed
  std::optional<Error> stopped;  // why the sweep ended before its last run
};

// Runs each configuration `runs` times, interleaved: all configurations once, then all again, so
// that a machine that is busy for a while does not slow only one of them (see `place` for more).
// Each run is a job of its own with the memo table off; its outputs go to a temporary folder and
// are removed.
//
// What was measured outlives an error or an interrupt: it is returned together with the error in
// `stopped`. Throws Error when there is nothing to return: no run that counts has ended.
SweepResult RunSweep(const SweepOptions& options);

}  // namespace windlass::bench
