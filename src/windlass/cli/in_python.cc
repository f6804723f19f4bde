// Engines that are written in Python, for a command that has none: it runs itself again there.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

#include "windlass/base/build_info.h"
#include "windlass/base/error.h"
#include "windlass/base/object_spec.h"
#include "windlass/base/registry.h"
#include "windlass/cli/cli.h"
#include "windlass/cluster/ray_engine.h"
#include "windlass/engine/session.h"

extern char** environ;

namespace windlass::cli {
namespace {

volatile sig_atomic_t child = 0;

void PassOn(int signal) {
  if (child > 0) ::kill(child, signal);
}

// Starts a program; `quiet` leaves its output out. Throws Error{kNotFound} when it is not there.
pid_t Start(const std::vector<std::string>& command, bool quiet) {
  std::vector<char*> arguments;
  for (const std::string& argument : command) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none;
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  if (quiet) {
    for (const int stream : {STDOUT_FILENO, STDERR_FILENO}) {
      ::posix_spawn_file_actions_addopen(&actions, stream, "/dev/null", O_WRONLY, 0);
    }
  }
  pid_t pid = 0;
  const int failure =
      ::posix_spawnp(&pid, arguments[0], &actions, &attributes, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (failure != 0) {
    throw Error(ErrorCode::kNotFound,
                fmt::format("Python cannot be started as \"{}\": {}; set WINDLASS_PYTHON to one "
                            "that has windlass",
                            command[0], std::strerror(failure)));
  }
  return pid;
}

int Wait(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

}  // namespace

std::string PythonProgram() {
  const char* chosen = std::getenv("WINDLASS_PYTHON");
  return chosen != nullptr && *chosen != '\0' ? chosen : "python3";
}

bool NeedsPython(std::string_view engine) {
  if (cluster::RayEngine::Is(engine)) return false;
  return ObjectSpec::Parse(engine, {"ray"}).name == "ray" &&
         !Registry::Global().Has<engine::Engine>("ray");
}

int RunInPython(std::string_view engine, int argc, char** argv) {
  const std::string python = PythonProgram();
  std::vector<std::string> command = {python, "-m", "windlass"};
  command.insert(command.end(), argv + 1, argv + argc);
  ::setenv("WINDLASS_COMMAND_BUILD", BuildHash(), 1);  // compared in windlass/__main__.py
  // None is lost between the start and the moment its number is known.
  sigset_t passed, before;
  ::sigemptyset(&passed);
  struct sigaction action {};
  action.sa_handler = PassOn;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
    ::sigaddset(&passed, signal);
    ::sigaction(signal, &action, nullptr);
  }
  ::sigprocmask(SIG_BLOCK, &passed, &before);
  try {
    child = Start(command, /*quiet=*/false);
  } catch (Error& error) {
    error.AddContext(fmt::format("--engine {}", engine));
    throw;
  }
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  const int status = Wait(child);
  child = 0;
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    if (signal == SIGINT) return 130;
    throw Error(ErrorCode::kUnavailable,
                fmt::format("the Python process that ran --engine {} was killed by signal {} ({}); "
                            "run the same command again: finished tasks are remembered",
                            engine, signal, ::strsignal(signal)));
  }
  const int code = WEXITSTATUS(status);
  if (code == 1 && Wait(Start({python, "-c", "import windlass._windlass"}, /*quiet=*/true)) != 0) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("--engine {} runs in Python, and \"{}\" does not import windlass; "
                            "install the wheel of Windlass {} there, or set WINDLASS_PYTHON "
                            "to a Python that has it",
                            engine, python, Version()));
  }
  return code;
}

}  // namespace windlass::cli
