#include "windlass/cli/cli.h"

#include <cstdio>
#include <cstdlib>
#include <iostream>

#include <fmt/format.h>

#include "windlass/base/build_info.h"
#include "windlass/base/cancel.h"
#include "windlass/base/error.h"
#include "windlass/base/export.h"
#include "windlass/base/registry.h"
#include "windlass/base/sync_point.h"
#include "windlass/cli/builtins.h"

namespace windlass::cli {
namespace {

// Parses and runs; every error leaves as an exception.
int ParseAndRun(int argc, char** argv, CLI::App& app) {
  ArmSyncPointsFromEnvironment();
  InstallSignalHandlers();
  RegisterBuiltins(Registry::Global());
  app.set_version_flag("--version", fmt::format("windlass {} ({})", Version(), BuildHash()));
  app.require_subcommand(1);
  std::vector<std::string> plugins;
  app.add_option("--plugin", plugins, "Load a plug-in (a shared module); may be repeated");
  Outcome outcome;
  // Plug-ins come before the command runs, which CLI11 would do while parsing: so callbacks are
  // final ones, called after everything was parsed.
  app.parse_complete_callback([&plugins] {
    for (const auto& plugin : plugins) Registry::Global().LoadPlugin(plugin);
  });
  AddExplainCommand(app, outcome);
  AddRunCommand(app, outcome);
  AddBenchCommand(app, outcome);
  AddJobCommands(app, outcome);
  AddStoreCommands(app, outcome);
  app.parse(argc, argv);
  if (std::cout.flush().fail() || std::fflush(stdout) != 0) {
    throw Error(ErrorCode::kIo, "cannot write to standard output");
  }
  return outcome.exit_code;
}

int Main(int argc, char** argv) {
  CLI::App app(
      "Windlass explains, tunes and trains machine-learning models on as many hands as there are.",
      "windlass");
  try {
    return ParseAndRun(argc, argv, app);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    std::cerr << "windlass: " << error.what() << "; see windlass --help\n";
    return 2;
  } catch (const Error& error) {
    std::cerr << "windlass: " << error.what() << "\n";
    return error.exit_code();
  } catch (const std::bad_alloc&) {
    std::cerr << "windlass: out of memory\n";
    return 1;
  } catch (const std::exception& error) {
    std::cerr << "windlass: internal error: " << error.what() << "\n";
    return 1;
  }
}

}  // namespace
}  // namespace windlass::cli

extern "C" WINDLASS_API int windlass_main(int argc, char** argv) {
  const int code = windlass::cli::Main(argc, argv);
  std::fflush(nullptr);
  // Arrow's and the plug-ins' static destructors only take time, and a worker thread of theirs may
  // still run.
  std::_Exit(code);
}
