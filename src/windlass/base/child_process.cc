#include "windlass/base/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "windlass/base/error.h"

namespace windlass {
namespace {

constexpr int kLookMs = 20;       // at the user's wish to stop
constexpr int kFarewellMs = 500;  // for a program whose input has ended
constexpr std::size_t kPiece = 64 * 1024;
constexpr std::size_t kErrorTail = 4096;
constexpr std::size_t kLongestLine = 300;

struct Pipe {
  int read = -1;
  int write = -1;

  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
      throw Error(ErrorCode::kIo, fmt::format("no pipe could be made: {}", std::strerror(errno)));
    }
    read = ends[0];
    write = ends[1];
  }
  ~Pipe() {
    Close(read);
    Close(write);
  }
  static void Close(int& fd) {
    if (fd >= 0) ::close(std::exchange(fd, -1));
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
};

// Everything that the child needs between fork and exec, where it may not take memory.
struct Launch {
  const char* path;
  char* const* arguments;
  int input, output, errors, report;
  pid_t parent;
};

[[noreturn]] void BecomeProgram(const Launch& launch) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != launch.parent) ::_exit(127);  // it died before that
  ::dup2(launch.input, STDIN_FILENO);
  ::dup2(launch.output, STDOUT_FILENO);
  ::dup2(launch.errors, STDERR_FILENO);
#ifdef SYS_close_range
  constexpr unsigned kCloseOnExec = 4;  // CLOSE_RANGE_CLOEXEC
  ::syscall(SYS_close_range, 3U, ~0U, kCloseOnExec);
#endif
  for (const int number : {SIGPIPE, SIGXFSZ, SIGINT, SIGTERM}) ::signal(number, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execv(launch.path, launch.arguments);
  const int why = errno;
  static_cast<void>(!::write(launch.report, &why, sizeof why));
  ::_exit(127);
}

// The thread that starts programs: the kernel kills a child when the thread that started it ends,
// so that it must be one that ends only with the process.
class Starter {
 public:
  static Starter& Global() {
    static Starter* starter = new Starter;  // never destroyed: its thread uses it
    return *starter;
  }

  // The process, or -1 with errno set.
  pid_t Start(const Launch& launch) {
    std::unique_lock lock(mutex_);
    if (!running_) {
      sigset_t all, before;
      ::sigfillset(&all);
      ::pthread_sigmask(SIG_SETMASK, &all, &before);
      try {
        std::thread([this] { Run(); }).detach();
      } catch (const std::system_error& caught) {
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
        throw Error(ErrorCode::kIo, fmt::format("the thread that starts programs could not be "
                                                "started: {}",
                                                caught.what()));
      }
      ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
      running_ = true;
    }
    changed_.wait(lock, [&] { return launch_ == nullptr && !finished_; });
    launch_ = &launch;
    changed_.notify_all();
    changed_.wait(lock, [&] { return finished_; });  // a fork takes as long as it takes
    finished_ = false;
    const pid_t pid = pid_;
    const int error = error_;
    changed_.notify_all();
    errno = error;
    return pid;
  }

 private:
  void Run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return launch_ != nullptr; });
      const Launch& launch = *launch_;
      pid_ = ::fork();
      error_ = errno;
      if (pid_ == 0) BecomeProgram(launch);
      launch_ = nullptr;
      finished_ = true;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  const Launch* launch_ = nullptr;
  bool finished_ = false;
  bool running_ = false;
  pid_t pid_ = -1;
  int error_ = 0;
};

void MakeNonBlocking(int fd) { ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK); }

// write() to a pipe whose reader may be gone: EPIPE instead of SIGPIPE.
ssize_t WriteQuietly(int fd, const char* data, std::size_t size) {
  sigset_t pipe, before, pending;
  ::sigpending(&pending);
  const bool was_pending = ::sigismember(&pending, SIGPIPE) == 1;
  ::sigemptyset(&pipe);
  ::sigaddset(&pipe, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe, &before);
  const ssize_t written = ::write(fd, data, size);
  const int error = errno;
  if (written < 0 && error == EPIPE && !was_pending) {
    const timespec now{};
    ::sigtimedwait(&pipe, nullptr, &now);
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return written;
}

// Appends what is there; says whether the writer still has its end open.
bool ReadSome(int fd, std::string& to, std::size_t most) {
  std::array<char, kPiece> piece;
  while (most > 0) {
    const ssize_t count = ::read(fd, piece.data(), std::min(piece.size(), most));
    if (count == 0) return false;
    if (count < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN || errno == EWOULDBLOCK;
    }
    to.append(piece.data(), static_cast<std::size_t>(count));
    most -= static_cast<std::size_t>(count);
  }
  return true;
}

bool IsFile(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

}  // namespace

std::vector<std::string> SplitCommand(std::string_view command) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  char quote = 0;
  for (std::size_t i = 0; i < command.size(); ++i) {
    const char c = command[i];
    if (c == '\\' && quote != '\'' && i + 1 < command.size()) {
      word += command[++i];
      in_word = true;
    } else if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else {
        word += c;
      }
    } else if (c == '\'' || c == '"') {
      quote = c;
      in_word = true;
    } else if (c == ' ' || c == '\t' || c == '\n') {
      if (in_word) words.push_back(std::exchange(word, {}));
      in_word = false;
    } else {
      word += c;
      in_word = true;
    }
  }
  if (quote != 0) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: a quote ({}) is not closed", command, quote));
  }
  if (in_word) words.push_back(std::move(word));
  return words;
}

std::string FindProgram(const std::string& name) {
  if (name.find('/') == std::string::npos) {
    const char* variable = std::getenv("PATH");
    std::string_view rest = variable == nullptr ? "/usr/bin:/bin" : variable;
    while (!name.empty()) {
      const auto end = rest.find(':');
      const std::string_view folder = rest.substr(0, end);
      const std::string path = fmt::format("{}/{}", folder.empty() ? "." : folder, name);
      if (IsFile(path) && ::access(path.c_str(), X_OK) == 0) return path;
      if (end == std::string_view::npos) break;
      rest.remove_prefix(end + 1);
    }
    throw Error(ErrorCode::kNotFound,
                fmt::format("there is no program \"{}\" in the folders of PATH{}", name,
                            IsFile(name) ? fmt::format("; the file here is ./{}", name) : ""));
  }
  std::error_code error;
  if (!std::filesystem::exists(name, error)) {
    throw Error(ErrorCode::kNotFound, fmt::format("there is no program {}", name));
  }
  if (!IsFile(name)) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} is no file; a program was expected", name));
  }
  if (::access(name.c_str(), X_OK) != 0) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} may not be executed; chmod +x makes it a program", name));
  }
  return name;
}

ChildProcess::ChildProcess(const std::string& path, const std::vector<std::string>& arguments) {
  Pipe input, output, errors, report;
  std::vector<char*> pointers;
  for (const std::string& argument : arguments) {
    pointers.push_back(const_cast<char*>(argument.c_str()));
  }
  pointers.push_back(nullptr);
  const Launch launch{path.c_str(), pointers.data(), input.read, output.write,
                      errors.write, report.write,    ::getpid()};
  pid_ = Starter::Global().Start(launch);
  if (pid_ < 0) {
    throw Error(ErrorCode::kIo,
                fmt::format("{} could not be started: {}", path, std::strerror(errno)));
  }
  ::setpgid(pid_, pid_);  // whoever is first, it or we
  Pipe::Close(report.write);
  int why = 0;
  ssize_t got = 0;
  do {
    got = ::read(report.read, &why, sizeof why);  // ends when the program begins
  } while (got < 0 && errno == EINTR);
  if (got == sizeof why) {
    ::waitpid(pid_, nullptr, 0);
    if (why == ENOEXEC) {
      throw Error(
          ErrorCode::kInvalidInput,
          fmt::format("{} is no program: a script begins with #! and its interpreter", path));
    }
    throw Error(
        why == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo,
        fmt::format("{} could not be started: {}{}", path, std::strerror(why),
                    why == ENOENT ? " (its interpreter, in the line that begins with #!)" : ""));
  }
  input_ = std::exchange(input.write, -1);
  output_ = std::exchange(output.read, -1);
  errors_ = std::exchange(errors.read, -1);
  for (const int fd : {input_, output_, errors_}) MakeNonBlocking(fd);
}

ChildProcess::~ChildProcess() {
  Pipe::Close(input_);
  if (!HasEnded(kFarewellMs)) Kill();
  ReadErrors();
  // What it may have started itself goes too. The group's number is its own until it is waited for.
  ::kill(-pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  for (int* fd : {&output_, &errors_}) Pipe::Close(*fd);
}

void ChildProcess::Interrupt() { ::kill(-pid_, SIGINT); }

void ChildProcess::Kill() {
  ::kill(-pid_, SIGKILL);
  ::kill(pid_, SIGKILL);
}

bool ChildProcess::HasEnded(int wait_ms) {
  const Deadline deadline = Clock::now() + std::chrono::milliseconds(wait_ms);
  for (;;) {
    siginfo_t info{};
    if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        info.si_pid == pid_) {
      exited_ = info.si_code == CLD_EXITED;
      status_ = info.si_status;
      return true;
    }
    if (Clock::now() >= deadline) return false;
    // Whatever it still says must not keep it from ending.
    std::string rest;
    if (output_ >= 0) ReadSome(output_, rest, kPiece);
    ReadErrors();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void ChildProcess::Write(std::string bytes) {
  if (sent_ == unsent_.size()) {
    unsent_ = std::move(bytes);
    sent_ = 0;
  } else {
    unsent_ += bytes;
  }
}

void ChildProcess::CloseInput() {
  no_more_input_ = true;
  if (sent_ == unsent_.size()) Pipe::Close(input_);
}

void ChildProcess::ReadErrors() {
  if (errors_ < 0) return;
  std::string more;
  const bool open = ReadSome(errors_, more, kPiece);
  if (on_error_line_) {
    error_line_ += more;
    std::size_t begin = 0;
    for (std::size_t end; (end = error_line_.find('\n', begin)) != std::string::npos;) {
      on_error_line_(std::string_view(error_line_).substr(begin, end - begin));
      begin = end + 1;
    }
    error_line_.erase(0, begin);
    if (!error_line_.empty() && (!open || error_line_.size() > kPiece)) {
      on_error_line_(std::exchange(error_line_, {}));
    }
  }
  error_tail_ += more;
  if (error_tail_.size() > kErrorTail) error_tail_.erase(0, error_tail_.size() - kErrorTail);
  if (!open) Pipe::Close(errors_);
}

// One step: waits until there is something to do and does it.
void ChildProcess::Pump(std::size_t wanted, int wait_ms) {
  std::array<pollfd, 3> files{};
  files[0] = {sent_ < unsent_.size() ? input_ : -1, POLLOUT, 0};
  files[1] = {received_.size() < wanted ? output_ : -1, POLLIN, 0};
  files[2] = {errors_, POLLIN, 0};
  if (::poll(files.data(), files.size(), wait_ms) <= 0) return;
  if (files[0].revents != 0) {
    const ssize_t count =
        WriteQuietly(input_, unsent_.data() + sent_, std::min(unsent_.size() - sent_, kPiece));
    if (count > 0) sent_ += static_cast<std::size_t>(count);
    if (count < 0 && errno != EAGAIN && errno != EINTR) {
      Pipe::Close(input_);  // it has closed its input; its output says what that means
      sent_ = unsent_.size();
    }
    if (no_more_input_ && sent_ == unsent_.size()) Pipe::Close(input_);
  }
  if (files[1].revents != 0 && !ReadSome(output_, received_, wanted - received_.size())) {
    Pipe::Close(output_);
  }
  if (files[2].revents != 0) ReadErrors();
}

bool ChildProcess::Read(std::size_t count, std::string& to, Deadline deadline,
                        const std::function<bool()>& cancelled) {
  while (received_.size() < count && output_ >= 0) {
    if (cancelled()) throw Error(ErrorCode::kCancelled, "interrupted");
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) throw Error(ErrorCode::kDeadlineExceeded, "no answer in time");
    Pump(count, static_cast<int>(std::min<std::int64_t>(left, kLookMs)));
  }
  if (received_.size() < count) return false;
  to.assign(received_, 0, count);
  received_.erase(0, count);
  return true;
}

std::string ChildProcess::ReadAll(std::size_t most, Deadline deadline,
                                  const std::function<bool()>& cancelled) {
  std::string all;
  if (Read(most + 1, all, deadline, cancelled)) {
    throw Error(ErrorCode::kCorrupt, fmt::format("its output is longer than {} bytes", most));
  }
  return std::exchange(received_, {});
}

int ChildProcess::Wait(Deadline deadline, const std::function<bool()>& cancelled) {
  while (!HasEnded(kLookMs)) {
    if (cancelled()) throw Error(ErrorCode::kCancelled, "interrupted");
    if (Clock::now() >= deadline) throw Error(ErrorCode::kDeadlineExceeded, "no end in time");
  }
  ReadErrors();
  return exited_ ? status_ : 128 + status_;
}

std::string ChildProcess::Peek(std::size_t most) {
  if (received_.size() < most && output_ >= 0) Pump(most, kLookMs);
  return received_.substr(0, most);
}

std::string ChildProcess::LastErrorLine() const {
  std::string_view text = error_tail_;
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.remove_suffix(1);
  const auto begin = text.rfind('\n');
  if (begin != std::string_view::npos) text.remove_prefix(begin + 1);
  std::string line;
  for (const unsigned char c : text.substr(0, kLongestLine)) {
    line += c >= ' ' && c < 0x7f ? static_cast<char>(c) : '?';
  }
  return line;
}

std::string ChildProcess::Ending() {
  std::string how = "it closed its standard output, but still runs";
  if (HasEnded(kFarewellMs)) {
    how = exited_ ? fmt::format("it exited with status {}", status_)
                  : fmt::format("it was killed by signal {} ({})", status_, ::strsignal(status_));
  }
  ReadErrors();
  const std::string line = LastErrorLine();
  return line.empty() ? how : fmt::format("{}, saying: {}", how, line);
}

}  // namespace windlass
