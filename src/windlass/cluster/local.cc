#include "windlass/cluster/local.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/base/log.h"
#include "windlass/cluster/local_processes_internal.h"
#include "windlass/cluster/local_ray_internal.h"
#include "windlass/cluster/local_record_internal.h"
#include "windlass/cluster/quantity.h"

namespace windlass::cluster {
namespace {

namespace fs = std::filesystem;

// Held while a cluster is changed. Its file is gone with the cluster.
class LocalLock {
 public:
  LocalLock(fs::path path, const std::function<bool()>& cancelled, Deadline deadline,
            const Say& say)
      : path_(std::move(path)) {
    for (bool said = false; !TryTake(); said = true) {
      if (!said) say("waits for another command that changes the same cluster");
      if (cancelled()) throw Error(ErrorCode::kCancelled, "interrupted");
      if (Clock::now() > deadline) {
        throw Error(ErrorCode::kDeadlineExceeded,
                    "another command still changes the same cluster; see what runs by \"ps\"");
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }
  ~LocalLock() { ::close(fd_); }
  LocalLock(const LocalLock&) = delete;
  LocalLock& operator=(const LocalLock&) = delete;

  void RemoveFile() const { ::unlink(path_.c_str()); }

 private:
  bool TryTake() {
    fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd_ < 0) {
      throw Error(ErrorCode::kIo,
                  fmt::format("cannot open {}: {}", path_.string(), std::strerror(errno)));
    }
    struct stat status {};
    // The one who held it before may have removed the file.
    if (::flock(fd_, LOCK_EX | LOCK_NB) == 0 && ::fstat(fd_, &status) == 0 && status.st_nlink > 0) {
      return true;
    }
    ::close(fd_);
    return false;
  }

  fs::path path_;
  int fd_ = -1;
};

// Held for a moment, by one process of all that start nodes.
class FolderLock {
 public:
  explicit FolderLock(const fs::path& folder)
      : fd_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    while (fd_ >= 0 && ::flock(fd_, LOCK_EX) != 0 && errno == EINTR) {
    }
  }
  ~FolderLock() {
    if (fd_ >= 0) ::close(fd_);
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int fd_;
};

constexpr int kFirstDashboardPort = 8265;
constexpr int kRayPort = 6379;
constexpr int kMorePorts = 100;  // tried after these
// On a busy machine a node gives up when its agent needs more than 15 s, which no setting changes;
// and a port may be taken between its choice and its use.
constexpr int kStartAttempts = 6;
constexpr auto kTick = std::chrono::milliseconds(100);
constexpr auto kDrain = std::chrono::seconds(20);  // for tasks of a worker that is taken away
constexpr auto kGrace = std::chrono::seconds(5);
constexpr auto kCleanUp = std::chrono::seconds(30);
constexpr auto kAskRay = std::chrono::seconds(30);
constexpr std::int64_t kLeastMemory = std::int64_t{256} << 20;
// Ray's own share for objects, ray_constants.DEFAULT_OBJECT_STORE_MEMORY_PROPORTION, and least.
constexpr double kObjectShare = 0.3;
constexpr double kLeastObjects = 80e6;
// Paths of sockets have at most 107 bytes, of which Ray's own part takes about 75.
constexpr std::size_t kLongestTemp = 12;
constexpr const char* kTempName = "windlass-ray-";
constexpr std::string_view kStarted = "Ray runtime started";
constexpr std::string_view kGivenUp = "node timed out during startup";

void ThrowIfCancelled(const std::function<bool()>& cancelled) {
  if (cancelled()) throw Error(ErrorCode::kCancelled, "interrupted");
}

int WholeCpus(const std::string& text, const char* flag) {
  const std::int64_t millis = ParseCpu(text, flag);
  if (millis % 1000 != 0) {
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("{} {}: a node on this machine has a whole number of CPUs", flag, text));
  }
  return static_cast<int>(millis / 1000);
}

std::int64_t EnoughMemory(const std::string& text, const char* flag) {
  const std::int64_t bytes = ParseMemory(text, flag);
  if (bytes < kLeastMemory) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("{} {}: a node of Ray needs at least {}",
                                                      flag, text, MemoryText(kLeastMemory)));
  }
  return bytes;
}

int WorkersOf(const WorkerCount& count) {
  if (count.autoscaled) {
    throw Error(ErrorCode::kInvalidInput,
                "--workers MIN:MAX needs an autoscaler, which a cluster on this machine does not "
                "have: give a number");
  }
  return count.most;
}

// What is given and differs from what runs, in words.
std::vector<std::string> Differences(const LocalRecord& record, const LocalFlags& flags) {
  std::vector<std::string> found;
  const auto note = [&found](const char* flag, const std::string& given, const std::string& has) {
    found.push_back(fmt::format("{} is {} there, not {}", flag, has, given));
  };
  const ClusterFlags& sizes = flags.sizes;
  const auto cpus = [&](const char* flag, const std::string& text, int has) {
    if (!text.empty() && WholeCpus(text, flag) != has) {
      note(flag, text, has == 0 ? "all of the machine's" : std::to_string(has));
    }
  };
  const auto memory = [&](const char* flag, const std::string& text, std::int64_t has) {
    if (!text.empty() && EnoughMemory(text, flag) != has) {
      note(flag, text, has == 0 ? "as Ray decides" : MemoryText(has));
    }
  };
  cpus("--head-cpu", sizes.head_cpu, record.head.cpus);
  memory("--head-memory", sizes.head_memory, record.head.memory);
  cpus("--worker-cpu", sizes.worker_cpu, record.worker.cpus);
  memory("--worker-memory", sizes.worker_memory, record.worker.memory);
  if (!sizes.ray_version.empty() && sizes.ray_version != record.ray_version) {
    note("--ray-version", sizes.ray_version, record.ray_version);
  }
  if (!sizes.python.empty() && !IsVersion(record.python_version, sizes.python)) {
    note("--python", sizes.python, record.python_version);
  }
  if (!flags.address.empty() && flags.address != record.dashboard_host) {
    note("--address", flags.address, record.dashboard_host);
  }
  if (flags.dashboard_port != 0 && flags.dashboard_port != record.dashboard_port) {
    note("--port", std::to_string(flags.dashboard_port), std::to_string(record.dashboard_port));
  }
  return found;
}

// Ray's folder: of this user alone, with a short name.
std::string MakeTemp() {
  std::string parent = fs::temp_directory_path().string();
  if (parent.size() > kLongestTemp) parent = "/tmp";
  std::string form = parent + "/" + kTempName + "XXXXXX";
  if (::mkdtemp(form.data()) == nullptr) {
    throw Error(ErrorCode::kIo,
                fmt::format("cannot make a folder {}: {}", form, std::strerror(errno)));
  }
  return form;
}

std::string TimeNow() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

std::vector<Session> SessionsOf(const std::vector<LocalNode>& nodes) {
  std::vector<Session> sessions;
  for (const LocalNode& node : nodes) sessions.push_back(node.session);
  return sessions;
}

// Settings that a user has made stay.
std::vector<std::string> NodeEnvironment() {
  std::vector<std::string> environment;
  for (const auto& [name, value] : {std::pair{"RAY_USAGE_STATS_ENABLED", "0"},
                                    // Ray's own patience is too little where the machine is busy
                                    // with more than this.
                                    std::pair{"RAY_agent_register_timeout_ms", "60000"}}) {
    if (std::getenv(name) == nullptr) environment.push_back(fmt::format("{}={}", name, value));
  }
  return environment;
}

std::string WorkerName(const LocalRecord& record, int number) {
  return fmt::format("{}-worker-{}", record.name, number);
}

// Processes of before the machine's last start, whose numbers may be those of others now.
void ForgetBefore(LocalRecord& record) {
  if (record.boot == BootId()) return;
  for (LocalNode& node : record.nodes) node.session.leader = {0, 0, record.host};
}

// Whether a log has these words after `offset`.
bool Says(const fs::path& log, std::uintmax_t offset, std::string_view words) {
  std::ifstream file(log);
  file.seekg(static_cast<std::streamoff>(offset));
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  return text.find(words) != text.npos;
}

}  // namespace

LocalClusters::LocalClusters(const fs::path& home, std::string python,
                             std::function<bool()> cancelled)
    : folder_(home / "clusters"), python_(std::move(python)), cancelled_(std::move(cancelled)) {}

fs::path LocalClusters::RecordPath(const std::string& name) const {
  return folder_ / (name + ".json");
}

fs::path LocalClusters::LogPath(const LocalRecord& record, const LocalNode& node) const {
  return folder_ / record.name / (node.name + ".log");
}

bool LocalClusters::Has(const std::string& name) const {
  CheckClusterName(name);
  std::error_code none;
  return fs::exists(RecordPath(name), none);
}

LocalRecord LocalClusters::Load(const std::string& name) const {
  if (!Has(name)) {
    std::vector<std::string> names;
    for (const ClusterInfo& cluster : List()) names.push_back(cluster.name);
    throw Error(ErrorCode::kNotFound, fmt::format("there is no cluster \"{}\" on this machine{}",
                                                  name, Suggestion(name, names)));
  }
  const fs::path path = RecordPath(name);
  LocalRecord record = LocalRecord::FromJson(ReadFile(path), path.string());
  if (record.host != HostName()) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("cluster {} runs on {}, whose processes are out of reach from here; "
                            "where that machine is gone, remove {}",
                            name, record.host, path.string()));
  }
  ForgetBefore(record);
  return record;
}

void LocalClusters::Save(const LocalRecord& record) const {
  WriteFileAtomically(RecordPath(record.name), record.ToJson().dump(2) + "\n");
}

LocalRecord LocalClusters::Create(const std::string& name, const LocalFlags& flags,
                                  const Say& say) const {
  LocalRecord record;
  const ClusterFlags& sizes = flags.sizes;
  record.name = name;
  record.created = TimeNow();
  record.host = HostName();
  record.boot = BootId();
  if (!sizes.head_cpu.empty()) record.head.cpus = WholeCpus(sizes.head_cpu, "--head-cpu");
  if (!sizes.head_memory.empty()) {
    record.head.memory = EnoughMemory(sizes.head_memory, "--head-memory");
  }
  record.worker.cpus = sizes.worker_cpu.empty() ? 1 : WholeCpus(sizes.worker_cpu, "--worker-cpu");
  record.worker.memory =
      EnoughMemory(sizes.worker_memory.empty() ? "2Gi" : sizes.worker_memory, "--worker-memory");
  if (!sizes.workers.empty()) record.workers = WorkersOf(ParseWorkers(sizes.workers, "--workers"));
  record.dashboard_host = flags.address.empty() ? "127.0.0.1" : flags.address;
  record.dashboard_port = flags.dashboard_port == 0 ? kFirstDashboardPort : flags.dashboard_port;
  const int more = flags.dashboard_port == 0 ? kMorePorts : 0;
  if (FreePort(record.dashboard_host, record.dashboard_port, more) == 0) {
    throw Error(ErrorCode::kIo,
                fmt::format("port {}{} is in use on this machine; choose one for the dashboard by "
                            "--port",
                            record.dashboard_port,
                            more == 0 ? "" : fmt::format(" and the {} after it", more)));
  }
  const FoundRay ray = FindRay(python_, sizes, cancelled_);
  record.python = ray.python;
  record.python_version = ray.python_version;
  record.ray_version = ray.ray_version;
  record.has_dashboard = ray.has_dashboard;
  if (!ray.has_dashboard) {
    say(fmt::format("without dashboard and Jobs API: {} ({} -m pip install \"ray[default]=={}\")",
                    ray.no_dashboard, ray.python, ray.ray_version));
  }
  const int cpus =
      (record.head.cpus != 0 ? record.head.cpus : ray.cpus) + record.workers * record.worker.cpus;
  if (ray.cpus != 0 && cpus > ray.cpus) {
    say(fmt::format("the nodes have {} CPUs together, this machine {}: tasks will share them", cpus,
                    ray.cpus));
  }
  record.temp = MakeTemp();
  return record;
}

// Ray takes a port seconds after it was chosen, and a head that finds another's at its own would
// talk to that one.
std::set<int> LocalClusters::PortsOfOthers(const std::string& name) const {
  std::set<int> ports;
  for (const LocalRecord& record : Records()) {
    if (record.name == name) continue;
    ports.insert(record.port);
    if (record.has_dashboard) ports.insert(record.dashboard_port);
  }
  return ports;
}

std::vector<std::string> LocalClusters::Command(LocalRecord& record, const LocalNode& node) const {
  // Nodes of one machine must not choose the same ports; where Ray can take any, it does (0).
  const auto ports = FreePorts(5);
  std::vector<std::string> command = {record.python,
                                      "-m",
                                      "ray.scripts.scripts",
                                      "start",
                                      "--block",
                                      "--log-color=false",
                                      "--node-name=" + node.name,
                                      "--min-worker-port=0",
                                      "--max-worker-port=0",
                                      fmt::format("--dashboard-agent-listen-port={}", ports[0]),
                                      fmt::format("--dashboard-agent-grpc-port={}", ports[1]),
                                      fmt::format("--metrics-export-port={}", ports[2]),
                                      fmt::format("--runtime-env-agent-port={}", ports[3])};
  const NodeSize& size = node.is_head ? record.head : record.worker;
  if (size.cpus != 0) command.push_back(fmt::format("--num-cpus={}", size.cpus));
  if (size.memory != 0) {
    const auto objects = static_cast<std::int64_t>(
        std::max(kObjectShare * static_cast<double>(size.memory), kLeastObjects));
    command.push_back(fmt::format("--memory={}", size.memory - objects));
    command.push_back(fmt::format("--object-store-memory={}", objects));
  }
  if (!node.is_head) {
    command.push_back(fmt::format("--address=127.0.0.1:{}", record.port));
    return command;
  }
  // The head's own are chosen again each time, as long as no one knows them.
  const std::set<int> taken = PortsOfOthers(record.name);
  record.port = FreePort("0.0.0.0", kRayPort, kMorePorts, taken);
  if (record.port == 0) record.port = FreePorts(1)[0];
  command.insert(command.end(),
                 {"--head", fmt::format("--port={}", record.port), "--temp-dir=" + record.temp});
  if (record.has_dashboard) {
    const int port = FreePort(record.dashboard_host, record.dashboard_port, kMorePorts, taken);
    if (port != 0) record.dashboard_port = port;
    command.insert(command.end(),
                   {"--include-dashboard=true", "--dashboard-host=" + record.dashboard_host,
                    fmt::format("--dashboard-port={}", record.dashboard_port),
                    // Without it Ray takes port 10001, where two heads would meet.
                    fmt::format("--ray-client-server-port={}", ports[4])});
  } else {
    command.emplace_back("--include-dashboard=false");
  }
  return command;
}

// False when it did not start.
bool LocalClusters::TryNode(LocalRecord& record, LocalNode& node, Deadline deadline) const {
  const fs::path log = LogPath(record, node);
  std::error_code none;
  const auto size = fs::file_size(log, none);
  const std::uintmax_t begin = none ? 0 : size;
  node.ip.clear();
  node.session = {{}, UniqueName()};
  {
    const FolderLock chosen(folder_);  // until the ports are written down
    const Program program{.arguments = Command(record, node),
                          .environment = NodeEnvironment(),
                          .mark = node.session.mark,
                          .log = log};
    StartSession(program, [&](const ProcessId& process) {
      node.session.leader = process;
      Save(record);
    });
  }
  while (!Says(log, begin, kStarted)) {
    // Once it has given up it takes another minute to end.
    if (!IsRunning(node.session.leader) || Says(log, begin, kGivenUp)) return false;
    ThrowIfCancelled(cancelled_);
    if (Clock::now() > deadline) {
      throw Error(ErrorCode::kDeadlineExceeded,
                  fmt::format("{} has not started in time; --timeout gives it more. It last wrote "
                              "to {}: {}",
                              node.name, log.string(), LastWords(log)));
    }
    std::this_thread::sleep_for(kTick);
  }
  return true;
}

void LocalClusters::StartNode(LocalRecord& record, LocalNode& node, Deadline deadline,
                              const Say& say) const {
  say(fmt::format("starts {}", node.name));
  const fs::path log = LogPath(record, node);
  for (int attempt = 1;; ++attempt) {
    std::string words;
    try {
      if (TryNode(record, node, deadline)) return;
      words = LastWords(log);
    } catch (...) {
      EndSessions({node.session}, /*leaders_only=*/false, kGrace, Clock::now() + kCleanUp);
      throw;
    }
    EndSessions({node.session}, /*leaders_only=*/false, kGrace, Clock::now() + kCleanUp);
    if (attempt == kStartAttempts) {
      throw Error(ErrorCode::kUnavailable,
                  fmt::format("{} does not start; the end of its log {}: {}. \"windlass cluster "
                              "stop {}\" clears it away",
                              node.name, log.string(), words, record.name));
    }
    say(fmt::format("{} ended while it started, and is started again: {}", node.name, words));
  }
}

Inspection LocalClusters::BringUp(LocalRecord& record, Deadline deadline, const Say& say) {
  if (!IsRunning(record.nodes.front().session.leader)) {
    // Without its head the rest is of no use: another head knows nothing of it.
    EndSessions(SessionsOf(record.nodes), /*leaders_only=*/false, kGrace, Clock::now() + kCleanUp);
    record.boot = BootId();
    StartNode(record, record.nodes.front(), deadline, say);
  }
  while (std::ssize(record.nodes) > record.workers + 1) {
    const LocalNode& last = record.nodes.back();
    say(fmt::format("ends {}", last.name));
    EndSessions({last.session}, /*leaders_only=*/true, kDrain, Clock::now() + kDrain + kCleanUp);
    std::error_code none;
    fs::remove(LogPath(record, last), none);
    record.nodes.pop_back();
    Save(record);
  }
  for (int number = 1; number <= record.workers; ++number) {
    if (number == std::ssize(record.nodes)) {
      record.nodes.push_back({.name = WorkerName(record, number)});
    } else if (IsRunning(record.nodes[static_cast<std::size_t>(number)].session.leader)) {
      continue;
    } else {
      LocalNode& dead = record.nodes[static_cast<std::size_t>(number)];
      EndSessions({dead.session}, /*leaders_only=*/false, kGrace, Clock::now() + kCleanUp);
      if (dead.session.leader.begun != 0) ++dead.restarts;
    }
    StartNode(record, record.nodes[static_cast<std::size_t>(number)], deadline, say);
  }
  NodeQuery query(record, cancelled_);
  std::string fault;
  for (std::string said;;) {
    const auto nodes = query.Ask(std::min(deadline, Clock::now() + kAskRay), fault);
    const Inspection inspection = Look(record, nodes.value_or(Json::array()), fault);
    std::vector<std::string> missing;
    for (std::size_t i = 0; i < record.nodes.size(); ++i) {
      if (!inspection.pods[i].ready) missing.push_back(inspection.pods[i].name);
      record.nodes[i].ip = inspection.pods[i].ip;
      if (inspection.pods[i].phase == "Failed") {
        throw Error(ErrorCode::kUnavailable, TroubleText(*inspection.pods[i].trouble));
      }
    }
    if (nodes && missing.empty()) {
      Save(record);
      return inspection;
    }
    const std::string now =
        nodes ? fmt::format("Ray does not know of {} yet", fmt::join(missing, ", "))
              : fmt::format("Ray does not answer: {}", fault);
    if (!nodes || Clock::now() > deadline) {
      throw Error(nodes ? ErrorCode::kDeadlineExceeded : ErrorCode::kUnavailable, now);
    }
    if (now != said) say(said = now);
    ThrowIfCancelled(cancelled_);
    std::this_thread::sleep_for(Kubectl::kLook);
  }
}

void LocalClusters::Remove(const LocalRecord& record, Deadline deadline) const {
  EndSessions(SessionsOf(record.nodes), /*leaders_only=*/false, kGrace, deadline);
  std::error_code error;
  // The record is the user's file: what it names is removed only where it looks like ours.
  if (fs::path(record.temp).filename().string().starts_with(kTempName)) {
    fs::remove_all(record.temp, error);
  }
  if (!error) fs::remove_all(folder_ / record.name, error);
  if (error) {
    throw Error(ErrorCode::kIo, fmt::format("cannot remove {} and {}: {}", record.temp,
                                            (folder_ / record.name).string(), error.message()));
  }
  fs::remove(RecordPath(record.name), error);
}

Inspection LocalClusters::Start(const std::string& name, const LocalFlags& flags,
                                std::chrono::seconds limit, const Say& say) {
  CheckClusterName(name);
  const Deadline deadline = Clock::now() + limit;
  MakeFolders(folder_);
  const LocalLock lock(folder_ / (name + ".lock"), cancelled_, deadline, say);
  if (Has(name)) {
    LocalRecord record = Load(name);
    const auto differences = Differences(record, flags);
    if (!differences.empty()) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("cluster {} runs on this machine already, and otherwise: {}; stop it "
                              "first, or choose another name",
                              name, fmt::join(differences, ", ")));
    }
    const std::string& workers = flags.sizes.workers;
    if (!workers.empty()) record.workers = WorkersOf(ParseWorkers(workers, "--workers"));
    if (!IsRunning(record.nodes.front().session.leader)) ++record.nodes.front().restarts;
    return BringUp(record, deadline, say);
  }
  LocalRecord record;
  try {
    record = Create(name, flags, say);
    MakeFolders(folder_ / name);
    record.nodes = {{.name = name + "-head", .is_head = true}};
    return BringUp(record, deadline, say);
  } catch (const Error& error) {
    const bool begun = Has(name);
    if (error.code() == ErrorCode::kCancelled || !begun) {
      if (begun) say("interrupted: takes away what was started");
      if (!record.temp.empty()) Remove(record, Clock::now() + kCleanUp);
      lock.RemoveFile();
    }
    throw;
  }
}

Inspection LocalClusters::Scale(const std::string& name, const WorkerCount& workers,
                                std::chrono::seconds limit, const Say& say) {
  const Deadline deadline = Clock::now() + limit;
  const int wanted = WorkersOf(workers);
  Load(name);  // else a lock would be made for what is not there
  const LocalLock lock(folder_ / (name + ".lock"), cancelled_, deadline, say);
  LocalRecord record = Load(name);
  if (!IsRunning(record.nodes.front().session.leader)) {
    throw Error(ErrorCode::kUnavailable,
                fmt::format("the head of cluster {} does not run; \"windlass cluster start {} "
                            "--local\" starts it again",
                            name, name));
  }
  record.workers = wanted;
  return BringUp(record, deadline, say);
}

void LocalClusters::Stop(const std::string& name, std::chrono::seconds limit, const Say& say) {
  const Deadline deadline = Clock::now() + limit;
  Load(name);
  const LocalLock lock(folder_ / (name + ".lock"), cancelled_, deadline, say);
  const LocalRecord record = Load(name);
  const auto left = MembersOf(SessionsOf(record.nodes)).size();
  say(fmt::format("ends {} nodes, {} processes", record.nodes.size(), left));
  Remove(record, deadline);
  lock.RemoveFile();
}

std::string LocalClusters::Dashboard(const std::string& name) const {
  const LocalRecord record = Load(name);
  if (!record.has_dashboard) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("Ray was installed without its dashboard in {}: {} -m pip install "
                            "\"ray[default]=={}\", then stop and start cluster {}",
                            record.python, record.python, record.ray_version, name));
  }
  if (!IsRunning(record.nodes.front().session.leader)) {
    throw Error(ErrorCode::kUnavailable,
                fmt::format("the head of cluster {} does not run; \"windlass cluster start {} "
                            "--local\" starts it again",
                            name, name));
  }
  return record.Url();
}

ClusterInfo LocalClusters::Summary(const LocalRecord& record) const {
  ClusterInfo info;
  info.is_local = true;
  info.observed = true;
  info.name = record.name;
  info.ray_version = record.ray_version;
  info.image = fmt::format("Python {}, {}", record.python_version, record.python);
  info.created = record.created;
  info.workers_wanted = info.workers_least = info.workers_most = record.workers;
  const bool head = IsRunning(record.nodes.front().session.leader);
  for (const LocalNode& node : record.nodes) {
    if (!node.is_head && IsRunning(node.session.leader)) ++info.workers_ready;
  }
  info.state = !head ? "failed" : info.workers_ready == record.workers ? "ready" : "degraded";
  info.head_ip = record.nodes.front().ip;
  if (head) {
    info.url = record.Url();
    if (!info.head_ip.empty()) info.address = fmt::format("{}:{}", info.head_ip, record.port);
  }
  return info;
}

Inspection LocalClusters::Look(const LocalRecord& record, const Json& nodes,
                               const std::string& fault) const {
  Inspection inspection{.cluster = Summary(record), .pods = {}};
  std::map<std::string, Json> known;  // a node of that name that is alive wins
  for (const Json& node : nodes) {
    Json& one = known[node.at("name")];
    if (one.is_null() || node.at("alive") == true) one = node;
  }
  ClusterInfo& info = inspection.cluster;
  info.workers_ready = 0;
  for (const LocalNode& node : record.nodes) {
    PodInfo pod;
    pod.name = node.name;
    pod.node_type = node.is_head ? "head" : "worker";
    pod.restarts = node.restarts;
    pod.ip = node.ip;
    pod.node = record.host;
    const Json ray = known.contains(node.name) ? known[node.name] : Json::object();
    pod.ready = ray.value("alive", false);
    if (ray.contains("ip")) pod.ip = ray.at("ip");
    if (node.is_head && !pod.ip.empty()) info.head_ip = pod.ip;
    Trouble trouble{.pod = pod.name, .node_type = pod.node_type, .may_pass = false};
    if (!IsRunning(node.session.leader)) {
      pod.phase = "Failed";
      pod.ready = false;
      trouble.what = node.session.leader.begun == 0
                         ? "it does not run since the machine restarted"
                         : fmt::format("its process {} is gone", node.session.leader.pid);
      const fs::path log = LogPath(record, node);
      trouble.message = fmt::format("the end of {}: {}", log.string(), LastWords(log));
      pod.trouble = trouble;
    } else {
      pod.pid = node.session.leader.pid;
      pod.phase = pod.ready ? "Running" : "Pending";
      if (!pod.ready) {
        trouble.what =
            fault.empty() ? "Ray does not have it among its nodes" : "Ray does not answer";
        trouble.message = fault.empty() ? ray.value("why", "") : fault;
        pod.trouble = trouble;
      }
    }
    if (pod.ready && !node.is_head) ++info.workers_ready;
    inspection.pods.push_back(std::move(pod));
  }
  if (info.state != "failed") {
    const bool all = std::ranges::all_of(inspection.pods, &PodInfo::ready) &&
                     info.workers_ready == info.workers_wanted;
    info.state = all ? "ready" : "degraded";
    if (!info.head_ip.empty()) info.address = fmt::format("{}:{}", info.head_ip, record.port);
  }
  return inspection;
}

Inspection LocalClusters::Inspect(const std::string& name) {
  const LocalRecord record = Load(name);
  if (!IsRunning(record.nodes.front().session.leader)) return Look(record, Json::array(), "");
  std::string fault;
  std::optional<Json> nodes;
  try {
    nodes = NodeQuery(record, cancelled_).Ask(Clock::now() + kAskRay, fault);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kCancelled) throw;
    fault = error.what();
  }
  return Look(record, nodes.value_or(Json::array()), fault);
}

std::vector<LocalRecord> LocalClusters::Records() const {
  std::vector<LocalRecord> records;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder_, none)) {
    const fs::path& path = entry.path();
    if (path.extension() != ".json") continue;
    try {
      LocalRecord record = LocalRecord::FromJson(ReadFile(path), path.string());
      if (record.host == HostName()) records.push_back(std::move(record));
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kNotFound) continue;  // it was stopped just now
      Log(LogLevel::kWarning, error.what());
    }
  }
  std::ranges::sort(records, {}, &LocalRecord::name);
  return records;
}

std::vector<ClusterInfo> LocalClusters::List() const {
  std::vector<ClusterInfo> clusters;
  for (LocalRecord& record : Records()) {
    ForgetBefore(record);
    clusters.push_back(Summary(record));
  }
  return clusters;
}

}  // namespace windlass::cluster
