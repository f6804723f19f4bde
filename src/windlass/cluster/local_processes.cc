#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <thread>

#include "windlass/base/descriptor.h"
#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/cluster/local_processes_internal.h"

extern char** environ;

namespace windlass::cluster {
namespace {

constexpr const char* kMarkName = "WINDLASS_CLUSTER_NODE=";
constexpr auto kLookAgain = std::chrono::milliseconds(50);

// A descriptor that is closed.
struct Stat {
  bool ended = false;  // a zombie
  std::int64_t session = 0;
  std::int64_t begun = 0;
};

// proc(5), /proc/PID/stat; nothing when there is no such process.
std::optional<Stat> StatOf(std::int64_t pid) {
  std::string text;
  try {
    text = ReadFile(fmt::format("/proc/{}/stat", pid));
  } catch (const Error&) {
    return std::nullopt;
  }
  // The second field is the program's name in parentheses, and may hold anything.
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string state;
  std::int64_t skipped = 0;
  Stat stat;
  fields >> state >> skipped >> skipped >> stat.session;
  for (int number = 7; number <= 21; ++number) fields >> skipped;
  fields >> stat.begun;
  if (!fields) return std::nullopt;
  stat.ended = state == "Z" || state == "X";
  return stat;
}

// Empty when it has none, or is not ours to look into.
std::string MarkOf(std::int64_t pid) {
  std::string text;
  try {
    text = ReadFile(fmt::format("/proc/{}/environ", pid));
  } catch (const Error&) {
    return "";
  }
  text.insert(text.begin(), '\0');
  const std::string name = std::string(1, '\0') + kMarkName;
  const auto at = text.find(name);
  if (at == text.npos) return "";
  const auto begin = at + name.size();
  return text.substr(begin, text.find('\0', begin) - begin);
}

std::vector<std::int64_t> AllPids() {
  std::vector<std::int64_t> pids;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc"), ::closedir);
  if (folder == nullptr) throw Error(ErrorCode::kIo, "cannot read /proc");
  while (const dirent* entry = ::readdir(folder.get())) {
    const std::string_view name = entry->d_name;
    if (name.find_first_not_of("0123456789") == name.npos) pids.push_back(std::atoll(name.data()));
  }
  return pids;
}

[[noreturn]] void ThrowIo(std::string_view doing) {
  throw Error(ErrorCode::kIo, fmt::format("cannot {}: {}", doing, std::strerror(errno)));
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> EnvironmentOf(const Program& program) {
  std::vector<std::string> environment = program.environment;
  environment.push_back(kMarkName + program.mark);
  std::set<std::string_view> names;
  const auto name_of = [](std::string_view entry) { return entry.substr(0, entry.find('=')); };
  for (const std::string& entry : environment) names.insert(name_of(entry));
  std::vector<std::string> all(environment);
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!names.contains(name_of(*entry))) all.emplace_back(*entry);
  }
  return all;
}

// Everything between fork and exec, where no memory may be taken. Writes errno to `told` when the
// program cannot be executed.
[[noreturn]] void BecomeProgram(char* const* arguments, char* const* environment, int input,
                                int log, int gate, int told) {
  ::setsid();
  char go = 0;
  while (::read(gate, &go, 1) < 0 && errno == EINTR) {
  }
  if (go != 'g') ::_exit(127);  // who started us is gone, or changed its mind
  ::dup2(input, STDIN_FILENO);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE}) {
    ::sigaction(signal, &standard, nullptr);
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(arguments[0], arguments, environment);
  const int error = errno;
  [[maybe_unused]] const auto wrote = ::write(told, &error, sizeof error);
  ::_exit(127);
}

// Above the standard streams, so that none is overwritten before it was used.
int Open(const std::filesystem::path& path, int flags) {
  const Descriptor low(::open(path.c_str(), flags | O_CLOEXEC, 0600));
  const int high = low.get() < 0 ? -1 : ::fcntl(low.get(), F_DUPFD_CLOEXEC, 3);
  if (high < 0) ThrowIo(fmt::format("open {}", path.string()));
  return high;
}

struct Pipe {
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) ThrowIo("make a pipe");
    from = std::make_unique<Descriptor>(ends[0]);
    to = std::make_unique<Descriptor>(ends[1]);
  }
  std::unique_ptr<Descriptor> from, to;
};

// A listener is not made: the address is only taken, and given back when the result goes.
std::unique_ptr<Descriptor> Bind(const std::string& address, int port, int& got) {
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(static_cast<std::uint16_t>(port));
  v6.sin6_family = AF_INET6;
  v6.sin6_port = v4.sin_port;
  const bool is_v4 = ::inet_pton(AF_INET, address.c_str(), &v4.sin_addr) == 1;
  if (!is_v4 && ::inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr) != 1) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("\"{}\" is no address to listen at; 127.0.0.1 is this machine alone, "
                            "0.0.0.0 everywhere",
                            address));
  }
  auto socket = std::make_unique<Descriptor>(
      ::socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (socket->get() < 0) ThrowIo("make a socket");
  const int yes = 1;  // ports of connections that ended lately are free
  ::setsockopt(socket->get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  auto* where = is_v4 ? reinterpret_cast<sockaddr*>(&v4) : reinterpret_cast<sockaddr*>(&v6);
  socklen_t size = is_v4 ? sizeof v4 : sizeof v6;
  if (::bind(socket->get(), where, size) != 0) {
    if (errno == EADDRNOTAVAIL) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{} is no address of this machine", address));
    }
    return nullptr;
  }
  if (::getsockname(socket->get(), where, &size) != 0) ThrowIo("ask for a socket's port");
  got = ntohs(is_v4 ? v4.sin_port : v6.sin6_port);
  return socket;
}

}  // namespace

bool IsRunning(const ProcessId& process) {
  if (process.pid <= 1) return false;
  const auto stat = StatOf(process.pid);
  if (!stat || stat->begun != process.begun) return false;
  if (!stat->ended) return true;
  ::waitpid(static_cast<pid_t>(process.pid), nullptr, WNOHANG);
  return false;
}

std::vector<ProcessId> MembersOf(const std::vector<Session>& sessions) {
  struct Seen {
    ProcessId process;
    std::int64_t session;
    bool marked;
  };
  std::vector<Seen> all;
  std::set<std::int64_t> owned;
  const std::string host = HostName();
  for (const Session& session : sessions) {
    if (IsRunning(session.leader)) owned.insert(session.leader.pid);
  }
  for (const std::int64_t pid : AllPids()) {
    if (pid == ::getpid()) continue;
    const auto stat = StatOf(pid);
    if (!stat || stat->ended) continue;
    const std::string mark = MarkOf(pid);
    const bool marked =
        !mark.empty() && std::ranges::find(sessions, mark, &Session::mark) != sessions.end();
    // A session's number is no other's as long as it has a process: one with the mark makes the
    // whole session known, also when its leader is gone.
    const bool in_one = std::ranges::any_of(
        sessions, [&](const Session& session) { return session.leader.pid == stat->session; });
    if (marked && in_one) owned.insert(stat->session);
    if (marked || in_one) all.push_back({{pid, stat->begun, host}, stat->session, marked});
  }
  std::vector<ProcessId> members;
  for (const Seen& seen : all) {
    if (seen.marked || owned.contains(seen.session)) members.push_back(seen.process);
  }
  return members;
}

ProcessId StartSession(const Program& program, const std::function<void(const ProcessId&)>& note) {
  std::vector<std::string> arguments = program.arguments;
  std::vector<std::string> environment = EnvironmentOf(program);
  const std::vector<char*> argument_pointers = Pointers(arguments);
  const std::vector<char*> environment_pointers = Pointers(environment);
  const Descriptor input(Open("/dev/null", O_RDONLY));
  const Descriptor log(Open(program.log, O_WRONLY | O_APPEND | O_CREAT));
  Pipe gate, told;
  const pid_t pid = ::fork();
  if (pid == 0) {
    // Else its own end would keep the gate open when this process dies.
    ::close(gate.to->get());
    BecomeProgram(argument_pointers.data(), environment_pointers.data(), input.get(), log.get(),
                  gate.from->get(), told.to->get());
  }
  if (pid < 0) ThrowIo(fmt::format("start {}", program.arguments[0]));
  told.to.reset();
  const auto stat = StatOf(pid);
  const ProcessId process{pid, stat ? stat->begun : 0, HostName()};
  try {
    note(process);
  } catch (...) {
    gate.to.reset();
    ::waitpid(pid, nullptr, 0);
    throw;
  }
  if (::write(gate.to->get(), "g", 1) != 1) ThrowIo(fmt::format("start {}", program.arguments[0]));
  int error = 0;
  if (::read(told.from->get(), &error, sizeof error) == sizeof error) {
    ::waitpid(pid, nullptr, 0);
    errno = error;
    ThrowIo(fmt::format("start {}", program.arguments[0]));
  }
  return process;
}

void EndSessions(const std::vector<Session>& sessions, bool leaders_only,
                 std::chrono::seconds grace, Deadline deadline) {
  const Deadline patience = std::min(deadline, Clock::now() + grace);
  std::map<std::int64_t, ProcessId> known;  // also when no mark shows any more whose they are
  bool asked_leaders = !leaders_only;
  bool asked_all = false;
  const auto leads = [&sessions](const ProcessId& process) {
    return std::ranges::any_of(sessions, [&](const Session& one) {
      return one.leader.pid == process.pid && one.leader.begun == process.begun;
    });
  };
  for (;;) {
    for (const ProcessId& member : MembersOf(sessions)) known[member.pid] = member;
    std::erase_if(known, [](const auto& entry) { return !IsRunning(entry.second); });
    if (known.empty()) return;
    const bool has_leader =
        std::ranges::any_of(known, [&](const auto& entry) { return leads(entry.second); });
    const bool kill = Clock::now() > patience;
    // Those that a leader leaves behind are asked themselves.
    const bool ask_all = !asked_all && (!leaders_only || !has_leader);
    if (kill || ask_all || !asked_leaders) {
      for (const auto& [pid, process] : known) {
        if (kill || ask_all || leads(process)) SendSignal(process, kill ? SIGKILL : SIGTERM);
      }
      asked_leaders = true;
      asked_all = asked_all || ask_all;
    }
    if (Clock::now() > deadline + kLookAgain * 20) {
      std::vector<std::int64_t> pids;
      for (const auto& [pid, process] : known) pids.push_back(pid);
      throw Error(
          ErrorCode::kDeadlineExceeded,
          fmt::format("processes do not end, though they were killed: {}", fmt::join(pids, ", ")));
    }
    std::this_thread::sleep_for(kLookAgain);
  }
}

std::string BootId() {
  try {
    std::string text = ReadFile("/proc/sys/kernel/random/boot_id");
    text.resize(std::min(text.size(), text.find('\n')));
    return text;
  } catch (const Error&) {
    return "";  // a sandbox that hides it
  }
}

int FreePort(const std::string& address, int wanted, int more, const std::set<int>& taken) {
  for (int port = wanted; port <= std::min(wanted + more, 65535); ++port) {
    int got = 0;
    if (!taken.contains(port) && Bind(address, port, got) != nullptr) return got;
  }
  return 0;
}

std::vector<int> FreePorts(std::size_t count) {
  std::vector<std::unique_ptr<Descriptor>> held;  // else the same one would come again
  std::vector<int> ports(count);
  for (int& port : ports) {
    held.push_back(Bind("0.0.0.0", 0, port));
    if (held.back() == nullptr) throw Error(ErrorCode::kIo, "no port of TCP is free");
  }
  return ports;
}

}  // namespace windlass::cluster
