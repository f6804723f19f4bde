#include "windlass/bench/sweep.h"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <span>
#include <thread>
#include <utility>

#include "windlass/base/cancel.h"
#include "windlass/base/file.h"
#include "windlass/job/info.h"
#include "windlass/job/run.h"

namespace windlass::bench {
namespace {

// The first "model name" of the kernel's list; not every architecture has one.
std::string CpuModel() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

Sample RunOnce(const SweepOptions& options, const std::string& engine, std::int64_t workers,
               std::int64_t batch, SweepResult& result) {
  const TemporaryFolder folder;
  job::RunOptions run_options;
  run_options.out = folder.path() / "out";
  run_options.engine = engine;
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
                            engine, done.run.at("workers").get<std::int64_t>(), workers));
  }
  result.method = done.result.at("method");
  result.reason = done.result.at("reason");
  result.versions = done.result.at("versions");
  Sample sample;
  sample.workers = workers;
  sample.batch = batch;
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
  job::Progress progress(options.progress, nullptr);
  std::optional<ServeLoad> load;
  if (std::ranges::count(options.modes, Mode::kServe) > 0) {
    load.emplace(options.spec, options.what);
    result.method = load->method();
    result.reason = load->reason();
    result.versions = Json::object();
  }
  std::string engine = options.engine;
  const auto one = [&](Mode mode, std::int64_t workers, std::int64_t batch, int run) {
    ProcessCancelToken().Check();
    Sample sample = mode == Mode::kServe
                        ? load->Run(options.serve, engine, workers, batch, options.batching)
                        : RunOnce(options, engine, workers, batch, result);
    sample.mode = mode;
    sample.run = run;
    (run == 0 ? result.warm_up : result.samples).push_back(std::move(sample));
    progress.Advance(1);
  };
  const auto each = [&](std::span<const std::int64_t> workers) {
    for (const Mode mode : options.modes) {
      for (int i = 0; i < options.warm_up; ++i) {
        one(mode, workers.front(), options.batches.front(), 0);
      }
    }
    for (int run = 1; run <= options.runs; ++run) {
      for (const std::int64_t count : workers) {
        for (const std::int64_t batch : options.batches) {
          for (const Mode mode : options.modes) one(mode, count, batch, run);
        }
      }
    }
  };
  const std::int64_t places = options.place ? std::ssize(options.workers) : 1;
  progress.Begin("runs", options.warm_up * places * std::ssize(options.modes) +
                             options.configurations() * options.runs);
  if (!options.place) return each(options.workers);
  for (const std::int64_t& workers : options.workers) {
    engine = options.place(workers);
    each(std::span(&workers, 1));
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
  result.started_ms = job::NowMs();
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
