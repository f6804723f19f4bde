#include "windlass/job/record.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>

#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/base/log.h"

namespace windlass::job {
namespace {

constexpr auto kWriteInterval = std::chrono::milliseconds(250);

std::int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::filesystem::path JobsFolder(const std::filesystem::path& home) { return home / "jobs"; }

JobState StateFromName(const std::string& name) {
  for (const JobState state : {JobState::kRunning, JobState::kSucceeded, JobState::kFailed,
                               JobState::kCancelled, JobState::kDied}) {
    if (JobStateName(state) == name) return state;
  }
  throw Error(ErrorCode::kCorrupt, "a job record has the unknown state \"" + name + "\"");
}

// Whether the process that runs the job is alive: it holds the lock.
bool IsLocked(const std::filesystem::path& folder) {
  const int fd = ::open((folder / "lock").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool free = ::flock(fd, LOCK_SH | LOCK_NB) == 0;
  ::close(fd);
  return !free;
}

JobInfo ReadInfo(const std::filesystem::path& folder) {
  const Json json = ParseJson(ReadFile(folder / "job.json"), (folder / "job.json").string());
  JobInfo info;
  try {
    info.id = json.at("id");
    info.kind = json.at("kind");
    info.state = StateFromName(json.at("state"));
    info.started_ms = json.at("started_ms");
    info.finished_ms = json.at("finished_ms");
    info.done = json.at("done");
    info.total = json.at("total");
    info.error = json.at("error");
    info.spec = json.at("spec");
    info.run = json.at("run");
    info.outputs = json.at("outputs").get<std::vector<std::string>>();
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::kCorrupt, fmt::format("{}: not a job record ({})",
                                                 (folder / "job.json").string(), error.what()));
  }
  if (info.state == JobState::kRunning && !IsLocked(folder)) {
    info.state = JobState::kDied;
    info.error = "its process ended without finishing the job";
  }
  info.resumable = info.state == JobState::kDied || info.state == JobState::kFailed ||
                   info.state == JobState::kCancelled;
  return info;
}

}  // namespace

std::string_view JobStateName(JobState state) {
  switch (state) {
    case JobState::kRunning: return "running";
    case JobState::kSucceeded: return "succeeded";
    case JobState::kFailed: return "failed";
    case JobState::kCancelled: return "cancelled";
    case JobState::kDied: return "died";
  }
  return "failed";
}

Json JobInfo::ToJson() const {
  return {{"id", id},
          {"kind", kind},
          {"state", JobStateName(state)},
          {"started_ms", started_ms},
          {"finished_ms", finished_ms},
          {"done", done},
          {"total", total},
          {"error", error},
          {"spec", spec},
          {"run", run},
          {"outputs", outputs},
          {"resumable", resumable}};
}

std::unique_ptr<JobRecord> JobRecord::Begin(const std::filesystem::path& home, std::string kind,
                                            Json spec, Json run) {
  std::unique_ptr<JobRecord> record(new JobRecord);
  record->info_.started_ms = NowMs();
  const std::time_t seconds = record->info_.started_ms / 1000;
  // Sorts by time; the random end tells jobs of one second apart.
  record->info_.id =
      fmt::format("{:%Y%m%d-%H%M%S}-{}", fmt::gmtime(seconds), UniqueName().substr(0, 6));
  record->info_.kind = std::move(kind);
  record->info_.spec = std::move(spec);
  record->info_.run = std::move(run);
  record->folder_ = JobsFolder(home) / record->info_.id;
  MakeFolders(record->folder_);
  ::chmod(record->folder_.c_str(), 0700);  // specs and logs are the user's own business
  const std::filesystem::path lock = record->folder_ / "lock";
  record->lock_ = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (record->lock_ < 0 || ::flock(record->lock_, LOCK_EX | LOCK_NB) != 0) {
    throw Error(ErrorCode::kIo, fmt::format("cannot lock {}", lock.string()));
  }
  record->Write();
  return record;
}

JobRecord::~JobRecord() {
  if (lock_ >= 0) ::close(lock_);
}

void JobRecord::Write() {
  WriteFileAtomically(folder_ / "job.json",
                      info_.ToJson().dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
  last_write_ = Clock::now();
}

void JobRecord::SetProgress(std::int64_t done, std::int64_t total) {
  const std::lock_guard lock(mutex_);
  info_.done = done;
  info_.total = total;
  if (Clock::now() - last_write_ >= kWriteInterval) Write();
}

void JobRecord::Finish(JobState state, std::string error, std::vector<std::string> outputs) {
  const std::lock_guard lock(mutex_);
  info_.state = state;
  info_.error = std::move(error);
  info_.outputs = std::move(outputs);
  info_.finished_ms = NowMs();
  Write();
}

void JobRecord::Remove() {
  const std::lock_guard lock(mutex_);
  std::error_code ignored;  // what is left is a finished job's record, which prune removes
  std::filesystem::remove_all(folder_, ignored);
}

std::vector<JobInfo> ListJobs(const std::filesystem::path& home) {
  std::vector<JobInfo> jobs;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(JobsFolder(home), none)) {
    if (!entry.is_directory()) continue;
    try {
      jobs.push_back(ReadInfo(entry.path()));
    } catch (const Error& error) {
      Log(LogLevel::kWarning, fmt::format("left out a job: {}", error.what()));
    }
  }
  std::ranges::sort(jobs, [](const JobInfo& a, const JobInfo& b) {
    return std::tie(a.started_ms, a.id) > std::tie(b.started_ms, b.id);
  });
  return jobs;
}

JobInfo FindJob(const std::filesystem::path& home, std::string_view id) {
  std::vector<JobInfo> found;
  std::vector<std::string> known;
  for (JobInfo& job : ListJobs(home)) {
    known.push_back(job.id);
    if (job.id.starts_with(id) && !id.empty()) found.push_back(std::move(job));
  }
  if (found.size() == 1) return std::move(found.front());
  throw Error(ErrorCode::kNotFound,
              found.empty() ? fmt::format("there is no job \"{}\"{}", id, Suggestion(id, known))
                            : fmt::format("\"{}\" is the beginning of {} jobs; give more of the id",
                                          id, found.size()));
}

std::string ReadJobLog(const std::filesystem::path& home, std::string_view id) {
  return ReadFile(JobsFolder(home) / FindJob(home, id).id / "log");
}

std::vector<std::string> PruneJobs(const std::filesystem::path& home, std::int64_t before_ms) {
  std::vector<std::string> removed;
  for (const JobInfo& job : ListJobs(home)) {
    if (job.state == JobState::kRunning) continue;
    const std::int64_t ended = job.finished_ms != 0 ? job.finished_ms : job.started_ms;
    if (ended >= before_ms) continue;
    std::error_code error;
    std::filesystem::remove_all(JobsFolder(home) / job.id, error);
    if (error) {
      throw Error(ErrorCode::kIo, fmt::format("cannot remove job {}: {}", job.id, error.message()));
    }
    removed.push_back(job.id);
  }
  return removed;
}

}  // namespace windlass::job
