#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>

#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/base/registry.h"
#include "windlass/cli/cli.h"
#include "windlass/cli/print.h"
#include "windlass/cluster/job_home.h"
#include "windlass/cluster/ray_engine.h"
#include "windlass/cluster/ray_run.h"
#include "windlass/cluster/submitted.h"
#include "windlass/job/detach.h"
#include "windlass/job/local_jobs.h"
#include "windlass/store/store.h"

namespace windlass::cli {

void RunFlags::AddTo(CLI::App& command, bool out_required) {
  auto* out_option = command.add_option("--out,-o", out, "Folder for the outputs");
  if (out_required) out_option->required();
  command.add_option_function<std::string>(
      "-w,--workers",
      [this](const std::string& text) { options.workers = engine::WorkerCount::Parse(text); },
      "Workers: -1 sequential, 0 one a core (default), a number, or MIN:MAX");
  command.add_option("-b,--batch", options.batch, "Rows a task takes; default: the plan's")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 40));
  command
      .add_option("--engine", options.engine,
                  "Where tasks run: local, ray (a Ray cluster), or http://HOST:8265, a Ray cluster "
                  "that runs the whole job")
      ->capture_default_str();
  command.add_flag("--no-memo", no_memo, "Neither look results up nor remember them");
  command.add_flag("--resume", resume,
                   "Go on from what an earlier, interrupted run of the same spec finished (this is "
                   "also what happens without it; with --no-memo it is an error)");
  command.add_flag("--detach", detach,
                   "Run in the background, as a job that goes on when the terminal is closed, and "
                   "print its id; windlass job follows, stops and awaits it");
  command.add_flag("-q,--quiet", quiet, "No progress and no summary");
  command.add_flag("--json", json, "Print the result as JSON");
}

void RunFlags::AddServiceFlagsTo(CLI::App& command) {
  no_memo = true;
  command.add_option("--engine", options.engine, "Where it runs")->capture_default_str();
  command.add_flag("--detach", detach,
                   "Run in the background, as a job that goes on when the terminal is closed, and "
                   "print its id; windlass job follows and stops it");
  command.add_flag("-q,--quiet", quiet, "Say nothing but errors");
  command.add_flag("--json", json, "Print the result as JSON");
}

job::RunOptions RunFlags::Finish() const {
  if (resume && no_memo) {
    throw Error(ErrorCode::kUsage, "--resume goes by the memo table, which --no-memo turns off");
  }
  job::RunOptions finished = options;
  finished.out = out;
  finished.memo = !no_memo;
  finished.progress = quiet ? job::Progress::Style::kQuiet : job::Progress::DefaultStyle();
  return finished;
}

namespace {

constexpr const char* kBegun = "--begun";

void SubmitAndPrint(const Json& spec, const std::string& what, const RunFlags& flags,
                    const job::RunOptions& options) {
  const std::string id =
      cluster::SubmitToRay(spec, what, options, flags.quiet ? [](const std::string&) {} : Say);
  if (flags.json) {
    std::cout << Json{{"job", id}, {"engine", options.engine}}.dump(2) << "\n";
  } else if (flags.quiet) {
    std::cout << id << "\n";
  } else {
    std::cout << fmt::format(
        "Job {0} is the cluster's now.\n"
        "Follow it:       windlass job logs -f {0} --engine '{1}'\n"
        "Wait for it:     windlass job wait {0} --engine '{1}'\n"
        "Its outputs:     windlass job fetch {0} --engine '{1}'\n"
        "Stop it:         windlass job stop {0} --engine '{1}'\n",
        id, options.engine);
  }
}

void DetachAndPrint(const Json& spec, const std::string& what, const RunFlags& flags) {
  const job::RunOptions options = flags.Finish();
  if (cluster::RayEngine::Is(options.engine)) {
    SubmitAndPrint(spec, what, flags, options);
    return;
  }
  // The engine stands in the record too; here it says at once that the job must run in Python.
  const job::JobInfo info =
      job::Detach(spec, what, options, {"windlass", "run", "--engine", options.engine, kBegun});
  if (flags.json) {
    std::cout << Json{{"job", info.id},
                      {"state", job::JobStateName(info.state)},
                      {"out", info.out},
                      {"log", job::LocalJobs(store::HomeFolder()).LogPath(info.id).string()}}
                     .dump(2)
              << "\n";
  } else if (flags.quiet) {
    std::cout << info.id << "\n";
  } else {
    std::cout << fmt::format(
        "Job {0} runs in the background.\n"
        "Follow it:    windlass job logs -f {0}\n"
        "Wait for it:  windlass job wait {0}\n"
        "Stop it:      windlass job stop {0}\n",
        info.id);
  }
}

}  // namespace

void RunAndPrint(const Json& spec, const std::string& what, const RunFlags& flags) {
  if (flags.detach) {
    DetachAndPrint(spec, what, flags);
    return;
  }
  const job::RunOptions options = flags.Finish();
  const job::RunResult result = cluster::RayEngine::Is(options.engine)
                                    ? cluster::RunOnRay(spec, what, options, Say)
                                    : job::Run(spec, what, options);
  if (flags.json) {
    std::cout << Json{{"job", result.job_id}, {"result", result.result}, {"run", result.run}}.dump(
                     2)
              << "\n";
  } else if (!flags.quiet) {
    PrintResult(spec.at("kind"), result, flags.out);
  }
}

namespace {

// Those that the job was given.
void LoadPlugins(const job::JobInfo& info) {
  for (const Json& plugin : info.run.value("plugins", Json::array())) {
    Registry::Global().LoadPlugin(plugin.get<std::string>());
  }
}

// Where an earlier job was given, with what was loaded there.
void GoBackTo(const job::JobInfo& info) {
  const auto folder = info.run.at("folder").get<std::string>();
  std::error_code error;
  std::filesystem::current_path(folder, error);
  if (error) {
    throw Error(ErrorCode::kNotFound, fmt::format("job {} ran in {}, which cannot be entered: {}",
                                                  info.id, folder, error.message()));
  }
  LoadPlugins(info);
}

engine::WorkerCount WorkersOf(const job::JobInfo& info) {
  const Json& workers = info.run.at("workers");  // a number in older records
  return engine::WorkerCount::Parse(workers.is_string() ? workers.get<std::string>()
                                                        : workers.dump());
}

struct RunCommand {
  std::string file;
  std::string job;
  std::string begun;
  std::string submitted;
  RunFlags flags;

  void Run() {
    if (!begun.empty()) {
      RunBegun();
    } else if (!submitted.empty()) {
      RunSubmitted();
    } else if (!job.empty()) {
      RunAgain();
    } else if (file.empty()) {
      throw Error(ErrorCode::kUsage, "name a spec file, or --job ID to run a job again");
    } else {
      RunAndPrint(ParseJson(ReadFile(file), file), file, flags);
    }
  }

  // The spec of an earlier job, in the folder where it was given, to where it was to go. Blocks of
  // the same size, unless another was asked for: such as are remembered.
  void RunAgain() {
    if (!file.empty()) throw Error(ErrorCode::kUsage, "give a spec file or --job, not both");
    const job::JobInfo info = Earlier();
    if (!info.ended()) {
      throw Error(
          ErrorCode::kUsage,
          fmt::format("job {0} has not ended yet; windlass job stop {0} stops it", info.id));
    }
    GoBackTo(info);
    if (flags.out.empty()) flags.out = info.out;
    if (flags.options.batch == 0) flags.options.batch = info.run.at("batch");
    flags.options.restart_of = info.id;
    flags.options.restarts = info.restarts + 1;
    RunAndPrint(info.spec, "job " + info.id, flags);
  }

  // Of this machine, or of the cluster that is to run it again.
  job::JobInfo Earlier() const {
    try {
      return job::LocalJobs(store::HomeFolder()).Find(job);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kNotFound || !cluster::RayEngine::Is(flags.options.engine)) {
        throw;
      }
    }
    job::JobInfo info = JobsOf(flags.options.engine)->Find(job);
    if (info.spec.empty()) {
      throw Error(ErrorCode::kNotFound,
                  fmt::format("the cluster does not keep the spec of job {}, it is too long; run "
                              "the same command again",
                              info.id));
    }
    return info;
  }

  // The job that a command elsewhere submitted to the cluster that this process runs in.
  void RunSubmitted() {
    cluster::Submitted told = cluster::Submitted::Read();
    const std::filesystem::path home = store::HomeFolder();
    job::RunOptions options = flags.Finish();
    options.id = submitted;
    options.out = cluster::OutputsFolder(home, submitted);
    options.given = std::move(told.given);
    options.restarts = told.restarts;
    options.restart_of = told.restart_of;
    options.progress = job::Progress::Style::kMarked;
    std::optional<cluster::BucketCopy> copy;
    if (!told.bucket.empty()) copy.emplace(told.bucket, home, submitted);
    try {
      const job::RunResult result = job::Run(told.spec, "the submitted job", options);
      cluster::WriteResult(home, submitted, result);
    } catch (const Error&) {
      TellOfFailedTasks(job::LocalJobs(home).LogPath(submitted));
      throw;
    }
    if (copy) copy->PutResult();
  }

  // Of a job on a cluster the log is what its driver prints; which tasks failed stands in its own.
  static void TellOfFailedTasks(const std::filesystem::path& log) {
    std::ifstream file(log);
    for (std::string line; std::getline(file, line);) {
      if (line.find("`windlass task replay ") == std::string::npos) continue;
      std::cerr << line.substr(line.find(" task ") + 1) << "\n";
    }
  }

  // The job that another process began for this one.
  void RunBegun() {
    const std::shared_ptr<job::JobRecord> record = job::BecomeDetached(begun);
    try {
      const job::JobInfo info = record->info();
      LoadPlugins(info);
      flags.out = info.out;
      flags.no_memo = !info.run.at("memo").get<bool>();
      flags.options.engine = info.run.at("engine");
      flags.options.workers = WorkersOf(info);
      flags.options.batch = info.run.at("batch");
      flags.options.record = record;
      RunAndPrint(info.spec, "job " + info.id, flags);
    } catch (const Error& error) {
      record->Fail(error);
      throw;
    }
  }
};

}  // namespace

std::string SubmitAgain(const job::JobInfo& info, const std::string& engine) {
  GoBackTo(info);
  job::RunOptions options;
  const std::string before = info.run.at("engine");
  options.engine = cluster::RayEngine::Parse(before).url == cluster::RayEngine::Parse(engine).url
                       ? before
                       : engine;
  options.out = info.out;
  options.workers = WorkersOf(info);
  options.batch = info.run.at("batch");
  options.memo = info.run.at("memo");
  options.restart_of = info.id;
  options.restarts = info.restarts + 1;
  const std::string first = info.restarts > 0 ? info.id.substr(0, info.id.rfind("-r")) : info.id;
  options.id = fmt::format("{}-r{}", first, options.restarts);
  const std::string id = cluster::SubmitToRay(info.spec, "job " + info.id, options, Say);
  cluster::DropSubmitted(info.id);
  return id;
}

void AddRunCommand(CLI::App& app, Outcome&) {
  auto command = std::make_shared<RunCommand>();
  auto* sub = app.add_subcommand("run", "Run a spec: a JSON file of some kind, such as explain");
  sub->add_option("spec", command->file, "The spec file");
  sub->add_option("--job", command->job, "Run the spec of an earlier job again (its id)");
  sub->add_option(kBegun, command->begun)->group("");  // not for people: see job/detach.h
  sub->add_option("--submitted", command->submitted)->group("");  // see cluster/ray_run.h
  command->flags.AddTo(*sub, /*out_required=*/false);
  sub->final_callback([command] { command->Run(); });
}

}  // namespace windlass::cli
