#include "windlass/bench/sweep.h"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "windlass/base/cancel.h"
#include "windlass/base/file.h"
#include "windlass/job/run.h"

namespace windlass::bench {
namespace {

std::int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// The first "model name" of the kernel's list; not every architecture has one.
std::string CpuModel() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

Sample RunOnce(const SweepOptions& options, std::int64_t workers, std::int64_t batch, int run,
               SweepResult& result) {
  const TemporaryFolder folder;
  job::RunOptions run_options;
  run_options.out = folder.path() / "out";
  run_options.engine = options.engine;
  run_options.workers = {static_cast<int>(workers), static_cast<int>(workers)};
  run_options.batch = batch;
  run_options.memo = false;  // a sweep measures work, not memory
  run_options.keep_record = false;
  const job::RunResult done = options.run(options.spec, options.what, run_options);
  const Json& timings = done.run.at("timings");
  if (done.run.at("workers") != workers) {
    throw Error(ErrorCode::kUsage,
                fmt::format("--engine {} ran with {} workers where the sweep asked for {}; leave "
                            "the number of workers to -w",
                            options.engine, done.run.at("workers").get<std::int64_t>(), workers));
  }
  result.method = done.result.at("method");
  result.reason = done.result.at("reason");
  result.versions = done.result.at("versions");
  Sample sample;
  sample.workers = workers;
  sample.batch = batch;
  sample.run = run;
  sample.rows = done.result.at("rows");
  sample.tasks = done.run.at("tasks").at("total");
  sample.method = result.method;
  sample.wall_s = timings.at("total_wall_s");
  sample.cpu_s = timings.at("total_cpu_s");
  sample.compute_wall_s = timings.at("compute_wall_s");
  sample.compute_cpu_s = timings.at("compute_cpu_s");
  sample.job = done.job_id;
  sample.started_ms = done.run.at("started_ms");
  return sample;
}

void RunAll(const SweepOptions& options, SweepResult& result) {
  std::optional<ServeLoad> load;
  if (options.mode == Mode::kServe) {
    load.emplace(options.spec, options.what);
    result.method = load->method();
    result.reason = load->reason();
    result.versions = Json::object();
  }
  const auto one = [&](std::int64_t workers, std::int64_t batch, int run) {
    ProcessCancelToken().Check();
    if (!load) return RunOnce(options, workers, batch, run, result);
    Sample sample = load->Run(options.engine, workers, batch, options.batching);
    sample.run = run;
    return sample;
  };
  const std::int64_t configurations = std::ssize(options.workers) * std::ssize(options.batches);
  job::Progress progress(options.progress, nullptr);
  progress.Begin("runs", options.warm_up + configurations * options.runs);
  for (int i = 0; i < options.warm_up; ++i) {
    result.warm_up.push_back(one(options.workers.front(), options.batches.front(), 0));
    progress.Advance(1);
  }
  for (int run = 1; run <= options.runs; ++run) {
    for (const std::int64_t workers : options.workers) {
      for (const std::int64_t batch : options.batches) {
        result.samples.push_back(one(workers, batch, run));
        progress.Advance(1);
      }
    }
  }
}

}  // namespace

Machine ThisMachine() {
  Machine machine;
  utsname names{};
  if (::uname(&names) == 0) {
    machine.host = names.nodename;
    machine.system = fmt::format("{} {} {}", names.sysname, names.release, names.machine);
  }
  machine.cpu = CpuModel();
  machine.cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  if (::getloadavg(&machine.load, 1) != 1) machine.load = 0;
  return machine;
}

SweepResult RunSweep(const SweepOptions& options) {
  SweepResult result;
  result.options = options;
  result.machine = ThisMachine();
  result.started_ms = NowMs();
  result.spec = job::Normalise(options.spec, options.what);
  try {
    RunAll(options, result);
  } catch (const Error& error) {
    if (result.samples.empty()) throw;
    result.stopped = error;
  }
  return result;
}

}  // namespace windlass::bench
