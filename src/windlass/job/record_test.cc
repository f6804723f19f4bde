#include "windlass/job/record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>

#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/job/folder_internal.h"
#include "windlass/job/index_internal.h"
#include "windlass/job/local_jobs.h"

namespace windlass::job {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

JobInfo Explain() {
  JobInfo info;
  info.kind = "explain";
  info.spec = {{"kind", "explain"}};
  info.out = "/some\\where\t\n";
  info.run = {{"out", info.out}};
  return info;
}

class LocalJobsTest : public ::testing::Test {
 protected:
  std::unique_ptr<JobRecord> Begin() { return JobRecord::Begin(home_.path(), Explain()); }

  // The id of a job that succeeded.
  std::string Succeeded() {
    const auto record = Begin();
    record->Start();
    record->Succeed({});
    return record->id();
  }

  std::string Failed(ErrorCode code) {
    const auto record = Begin();
    record->Fail(Error(code, "why"));
    return record->id();
  }

  LocalJobs Jobs() { return LocalJobs(home_.path()); }
  std::filesystem::path Folder(const std::string& id) { return home_.path() / "jobs" / id; }
  std::filesystem::path Index() { return home_.path() / "jobs" / "index"; }

  // What a list says, a line a job.
  std::vector<std::string> Listed() {
    std::vector<std::string> lines;
    for (const JobSummary& job : Jobs().List()) lines.push_back(job.ToJson().dump());
    return lines;
  }

  std::string ErrorOf(const std::function<void()>& body) {
    try {
      body();
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  const TemporaryFolder home_;
};

TEST_F(LocalJobsTest, ADeadProcessesJobIsResumable) {
  std::string id;
  {
    const auto record = Begin();
    id = record->id();
    EXPECT_EQ(Jobs().Find(id).state, JobState::kPending);
    EXPECT_EQ(Jobs().Find(id).waits_for, "its process to start");
    record->Start();
    EXPECT_EQ(Jobs().Find(id).state, JobState::kRunning);
    EXPECT_EQ(Jobs().Find(id).process.pid, ::getpid());
  }  // the lock goes as it does when a process dies
  const JobInfo info = Jobs().Find(id.substr(0, id.size() - 2));
  EXPECT_EQ(info.state, JobState::kDied);
  EXPECT_TRUE(info.resumable());
  EXPECT_EQ(info.exit_code(), 1);
  EXPECT_EQ(info.error, "its process ended without a word at the start");
  EXPECT_EQ(Jobs().List().front().state, JobState::kDied);
}

TEST_F(LocalJobsTest, ADeathThatSomebodySawSaysHow) {
  const auto record = Begin();
  record->Start();
  record->SetProgress("rows", 43, 100);
  record->NoteDeath("was killed by SIGKILL");
  EXPECT_THAT(record->info().error, HasSubstr("its process was killed by SIGKILL"));
  EXPECT_EQ(Jobs().Find(record->id()).state, JobState::kDied);
  record->NoteDeath("ended with status 3");  // too late
  EXPECT_THAT(Jobs().Find(record->id()).error, HasSubstr("SIGKILL"));
}

TEST_F(LocalJobsTest, AJobThatWasAskedToStopIsCancelledEvenIfItsProcessDied) {
  std::string id;
  {
    const auto record = Begin();
    id = record->id();
    Jobs().RequestStop(id, /*force=*/false);  // it has no process yet
    EXPECT_THAT(ErrorOf([&] { record->Start(); }), HasSubstr("asked to stop before it began"));
  }
  EXPECT_EQ(Jobs().Find(id).state, JobState::kCancelled);
  EXPECT_EQ(Jobs().Find(id).exit_code(), 130);
  const StopResult result = [&] {
    auto jobs = Jobs();
    return StopJob(jobs, id, std::chrono::seconds(1));
  }();
  EXPECT_TRUE(result.had_ended);
}

TEST_F(LocalJobsTest, ErrorsOfTheUserAreNotResumable) {
  EXPECT_FALSE(Jobs().Find(Failed(ErrorCode::kInvalidInput)).resumable());
  EXPECT_EQ(Jobs().Find(Failed(ErrorCode::kUsage)).exit_code(), 2);
  EXPECT_TRUE(Jobs().Find(Failed(ErrorCode::kUnavailable)).resumable());
  EXPECT_TRUE(Jobs().Find(Failed(ErrorCode::kCancelled)).resumable());
}

TEST_F(LocalJobsTest, ReadsTheFirstRecords) {
  const std::string id = Succeeded();
  Json old = ParseJson(ReadFile(Folder(id) / "job.json"), "job.json");
  for (const char* key :
       {"unit", "restarts", "restart_of", "exit_code", "process", "out", "waits_for", "url"}) {
    old.erase(key);
  }
  for (const auto& [state, error] :
       {std::pair("failed", ""), std::pair("running", "at the start")}) {
    old["state"] = state;
    WriteFileAtomically(Folder(id) / "job.json", old.dump());
    EXPECT_EQ(Jobs().Find(id).exit_code(), 1);
    EXPECT_THAT(Jobs().Find(id).error, HasSubstr(error));
  }
  EXPECT_EQ(Jobs().Find(id).out, Explain().out);
}

TEST_F(LocalJobsTest, ListsNewestFirstAndPrunes) {
  std::vector<std::string> ids = {Succeeded(), Failed(ErrorCode::kIo), Succeeded()};
  const auto jobs = Jobs().List();
  ASSERT_THAT(jobs, SizeIs(3));
  for (std::size_t i = 1; i < jobs.size(); ++i) {
    EXPECT_GE(jobs[i - 1].started_ms, jobs[i].started_ms);
  }
  EXPECT_EQ(Jobs().Find(ids[1]).error, "why");
  std::int64_t last = 0;
  for (const JobSummary& job : jobs) last = std::max(last, job.finished_ms);
  EXPECT_THAT(Jobs().Prune(jobs.back().started_ms), IsEmpty());
  const auto running = Begin();
  EXPECT_THAT(Jobs().Prune(last + 1), SizeIs(3));
  EXPECT_THAT(Jobs().List(), SizeIs(1));
  EXPECT_THAT(ErrorOf([&] { Jobs().Find("1999"); }), HasSubstr("there is no job \"1999\""));
  EXPECT_THAT(ErrorOf([&] { Jobs().Find("../jobs"); }), HasSubstr("there is no job"));
}

TEST_F(LocalJobsTest, PrunesFoldersWithoutARecordUnlessOneMayBeBeginning) {
  const auto old = std::filesystem::file_time_type::clock::now() - std::chrono::hours(1);
  const auto age = [&](const std::string& name) {
    std::filesystem::last_write_time(Folder(name), old);
  };
  const auto locked = Begin();
  std::filesystem::remove(Folder(locked->id()) / "job.json");
  age(locked->id());
  MakeFolders(Folder("young"));
  MakeFolders(Folder("old"));
  age("old");
  const std::string broken = Succeeded();
  std::filesystem::remove(Index());
  WriteFileAtomically(Folder(broken) / "job.json", "{broken");
  age(broken);
  EXPECT_THAT(Jobs().List(), IsEmpty());
  EXPECT_THAT(Jobs().Prune(NowMs()), ElementsAre(broken, "old"));
  EXPECT_TRUE(std::filesystem::exists(Folder("young")));
  EXPECT_TRUE(std::filesystem::exists(Folder(locked->id())));
}

TEST_F(LocalJobsTest, TheIndexIsNeverBelievedOverTheFolders) {
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(i % 2 ? Failed(ErrorCode::kIo) : Succeeded());
  const auto listed = Listed();
  const std::string index = ReadFile(Index());
  const std::size_t line = index.find('\n') + 1;
  std::string flipped = index;
  flipped[line + 40] ^= 1;
  const std::string_view whole = index;
  for (const std::string& damaged :
       {std::string(), std::string("nonsense\n\n\t\n"), flipped, index + index,
        index.substr(0, line + 30),                                  // half a line at the end
        index.substr(0, line + 30) + index.substr(line),             // and another one behind it
        std::string(whole.substr(line)) + index.substr(0, line)}) {  // another order
    WriteFileAtomically(Index(), damaged);
    EXPECT_EQ(Listed(), listed) << damaged;
    EXPECT_EQ(Listed(), listed) << damaged;  // what was appended to half a line was lost with it
    EXPECT_THAT(JobIndex(home_.path() / "jobs").Read(), SizeIs(5)) << damaged;  // it is whole again
  }
  std::filesystem::remove_all(Folder(ids[0]));
  EXPECT_THAT(Listed(), SizeIs(4));
}

TEST_F(LocalJobsTest, TheIndexDoesNotGrowForEver) {
  const std::string id = Succeeded();
  const std::string line = ReadFile(Index());
  std::string many;
  for (int i = 0; i < 2000; ++i) many += line;
  WriteFileAtomically(Index(), many);
  const auto listed = Listed();
  EXPECT_EQ(ReadFile(Index()), line);
  EXPECT_EQ(Listed(), listed);
}

TEST_F(LocalJobsTest, ManyProcessesMayWriteAndListAtTheSameTime) {
  constexpr int kProcesses = 6;
  constexpr int kJobs = 25;
  std::vector<pid_t> children;
  for (int p = 0; p < kProcesses; ++p) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      int code = 0;
      try {
        for (int i = 0; i < kJobs; ++i) {
          const std::string id = i % 3 ? Succeeded() : Failed(ErrorCode::kIo);
          if (p == 0) Jobs().Prune(0);
          for (const JobSummary& job : Jobs().List()) {
            if (job.state == JobState::kDied) code = 1;  // none does
          }
          if (!Jobs().Find(id).ended()) code = 2;
        }
      } catch (...) {
        code = 3;
      }
      ::_exit(code);
    }
    children.push_back(pid);
  }
  for (const pid_t pid : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0);
  }
  EXPECT_THAT(Jobs().List(), SizeIs(kProcesses * kJobs));
  EXPECT_THAT(JobIndex(home_.path() / "jobs").Read(), SizeIs(kProcesses * kJobs));
}

TEST_F(LocalJobsTest, AJobIsInheritedOnlyWithItsLock) {
  const auto record = Begin();
  const auto other = Begin();
  EXPECT_THAT(ErrorOf([&] { JobRecord::Inherit(home_.path(), record->id(), other->lock()); }),
              HasSubstr("was not begun for this process"));
  const auto again = JobRecord::Inherit(home_.path(), record->id(), ::dup(record->lock()));
  EXPECT_EQ(again->info().kind, "explain");
}

TEST(SendSignal, SparesALaterProcessOfTheSameNumber) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    for (;;) ::pause();
  }
  ProcessId process = ThisProcess();
  process.pid = pid;
  process.begun -= 1;  // as an earlier one would have had
  EXPECT_FALSE(SendSignal(process, SIGKILL));
  EXPECT_EQ(::waitpid(pid, nullptr, WNOHANG), 0);
  ::kill(pid, SIGKILL);
  ASSERT_EQ(::waitpid(pid, nullptr, 0), pid);
  EXPECT_FALSE(SendSignal(process, SIGKILL));
  process.host = "another-machine";
  EXPECT_THROW(SendSignal(process, SIGKILL), Error);
}

}  // namespace
}  // namespace windlass::job
