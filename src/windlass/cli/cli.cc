#include "windlass/cli/cli.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <sstream>

#include "windlass/base/build_info.h"
#include "windlass/base/cancel.h"
#include "windlass/base/error.h"
#include "windlass/base/export.h"
#include "windlass/base/json.h"
#include "windlass/base/registry.h"
#include "windlass/base/sync_point.h"
#include "windlass/cli/builtins.h"
#include "windlass/cli/command.h"

namespace windlass::cli {
namespace {

// Help of 80 columns: descriptions go on below themselves.
class HelpFormatter final : public CLI::Formatter {
 public:
  std::string make_option_desc(const CLI::Option* option) const override {
    return Wrapped(CLI::Formatter::make_option_desc(option));
  }
  std::string make_subcommand(const CLI::App* sub) const override {
    std::ostringstream out;
    CLI::detail::format_help(out, sub->get_display_name(true), Wrapped(sub->get_description()),
                             column_width_);
    return out.str();
  }

 private:
  std::string Wrapped(const std::string& text) const {
    constexpr std::size_t kColumns = 80;
    const std::size_t width = kColumns - column_width_;
    std::string wrapped;
    std::size_t length = 0;
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = std::min(text.find(' ', begin), text.size());
      const std::size_t word = end - begin;
      if (length > 0 && length + 1 + word > width) {
        wrapped += '\n';
        length = 0;
      } else if (length > 0) {
        wrapped += ' ';
        ++length;
      }
      wrapped += text.substr(begin, word);
      length += word;
      begin = end + 1;
    }
    return wrapped;
  }
};

void FlushOutput() {
  if (std::cout.flush().fail() || std::fflush(stdout) != 0) {
    throw Error(ErrorCode::kIo, "cannot write to standard output");
  }
}

// Leaves the parser when the command must run elsewhere.
struct Elsewhere {
  std::string engine;
};

// The engine that the command names and will use itself: one that only begins a job in the
// background leaves it to that job.
std::string EngineOf(const CLI::App& app) {
  for (const CLI::App* sub : app.get_subcommands()) {
    const CLI::Option* detach = sub->get_option_no_throw("--detach");
    if (detach != nullptr && detach->count() > 0) continue;
    if (const CLI::Option* option = sub->get_option_no_throw("--engine")) {
      if (option->count() > 0) return option->as<std::string>();
    }
    if (std::string engine = EngineOf(*sub); !engine.empty()) return engine;
  }
  return "";
}

// Parses and runs; every error leaves as an exception.
int ParseAndRun(int argc, char** argv, CLI::App& app) {
  app.formatter(std::make_shared<HelpFormatter>());
  ArmSyncPointsFromEnvironment();
  InstallSignalHandlers();
  RegisterBuiltins();
  app.set_version_flag("--version", fmt::format("windlass {} ({})", Version(), BuildHash()));
  app.require_subcommand(1);
  std::vector<std::string> plugins;
  app.add_option("--plugin", plugins, "Load a plug-in (a shared module); may be repeated");
  Outcome outcome;
  // Plug-ins come before the command runs, which CLI11 would do while parsing: so callbacks are
  // final ones, called after everything was parsed.
  app.parse_complete_callback([&plugins, &app] {
    if (const std::string engine = EngineOf(app); !engine.empty() && NeedsPython(engine)) {
      throw Elsewhere{engine};
    }
    for (const auto& plugin : plugins) Registry::Global().LoadPlugin(plugin);
  });
  AddExplainCommand(app, outcome);
  AddRunCommand(app, outcome);
  AddBenchCommand(app, outcome);
  AddJobCommands(app, outcome);
  AddClusterCommands(app, outcome);
  AddServeCommand(app, outcome);
  AddStoreCommands(app, outcome);
  AddTaskCommands(app, outcome);
  AddTuneCommand(app, outcome);
  app.parse(argc, argv);
  FlushOutput();
  return outcome.exit_code;
}

// The options that the commands named so far take.
std::vector<std::string> KnownOptions(const CLI::App& app) {
  std::vector<std::string> known;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  }
  for (const CLI::App* sub : app.get_subcommands()) {  // those that were used
    for (std::string& name : KnownOptions(*sub)) known.push_back(std::move(name));
  }
  return known;
}

// The commands that could have stood where an unknown one did.
std::vector<std::string> KnownCommands(const CLI::App& app) {
  if (const auto used = app.get_subcommands(); !used.empty()) return KnownCommands(*used.front());
  std::vector<std::string> known;
  for (const CLI::App* sub : app.get_subcommands({})) known.push_back(sub->get_name());
  return known;
}

// What CLI11 says of arguments that it did not expect, with what may have been meant.
std::string Unexpected(const CLI::App& app) {
  const std::vector<std::string> rest = app.remaining(/*recurse=*/true);
  if (rest.empty()) return "unexpected arguments";
  const std::string argument = rest.front().substr(0, rest.front().find('='));
  if (argument.starts_with("-")) {
    const std::string nearest = NearestName(argument, KnownOptions(app));
    return fmt::format(
        "unknown option \"{}\"{}", argument,
        nearest.empty() ? "; see windlass --help" : fmt::format("; did you mean \"{}\"?", nearest));
  }
  if (const auto commands = KnownCommands(app); !commands.empty()) {
    return fmt::format("unknown command \"{}\"{}", argument, Suggestion(argument, commands));
  }
  return fmt::format("unexpected argument \"{}\"; see windlass --help", argument);
}

}  // namespace

int RunCommandLine(int argc, char** argv) {
  CLI::App app(
      "Windlass explains, tunes and trains machine-learning models on as many hands as there are.",
      "windlass");
  try {
    try {
      return ParseAndRun(argc, argv, app);
    } catch (const Elsewhere& elsewhere) {
      return RunInPython(elsewhere.engine, argc, argv);
    } catch (const CLI::Success& success) {  // --help, --version
      const int code = app.exit(success);
      FlushOutput();
      return code;
    } catch (const CLI::ExtrasError&) {
      throw Error(ErrorCode::kUsage, Unexpected(app));
    } catch (const CLI::RequiredError& error) {  // what is missing may only be misspelt
      throw Error(ErrorCode::kUsage, app.remaining(/*recurse=*/true).empty()
                                         ? std::string(error.what()) + "; see windlass --help"
                                         : Unexpected(app));
    } catch (const CLI::ConversionError& error) {  // "Could not convert: --workers = x"
      const std::string_view what = error.what();
      throw Error(ErrorCode::kUsage,
                  fmt::format("{}: a number is wanted",
                              what.substr(what.find("--") == what.npos ? 0 : what.find("--"))));
    } catch (const CLI::ParseError& error) {
      throw Error(ErrorCode::kUsage, std::string(error.what()) + "; see windlass --help");
    }
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

}  // namespace windlass::cli

extern "C" WINDLASS_API int windlass_main(int argc, char** argv) {
  const int code = windlass::cli::RunCommandLine(argc, argv);
  std::fflush(nullptr);
  // Arrow's and the plug-ins' static destructors only take time, and a worker thread of theirs may
  // still run.
  std::_Exit(code);
}
