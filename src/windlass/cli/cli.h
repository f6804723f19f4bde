// The command line: each command fills a spec or asks the store, and prints.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "windlass/base/json.h"
#include "windlass/job/run.h"
#include "windlass/job/source.h"

namespace windlass::cli {

// What a command's callback leaves for Main to return.
struct Outcome {
  int exit_code = 0;
};

// Options that every command running a spec has.
struct RunFlags {
  job::RunOptions options;
  std::string out;
  bool no_memo = false;
  bool resume = false;
  bool detach = false;
  bool quiet = false;
  bool json = false;

  void AddTo(CLI::App& command, bool out_required);
  void AddServiceFlagsTo(CLI::App& command);  // of a service, which has no outputs
  job::RunOptions Finish() const;
};

// The jobs of this machine (engine empty or "local"), or of a cluster (http://HOST:8265).
std::unique_ptr<job::JobSource> JobsOf(const std::string& engine);

// Tells a person, on standard error.
void Say(const std::string& text);

// Runs a spec and prints its result, or with --detach the job's id: for people, or as JSON.
void RunAndPrint(const Json& spec, const std::string& what, const RunFlags& flags);

// A job that its cluster has forgotten, submitted again to this engine; gives its new id.
std::string SubmitAgain(const job::JobInfo& info, const std::string& engine);

// Whether an engine is written in Python and this process is not Python. Throws
// Error{kUnsupported} for ray://.
bool NeedsPython(std::string_view engine);

// Where Ray is run: $WINDLASS_PYTHON, else python3.
std::string PythonProgram();

// Runs the same command line in Python (PythonProgram), on these standard streams:
// passes signals on, and gives its exit code. Throws Error that says what to install, or which
// signal killed it.
int RunInPython(std::string_view engine, int argc, char** argv);

// `diff` and `drift` under `windlass explain`.
void AddCompareCommands(CLI::App& explain);
void AddExplainCommand(CLI::App& app, Outcome& outcome);
void AddRunCommand(CLI::App& app, Outcome& outcome);
void AddBenchCommand(CLI::App& app, Outcome& outcome);
void AddJobCommands(CLI::App& app, Outcome& outcome);
void AddClusterCommands(CLI::App& app, Outcome& outcome);
void AddServeCommand(CLI::App& app, Outcome& outcome);
void AddStoreCommands(CLI::App& app, Outcome& outcome);
void AddTaskCommands(CLI::App& app, Outcome& outcome);
void AddTuneCommand(CLI::App& app, Outcome& outcome);

}  // namespace windlass::cli
