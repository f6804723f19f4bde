#include "windlass/job/detach.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "windlass/base/error.h"
#include "windlass/base/log.h"
#include "windlass/job/local_jobs.h"
#include "windlass/store/store.h"

namespace windlass::job {
namespace {

constexpr int kLockDescriptor = 3;  // in the program that was started
constexpr auto kStartTime = std::chrono::seconds(60);
constexpr auto kProgressTime = std::chrono::seconds(1);

int OpenFor(const std::filesystem::path& path, int flags) {
  // Above those that the program will have, so that none is overwritten before it was used.
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  const int high = fd < 0 ? -1 : ::fcntl(fd, F_DUPFD_CLOEXEC, kLockDescriptor + 1);
  const int error = errno;
  if (fd >= 0) ::close(fd);
  if (high < 0) {
    throw Error(ErrorCode::kIo,
                fmt::format("cannot open {}: {}", path.string(), std::strerror(error)));
  }
  return high;
}

// Everything between fork and exec, where no memory may be taken.
[[noreturn]] void BecomeProgram(char* const* arguments, int input, int log, int lock) {
  ::setsid();
  ::dup2(lock, kLockDescriptor);
  ::fcntl(kLockDescriptor, F_SETFD, 0);  // dup2 of a descriptor onto itself leaves its flags
  ::dup2(input, STDIN_FILENO);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
#ifdef SYS_close_range
  constexpr unsigned kCloseOnExec = 4;  // CLOSE_RANGE_CLOEXEC
  ::syscall(SYS_close_range, kLockDescriptor + 1U, ~0U, kCloseOnExec);
#endif
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execv("/proc/self/exe", arguments);
  ::_exit(127);
}

void StartProgram(std::vector<std::string> arguments, const JobRecord& record) {
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  const int input = OpenFor("/dev/null", O_RDONLY);
  const int log = OpenFor(record.log_path(), O_WRONLY | O_APPEND | O_CREAT);
  const pid_t pid = ::fork();
  const int error = errno;
  if (pid == 0) BecomeProgram(pointers.data(), input, log, record.lock());
  ::close(input);
  ::close(log);
  if (pid < 0) {
    throw Error(ErrorCode::kIo, fmt::format("no process for job {} could be started: {}",
                                            record.id(), std::strerror(error)));
  }
}

std::string HowItEnded(int status) {
  if (!WIFSIGNALED(status)) return fmt::format("ended with status {}", WEXITSTATUS(status));
  const int signal = WTERMSIG(status);
  const char* name = ::sigabbrev_np(signal);
  return fmt::format("was killed by SIG{}{}", name != nullptr ? name : std::to_string(signal),
                     signal == SIGKILL ? " (out of memory?)" : "");
}

// Passes signals on to the process that runs the job, until it has ended.
[[noreturn]] void WatchOver(pid_t worker, JobRecord& record, const sigset_t& signals) {
  int status = 0;
  for (;;) {
    const int signal = ::sigwaitinfo(&signals, nullptr);
    if (signal == SIGCHLD) {
      if (::waitpid(worker, &status, WNOHANG) == worker) break;
    } else if (signal > 0) {
      ::kill(worker, signal == SIGHUP ? SIGTERM : signal);
    }
  }
  int code = 1;
  try {
    record.NoteDeath(HowItEnded(status));
    code = record.info().exit_code();
  } catch (const Error& error) {  // a full disk: who looks sees that the lock is free
    Log(LogLevel::kError, fmt::format("the job's record cannot be written: {}", error.what()));
  }
  std::_Exit(code);
}

}  // namespace

JobInfo Detach(const Json& spec, std::string_view what, const RunOptions& options,
               std::vector<std::string> arguments) {
  const std::filesystem::path home = store::HomeFolder();
  std::string id;
  {
    const auto record = JobRecord::Begin(home, NewJob(spec, what, options));
    id = record->id();
    arguments.push_back(id);
    try {
      StartProgram(std::move(arguments), *record);
    } catch (const Error& error) {
      record->Fail(error);
      throw;
    }
  }  // the lock is the other process's now
  LocalJobs jobs(home);
  const Deadline start = Clock::now() + kStartTime;
  Deadline progress = Deadline::max();
  JobInfo info = jobs.Find(id);
  for (; !info.ended() && info.unit.empty() && Clock::now() < progress; info = jobs.Find(id)) {
    if (ProcessCancelToken().cancelled()) {
      jobs.RequestStop(id, /*force=*/false);
      throw Error(ErrorCode::kCancelled, "interrupted");
    }
    if (info.state == JobState::kRunning) {
      progress = std::min(progress, Clock::now() + kProgressTime);
    } else if (Clock::now() > start) {
      throw Error(ErrorCode::kDeadlineExceeded,
                  fmt::format("job {} has not begun within {} s; windlass job show {} says what "
                              "became of it",
                              id, kStartTime.count(), id));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  if (info.ended() && info.exit_code() != 0) {
    const ErrorCode code = info.exit_code() == 2     ? ErrorCode::kInvalidInput
                           : info.exit_code() == 130 ? ErrorCode::kCancelled
                                                     : ErrorCode::kIo;
    throw Error(code, fmt::format("job {}: {}", id, info.error));
  }
  return info;
}

std::shared_ptr<JobRecord> BecomeDetached(std::string_view id) {
  std::shared_ptr<JobRecord> record = JobRecord::Inherit(store::HomeFolder(), id, kLockDescriptor);
  SetConsoleLogLevel(LogLevel::kNone);  // standard error is the log as well
  ::prctl(PR_SET_NAME, "windlass");     // else "exe", from /proc/self/exe
  sigset_t signals, before;
  ::sigemptyset(&signals);
  for (const int signal : {SIGCHLD, SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&signals, signal);
  ::sigprocmask(SIG_BLOCK, &signals, &before);
  const pid_t worker = ::fork();
  if (worker > 0) WatchOver(worker, *record, signals);
  const int error = errno;
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  if (worker < 0) {
    const Error failure(ErrorCode::kIo, fmt::format("no process for job {} could be started: {}",
                                                    id, std::strerror(error)));
    record->Fail(failure);
    throw failure;
  }
  return record;
}

}  // namespace windlass::job
