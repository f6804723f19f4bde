// The record of a job, as the process that runs the job keeps it: $WINDLASS_HOME/jobs/<id>/.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "windlass/base/cancel.h"
#include "windlass/base/error.h"
#include "windlass/job/info.h"

namespace windlass::job {

// A new one; it sorts by time.
std::string NewJobId();

// The folder's lock is held for as long as a process of the job lives, so that others see a job
// whose process died.
class JobRecord {
 public:
  // A new, pending job of this kind, spec, run and restarts; its time is made here, and its id
  // unless it has one. Throws Error{kUsage} when there is a job of this id.
  static std::unique_ptr<JobRecord> Begin(const std::filesystem::path& home, JobInfo info);

  // The job of this id, which another process began; `lock` is the descriptor of its lock, which
  // was inherited from there. Throws Error{kUsage} when it is not.
  static std::unique_ptr<JobRecord> Inherit(const std::filesystem::path& home, std::string_view id,
                                            int lock);
  ~JobRecord();

  const std::string& id() const { return info_.id; }
  const JobInfo& info() const { return info_; }
  std::filesystem::path log_path() const { return folder_ / "log"; }
  int lock() const { return lock_; }

  // It runs now, in this process. Throws Error{kCancelled} when it was asked to stop before.
  void Start();

  // Written to disk at once the first time, then at most a few times a second. Thread safe.
  void SetProgress(const std::string& unit, std::int64_t done, std::int64_t total);

  void SetUrl(const std::string& url);  // written at once; thread safe

  void Succeed(std::vector<std::string> outputs);
  // Failed or cancelled, as the error says; nothing when the job has ended already. An error of
  // writing that down goes to the log only, since `error` is the one to tell of.
  void Fail(const Error& error);
  // Another process of the job ended, perhaps before it could write how the job did: `how`, as in
  // "was killed by SIGKILL".
  void NoteDeath(std::string_view how);

  void Remove();  // the record's folder, and with it the job's trace

 private:
  JobRecord() = default;
  void Write();
  void Finish();

  std::filesystem::path folder_;
  JobInfo info_;
  int lock_ = -1;
  std::mutex mutex_;
  Clock::time_point last_write_{};
};

}  // namespace windlass::job
