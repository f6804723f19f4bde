#include <fmt/format.h>

#include <filesystem>
#include <iostream>
#include <memory>

#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/cli/cli.h"
#include "windlass/cli/print.h"
#include "windlass/job/record.h"
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
  command.add_option("--engine", options.engine, "Where tasks run")->capture_default_str();
  command.add_flag("--no-memo", no_memo, "Neither look results up nor remember them");
  command.add_flag("--resume", resume,
                   "Go on from what an earlier, interrupted run of the same spec finished (this is "
                   "also what happens without it; with --no-memo it is an error)");
  command.add_flag("-q,--quiet", quiet, "No progress and no summary");
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

void RunAndPrint(const Json& spec, const std::string& what, const RunFlags& flags) {
  const job::RunResult result = job::Run(spec, what, flags.Finish());
  if (flags.json) {
    std::cout << Json{{"job", result.job_id}, {"result", result.result}, {"run", result.run}}.dump(
                     2)
              << "\n";
  } else if (!flags.quiet) {
    PrintResult(spec.at("kind"), result, flags.out);
  }
}

namespace {

struct RunCommand {
  std::string file;
  std::string job;
  RunFlags flags;

  void Run() {
    if (!job.empty()) {
      RunAgain();
      return;
    }
    if (file.empty()) {
      throw Error(ErrorCode::kUsage, "name a spec file, or --job ID to run a job again");
    }
    RunAndPrint(ParseJson(ReadFile(file), file), file, flags);
  }

  // The spec of an earlier job, in the folder where it was given, to where it was to go.
  void RunAgain() {
    if (!file.empty()) throw Error(ErrorCode::kUsage, "give a spec file or --job, not both");
    const job::JobInfo info = job::FindJob(store::HomeFolder(), job);
    std::error_code error;
    std::filesystem::current_path(info.run.at("folder").get<std::string>(), error);
    if (error) {
      throw Error(ErrorCode::kNotFound,
                  fmt::format("job {} ran in {}, which cannot be entered: {}", info.id,
                              info.run.at("folder").get<std::string>(), error.message()));
    }
    if (flags.out.empty()) flags.out = info.run.at("out");
    RunAndPrint(info.spec, "job " + info.id, flags);
  }
};

}  // namespace

void AddRunCommand(CLI::App& app, Outcome&) {
  auto command = std::make_shared<RunCommand>();
  auto* sub = app.add_subcommand("run", "Run a spec: a JSON file of some kind, such as explain");
  sub->add_option("spec", command->file, "The spec file");
  sub->add_option("--job", command->job, "Run the spec of an earlier job again (its id)");
  command->flags.AddTo(*sub, /*out_required=*/false);
  sub->final_callback([command] { command->Run(); });
}

}  // namespace windlass::cli
