// The record of every job that ran here: $WINDLASS_HOME/jobs/<id>/.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/base/cancel.h"
#include "windlass/base/json.h"

namespace windlass::job {

enum class JobState { kRunning, kSucceeded, kFailed, kCancelled, kDied };
std::string_view JobStateName(JobState state);

struct JobInfo {
  std::string id;
  std::string kind;
  JobState state = JobState::kRunning;
  std::int64_t started_ms = 0;   // since 1970, UTC
  std::int64_t finished_ms = 0;  // 0 while it runs
  std::int64_t done = 0;         // units of progress
  std::int64_t total = 0;        // 0: not known
  std::string error;
  Json spec;  // as the user gave it, normalised
  Json run;   // workers, batch, engine, out, memo
  std::vector<std::string> outputs;
  bool resumable = false;

  Json ToJson() const;
};

// A job that this process runs. The folder's lock is held until the record is destroyed, so that
// other processes see a job whose process died.
class JobRecord {
 public:
  static std::unique_ptr<JobRecord> Begin(const std::filesystem::path& home, std::string kind,
                                          Json spec, Json run);
  ~JobRecord();

  const std::string& id() const { return info_.id; }
  const JobInfo& info() const { return info_; }
  std::filesystem::path log_path() const { return folder_ / "log"; }

  // Written to disk at most a few times a second. Thread safe.
  void SetProgress(std::int64_t done, std::int64_t total);
  void Finish(JobState state, std::string error, std::vector<std::string> outputs);
  void Remove();  // the record's folder, and with it the job's trace

 private:
  JobRecord() = default;
  void Write();

  std::filesystem::path folder_;
  JobInfo info_;
  int lock_ = -1;
  std::mutex mutex_;
  Clock::time_point last_write_{};
};

// Jobs of this home, newest first. A record that cannot be read is left out with a warning.
std::vector<JobInfo> ListJobs(const std::filesystem::path& home);

// One job, by its id or a unique beginning of it. Throws Error{kNotFound}.
JobInfo FindJob(const std::filesystem::path& home, std::string_view id);
std::string ReadJobLog(const std::filesystem::path& home, std::string_view id);

// Removes finished (and died) jobs that ended before `before_ms`; gives their ids.
std::vector<std::string> PruneJobs(const std::filesystem::path& home, std::int64_t before_ms);

}  // namespace windlass::job
