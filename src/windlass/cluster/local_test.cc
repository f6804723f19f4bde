// Clusters of this machine, with a stand-in for Python and Ray; tests/ray/local_cluster_test.py
// has the real ones.
#include "windlass/cluster/local.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/cluster/local_processes_internal.h"
#include "windlass/cluster/local_record_internal.h"

namespace windlass::cluster {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr std::chrono::seconds kLimit{60};
const Say kSilent = [](const std::string&) {};

// What local.cc asks of Python: which Ray there is, the nodes of a cluster, `ray start`. A node has
// a child, and one in a session of its own.
constexpr const char* kPython = R"sh(#!/bin/sh
here=$(dirname "$0")
case "$1 $2" in
"-m ray.scripts.scripts")
  for word in "$@"; do
    case "$word" in --node-name=*) name=${word#*=} ;; esac
  done
  echo "$name $*" >> "$here/starts"
  if [ -f "$here/fails" ]; then
    cat "$here/fails"
    exit 1
  fi
  [ -f "$here/hangs" ] && exec sleep 600
  sleep 600 &
  setsid sleep 600 &
  touch "$here/nodes/$name"
  echo "Ray runtime started."
  wait
  ;;
*)
  case "$2" in
  *get_num_cpus*) cat "$here/check" ;;
  *)
    while read -r line; do
      text=
      for node in $(ls "$here/nodes"); do
        text="$text${text:+, }{\"name\": \"$node\", \"ip\": \"10.0.0.9\", \"alive\": true}"
      done
      text="{\"nodes\": [$text]}"
      printf '%08d%s' ${#text} "$text"
    done
    ;;
  esac
  ;;
esac
)sh";

class LocalClustersTest : public testing::Test {
 protected:
  void SetUp() override {
    Write("python", kPython);
    fs::permissions(Path("python"), fs::perms::owner_all);
    fs::create_directory(Path("nodes"));
    Ray("2.60.0");
  }
  void TearDown() override {
    for (const auto& info : clusters_.List()) clusters_.Stop(info.name, kLimit, kSilent);
  }

  fs::path Path(const std::string& name) const { return folder_.path() / name; }
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name)) << text;
  }
  void Ray(const std::string& version) const {
    Write("check", fmt::format(R"({{"python": "{}", "version": "3.11.7", "ray": "{}", "cpus": 64,
                                   "dashboard": true}})"
                               "\n",
                               Path("python").string(), version));
    // One line, as Python's json writes it.
    std::string text = ReadFile(Path("check"));
    std::erase(text, '\n');
    Write("check", "a warning\n" + text + "\n");
  }
  LocalClusters Open(const std::string& python = "") const {
    return {folder_.path(), python.empty() ? Path("python").string() : python,
            [this] { return cancelled_.load(); }};
  }
  LocalRecord Record(const std::string& name) const {
    return LocalRecord::FromJson(ReadFile(Path("clusters/" + name + ".json")), "record");
  }
  static std::vector<ProcessId> Members(const LocalRecord& record) {
    std::vector<Session> sessions;
    for (const LocalNode& node : record.nodes) sessions.push_back(node.session);
    return MembersOf(sessions);
  }
  std::string Starts() const { return fs::exists(Path("starts")) ? ReadFile(Path("starts")) : ""; }
  bool IsEmpty() const { return !fs::exists(Path("clusters")) || fs::is_empty(Path("clusters")); }
  static LocalFlags Workers(const std::string& count) {
    LocalFlags flags;
    flags.sizes.workers = count;
    return flags;
  }
  static std::string ErrorOf(const std::function<void()>& body, ErrorCode code) {
    try {
      body();
      return "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      return error.what();
    }
  }

  TemporaryFolder folder_;
  std::atomic<bool> cancelled_ = false;
  LocalClusters clusters_{folder_.path(), Path("python").string(),
                          [this] { return cancelled_.load(); }};
};

TEST_F(LocalClustersTest, StartsScalesAndStopsWithNothingLeft) {
  LocalFlags flags = Workers("2");
  flags.sizes.worker_memory = "1Gi";
  const Inspection started = clusters_.Start("demo", flags, kLimit, kSilent);
  EXPECT_EQ(started.cluster.state, "ready");
  EXPECT_EQ(started.cluster.workers_ready, 2);
  EXPECT_TRUE(IsReady(started.cluster, started.pods));
  ASSERT_EQ(started.pods.size(), 3u);
  EXPECT_EQ(started.pods[0].name, "demo-head");
  EXPECT_EQ(started.pods[0].ip, "10.0.0.9");
  EXPECT_EQ(started.pods[2].name, "demo-worker-2");
  const LocalRecord record = Record("demo");
  EXPECT_EQ(started.pods[0].pid, record.nodes[0].session.leader.pid);
  EXPECT_EQ(started.cluster.address, fmt::format("10.0.0.9:{}", record.port));
  EXPECT_EQ(clusters_.Dashboard("demo"), fmt::format("http://127.0.0.1:{}", record.dashboard_port));
  // 30 % of the memory are the object store's.
  EXPECT_THAT(Starts(), HasSubstr("--memory=751619277 --object-store-memory=322122547"));
  EXPECT_EQ(Members(record).size(), 9u);  // the leader and two more for each node
  EXPECT_TRUE(fs::exists(record.temp));

  const Inspection scaled =
      clusters_.Scale("demo", ParseWorkers("1", "--workers"), kLimit, kSilent);
  EXPECT_EQ(scaled.pods.size(), 2u);
  EXPECT_EQ(scaled.cluster.workers_wanted, 1);
  EXPECT_EQ(Members(record).size(), 6u);
  ASSERT_EQ(clusters_.List().size(), 1u);
  EXPECT_EQ(clusters_.List()[0].state, "ready");

  clusters_.Stop("demo", kLimit, kSilent);
  EXPECT_TRUE(Members(record).empty());
  EXPECT_FALSE(fs::exists(record.temp));
  EXPECT_TRUE(IsEmpty());
  EXPECT_THAT(ErrorOf([&] { clusters_.Inspect("demo"); }, ErrorCode::kNotFound),
              HasSubstr("no cluster \"demo\" on this machine"));
}

TEST_F(LocalClustersTest, StartingAgainChangesNothingButWorkers) {
  clusters_.Start("demo", {}, kLimit, kSilent);
  const std::string before = Starts();
  clusters_.Start("demo", {}, kLimit, kSilent);
  EXPECT_EQ(Starts(), before);
  LocalFlags other = Workers("1");
  other.sizes.head_cpu = "2";
  other.dashboard_port = 1;
  other.sizes.ray_version = "2.9.0";
  EXPECT_THAT(
      ErrorOf([&] { clusters_.Start("demo", other, kLimit, kSilent); }, ErrorCode::kInvalidInput),
      AllOf(HasSubstr("--head-cpu is all of the machine's there, not 2"),
            HasSubstr("--ray-version is 2.60.0 there, not 2.9.0"), HasSubstr("--port is"),
            HasSubstr("stop it first")));
  EXPECT_EQ(Starts(), before);
  EXPECT_EQ(clusters_.Start("demo", Workers("1"), kLimit, kSilent).pods.size(), 2u);
  EXPECT_EQ(clusters_.Start("demo", {}, kLimit, kSilent).pods.size(), 2u);  // not given: as it is
}

TEST_F(LocalClustersTest, SaysWhichNodeDiedAndStartsItAgain) {
  clusters_.Start("demo", Workers("1"), kLimit, kSilent);
  const LocalRecord record = Record("demo");
  SendSignal(record.nodes[1].session.leader, SIGKILL);
  while (IsRunning(record.nodes[1].session.leader)) ::usleep(1000);
  const Inspection seen = clusters_.Inspect("demo");
  EXPECT_EQ(seen.cluster.state, "degraded");
  EXPECT_FALSE(IsReady(seen.cluster, seen.pods));
  EXPECT_EQ(seen.pods[1].phase, "Failed");
  EXPECT_THAT(
      TroubleText(seen.pods[1].trouble.value()),
      AllOf(HasSubstr(fmt::format("its process {} is gone", record.nodes[1].session.leader.pid)),
            HasSubstr("Ray runtime started.")));
  EXPECT_EQ(Members({.nodes = {record.nodes[1]}}).size(), 2u);  // what it had started goes on
  const Inspection again = clusters_.Start("demo", {}, kLimit, kSilent);
  EXPECT_EQ(again.cluster.state, "ready");
  EXPECT_EQ(again.pods[1].restarts, 1);
  EXPECT_EQ(again.pods[0].restarts, 0);
  EXPECT_TRUE(Members({.nodes = {record.nodes[1]}}).empty());

  SendSignal(record.nodes[0].session.leader, SIGKILL);
  while (IsRunning(record.nodes[0].session.leader)) ::usleep(1000);
  EXPECT_EQ(clusters_.List()[0].state, "failed");
  EXPECT_THAT(
      ErrorOf([&] { clusters_.Scale("demo", {}, kLimit, kSilent); }, ErrorCode::kUnavailable),
      HasSubstr("\"windlass cluster start demo --local\""));
  EXPECT_THAT(ErrorOf([&] { clusters_.Dashboard("demo"); }, ErrorCode::kUnavailable),
              HasSubstr("the head of cluster demo does not run"));
  EXPECT_EQ(clusters_.Start("demo", {}, kLimit, kSilent).pods[0].restarts, 1);
}

TEST_F(LocalClustersTest, SaysTheLastWordsOfANodeThatDoesNotStart) {
  Write("fails", "Traceback\n  somewhere\n\nValueError: the port is taken\n");
  EXPECT_THAT(
      ErrorOf([&] { clusters_.Start("demo", {}, kLimit, kSilent); }, ErrorCode::kUnavailable),
      AllOf(HasSubstr("demo-head does not start"), HasSubstr("ValueError: the port is taken"),
            HasSubstr("demo-head.log")));
  EXPECT_EQ(clusters_.Inspect("demo").cluster.state, "failed");
  fs::remove(Path("fails"));
  EXPECT_EQ(clusters_.Start("demo", {}, kLimit, kSilent).cluster.state, "ready");
}

TEST_F(LocalClustersTest, AnInterruptOrTimeLeavesNoProcess) {
  Write("hangs", "");
  const auto wait = [](const std::string&) {};
  EXPECT_THAT(ErrorOf([&] { clusters_.Start("demo", {}, std::chrono::seconds(1), wait); },
                      ErrorCode::kDeadlineExceeded),
              HasSubstr("demo-head has not started in time"));
  EXPECT_TRUE(Members(Record("demo")).empty());
  clusters_.Stop("demo", kLimit, kSilent);
  std::string temp;
  const auto interrupt = [this](const std::string& said) {
    if (said == "starts demo-head") cancelled_ = true;
  };
  ErrorOf([&] { clusters_.Start("demo", {}, kLimit, interrupt); }, ErrorCode::kCancelled);
  cancelled_ = false;
  EXPECT_TRUE(IsEmpty());
}

TEST_F(LocalClustersTest, SaysWhatIsMissingAndWhatToInstall) {
  const auto fault = [&](const LocalFlags& flags, ErrorCode code) {
    const std::string text =
        ErrorOf([&] { clusters_.Start("demo", flags, kLimit, kSilent); }, code);
    EXPECT_TRUE(IsEmpty()) << text;
    return text;
  };
  EXPECT_THAT(ErrorOf([&] { Open("no-such-python").Start("demo", {}, kLimit, kSilent); },
                      ErrorCode::kNotFound),
              AllOf(HasSubstr("no-such-python"), HasSubstr("WINDLASS_PYTHON"),
                    HasSubstr("ray[default]==2.60.0")));
  LocalFlags flags;
  flags.sizes.ray_version = "2.55.0";
  EXPECT_THAT(
      fault(flags, ErrorCode::kUnsupported),
      AllOf(HasSubstr("has Ray 2.60.0"), HasSubstr("-m pip install \"ray[default]==2.55.0\"")));
  flags = {};
  flags.sizes.python = "3.1";  // 3.11 is another
  EXPECT_THAT(fault(flags, ErrorCode::kUnsupported), HasSubstr("is Python 3.11.7"));
  flags = {};
  flags.sizes.head_cpu = "500m";
  EXPECT_THAT(fault(flags, ErrorCode::kInvalidInput), HasSubstr("whole number of CPUs"));
  flags = {};
  flags.sizes.worker_memory = "10Mi";
  EXPECT_THAT(fault(flags, ErrorCode::kInvalidInput), HasSubstr("at least 256 MiB"));
  EXPECT_THAT(fault(Workers("1:3"), ErrorCode::kInvalidInput), HasSubstr("needs an autoscaler"));
  flags = {};
  flags.address = "example.org";
  EXPECT_THAT(fault(flags, ErrorCode::kInvalidInput), HasSubstr("no address to listen at"));
  Write("check",
        "{\"python\": \"/p\", \"version\": \"3.11.7\", \"fault\": \"No module named 'ray'\"}");
  EXPECT_THAT(fault({}, ErrorCode::kUnsupported),
              AllOf(HasSubstr("does not import ray (No module named 'ray')"),
                    HasSubstr("/p -m pip install \"ray[default]==2.60.0\"")));
  Write("check", "Segmentation fault\n");
  EXPECT_THAT(fault({}, ErrorCode::kUnsupported), HasSubstr("cannot be asked for Ray"));
}

TEST_F(LocalClustersTest, APortThatIsTakenIsSaidOrPassedOver) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof where;
  ASSERT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&where), size), 0);
  ASSERT_EQ(::listen(socket, 1), 0);
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&where), &size);
  LocalFlags flags;
  flags.dashboard_port = ntohs(where.sin_port);
  EXPECT_THAT(ErrorOf([&] { clusters_.Start("demo", flags, kLimit, kSilent); }, ErrorCode::kIo),
              HasSubstr(fmt::format("port {} is in use", flags.dashboard_port)));
  EXPECT_GT(FreePort("127.0.0.1", flags.dashboard_port, 100), flags.dashboard_port);
  ::close(socket);
}

TEST_F(LocalClustersTest, TwoBesideEachOtherShareNoPort) {
  clusters_.Start("one", {}, kLimit, kSilent);
  clusters_.Start("two", {}, kLimit, kSilent);  // the stand-in for Ray does not listen
  EXPECT_NE(Record("one").port, Record("two").port);
  EXPECT_NE(Record("one").dashboard_port, Record("two").dashboard_port);
  EXPECT_NE(Record("one").temp, Record("two").temp);
  clusters_.Stop("one", kLimit, kSilent);
  EXPECT_EQ(clusters_.Inspect("two").cluster.state, "ready");
}

TEST_F(LocalClustersTest, StartsOnceWhenAskedTwiceAtTheSameTime) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([this] {
      EXPECT_EQ(Open().Start("demo", Workers("1"), kLimit, kSilent).cluster.state, "ready");
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::ranges::count(Starts(), '\n'), 2);  // a head, a worker
}

TEST_F(LocalClustersTest, NeverEndsAnotherProcessOfTheSameNumber) {
  clusters_.Start("demo", {}, kLimit, kSilent);
  const LocalRecord record = Record("demo");
  EndSessions({record.nodes[0].session}, false, std::chrono::seconds(1), Clock::now() + kLimit);
  // Its number is that of a process now which leads a session and which is none of ours.
  const pid_t other = ::fork();
  if (other == 0) {
    ::setsid();
    ::pause();
    ::_exit(0);
  }
  LocalRecord changed = record;
  changed.nodes[0].session.leader.pid = other;
  WriteFileAtomically(Path("clusters/demo.json"), changed.ToJson().dump());
  EXPECT_EQ(clusters_.List()[0].state, "failed");
  clusters_.Stop("demo", kLimit, kSilent);
  EXPECT_EQ(::waitpid(other, nullptr, WNOHANG), 0) << "it was ended";
  ::kill(other, SIGKILL);
  ::waitpid(other, nullptr, 0);
}

TEST_F(LocalClustersTest, RecordsOfOtherMachinesAndDamagedOnes) {
  clusters_.Start("demo", {}, kLimit, kSilent);
  const LocalRecord record = Record("demo");
  LocalRecord other = record;
  other.host = "elsewhere";
  other.name = "far";
  WriteFileAtomically(Path("clusters/far.json"), other.ToJson().dump());
  WriteFileAtomically(Path("clusters/bad.json"), "{\"version\": 1");
  WriteFileAtomically(Path("clusters/old.json"), "{\"version\": 0}");
  EXPECT_EQ(clusters_.List().size(), 1u);
  EXPECT_THAT(ErrorOf([&] { clusters_.Stop("far", kLimit, kSilent); }, ErrorCode::kUnsupported),
              HasSubstr("runs on elsewhere"));
  EXPECT_THAT(ErrorOf([&] { clusters_.Inspect("bad"); }, ErrorCode::kCorrupt),
              AllOf(HasSubstr("bad.json"), HasSubstr("cannot be read")));
  EXPECT_THAT(ErrorOf([&] { clusters_.Inspect("old"); }, ErrorCode::kCorrupt),
              HasSubstr("it is of version 0"));
  EXPECT_THAT(ErrorOf([&] { clusters_.Has("../x"); }, ErrorCode::kInvalidInput), HasSubstr("../x"));
  // The machine has restarted since: numbers of processes mean nothing any more.
  LocalRecord before = record;
  before.boot = "another";
  WriteFileAtomically(Path("clusters/demo.json"), before.ToJson().dump());
  EXPECT_THAT(TroubleText(clusters_.Inspect("demo").pods[0].trouble.value()),
              HasSubstr("since the machine restarted"));
  WriteFileAtomically(Path("clusters/demo.json"), record.ToJson().dump());
}

}  // namespace
}  // namespace windlass::cluster
