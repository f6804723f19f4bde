#include "windlass/base/process.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <sstream>

#include "windlass/base/error.h"
#include "windlass/base/file.h"

namespace windlass {
namespace {

// Field 22 of /proc/PID/stat; 0 when there is no such process.
std::int64_t BegunOf(std::int64_t pid) {
  std::string stat;
  try {
    stat = ReadFile(fmt::format("/proc/{}/stat", pid));
  } catch (const Error&) {
    return 0;
  }
  // The second field is the program's name in parentheses, and may hold anything.
  std::istringstream fields(stat.substr(stat.rfind(')') + 1));
  std::string field;
  for (int number = 3; number <= 22; ++number) fields >> field;
  return std::strtoll(field.c_str(), nullptr, 10);
}

}  // namespace

std::string HostName() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "unknown";
}

ProcessId ThisProcess() { return {::getpid(), BegunOf(::getpid()), HostName()}; }

bool SendSignal(const ProcessId& process, int signal) {
  if (process.host != HostName()) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("process {} runs on {}; it can be signalled there only", process.pid,
                            process.host));
  }
  if (process.pid <= 1) return false;
  const auto pid = static_cast<pid_t>(process.pid);
  // The descriptor names the process that has the number now: looked at after it was opened, that
  // is the one meant or none.
  const auto descriptor = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  const bool same = BegunOf(process.pid) == process.begun;
  int result = 0;
  if (same && descriptor >= 0) {
    result = static_cast<int>(::syscall(SYS_pidfd_send_signal, descriptor, signal, nullptr, 0));
  } else if (same) {  // a kernel or a sandbox without such descriptors
    result = ::kill(pid, signal);
  }
  const int error = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (!same || (result != 0 && error == ESRCH)) return false;
  if (result != 0) {
    throw Error(ErrorCode::kIo,
                fmt::format("cannot signal process {}: {}", pid, std::strerror(error)));
  }
  return true;
}

}  // namespace windlass
