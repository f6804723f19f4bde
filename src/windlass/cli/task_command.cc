#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iostream>
#include <memory>

#include "windlass/base/cancel.h"
#include "windlass/base/error.h"
#include "windlass/cli/cli.h"
#include "windlass/cli/print.h"
#include "windlass/cluster/gateway.h"
#include "windlass/engine/failed_task.h"
#include "windlass/store/store.h"

namespace windlass::cli {
namespace {

struct ReplayCommand {
  std::string id;
  std::string engine = "local";
  bool debug = false;
  bool json = false;

  void Run() const {
    const Bytes kept = Kept();
    if (debug) RunUnderDebugger();
    const engine::FailedTask failed = engine::ReadFailedTask(kept);
    std::size_t bytes = 0;
    for (const Bytes& input : failed.inputs) bytes += input.size();
    if (!json) {
      std::cout << fmt::format("Task {}: {}, version {}, {} inputs, {}.\n", id, failed.task.kind,
                               failed.task.version, failed.inputs.size(), Size(bytes))
                << std::flush;
    }
    const auto start = Clock::now();
    const Bytes result = engine::RunFailedTask(failed, ProcessCancelToken());
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    if (json) {
      std::cout << Json{{"task", id},
                        {"kind", failed.task.kind},
                        {"result_bytes", result.size()},
                        {"result_hash", HashOf(result.view()).Hex()},
                        {"wall_s", seconds}}
                       .dump(2)
                << "\n";
      return;
    }
    std::cout << fmt::format("It succeeds here: {} in {}.\n", Size(result.size()),
                             Seconds(seconds));
  }

  // Of this machine, or of the cluster that ran it.
  Bytes Kept() const {
    if (engine == "local") {
      return engine::FindFailedTask(*store::Store::Open(store::DefaultPlace()), id);
    }
    if (!cluster::RayEngine::Is(engine)) {
      throw Error(ErrorCode::kUsage,
                  fmt::format("--engine {}: failed tasks are kept on this machine (local) or by a "
                              "cluster that was given the whole job (http://HOST:8265)",
                              engine));
    }
    const auto where = cluster::RayEngine::Parse(engine);
    cluster::RayApi api(where);
    return cluster::OpenJobHome(where, api, /*start=*/true, Say)->FailedTask(id);
  }

  // The same command, with the debugger in front.
  [[noreturn]] void RunUnderDebugger() const {
    ::execlp("gdb", "gdb", "--args", "/proc/self/exe", "task", "replay", id.c_str(), "--engine",
             engine.c_str(), static_cast<char*>(nullptr));
    throw Error(ErrorCode::kNotFound,
                fmt::format("--debug starts gdb, which cannot be run: {}", std::strerror(errno)));
  }
};

}  // namespace

void AddTaskCommands(CLI::App& app, Outcome&) {
  auto command = std::make_shared<ReplayCommand>();
  auto* group = app.add_subcommand("task", "Look into tasks that failed");
  group->require_subcommand(1);
  auto* replay =
      group->add_subcommand("replay", "Run a failed task again, here, with the inputs that it had");
  replay->add_option("id", command->id, "The task, as the log of its job names it")->required();
  replay
      ->add_option("--engine", command->engine,
                   "Where its job ran: local, or http://HOST:8265, a Ray cluster")
      ->capture_default_str();
  replay->add_flag("--debug", command->debug, "Under gdb");
  replay->add_flag("--json", command->json, "Print the result as JSON");
  replay->final_callback([command] { command->Run(); });
}

}  // namespace windlass::cli
