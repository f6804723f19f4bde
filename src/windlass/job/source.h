// Where jobs are: this machine's records, or a cluster.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/job/info.h"

namespace windlass::job {

// A job is named by its id or a beginning of it that no other job shares; an unknown one throws
// Error{kNotFound}.
class JobSource {
 public:
  virtual ~JobSource() = default;

  // Newest first.
  virtual std::vector<JobSummary> List() = 0;

  virtual JobInfo Find(std::string_view id) = 0;

  struct LogPiece {
    std::string text;
    bool last = false;  // nothing will follow
  };
  // The log from its byte `from` on.
  virtual LogPiece ReadLog(std::string_view id, std::int64_t from) = 0;

  // Removes jobs that ended before `before_ms`, and what is left of others of that age; gives
  // their ids.
  virtual std::vector<std::string> Prune(std::int64_t before_ms) = 0;

  // Between two looks at a job that goes on.
  virtual std::chrono::milliseconds longest_pause() const { return std::chrono::milliseconds(200); }

  // Asks a job to stop, or, with `force`, ends it; returns at once. Asking again does nothing.
  virtual void RequestStop(std::string_view id, bool force) = 0;
};

// Gives the log to `write` as it grows, until the job has ended. Throws Error{kCancelled}.
JobInfo FollowLog(JobSource& source, std::string_view id,
                  const std::function<void(std::string_view)>& write);

// Waits until the job has ended; `look` sees it again and again. Throws Error{kDeadlineExceeded,
// kCancelled}.
JobInfo WaitForJob(JobSource& source, std::string_view id, std::chrono::milliseconds timeout,
                   const std::function<void(const JobInfo&)>& look = {});

struct StopResult {
  JobInfo job;
  bool had_ended = false;  // before it was asked
  bool forced = false;
};
// Asks the job to stop, ends it when it has not after `timeout`, and waits until it has ended.
StopResult StopJob(JobSource& source, std::string_view id, std::chrono::milliseconds timeout);

}  // namespace windlass::job
