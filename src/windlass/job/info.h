// What is known of a job, wherever it runs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/base/json.h"
#include "windlass/base/process.h"

namespace windlass::job {

enum class JobState { kPending, kRunning, kSucceeded, kFailed, kCancelled, kDied };
inline constexpr JobState kJobStates[] = {JobState::kPending,   JobState::kRunning,
                                          JobState::kSucceeded, JobState::kFailed,
                                          JobState::kCancelled, JobState::kDied};

std::string_view JobStateName(JobState state);
std::optional<JobState> FindJobState(std::string_view name);

// What a list shows.
struct JobSummary {
  std::string id;
  std::string kind;
  JobState state = JobState::kPending;
  std::int64_t started_ms = 0;   // since 1970, UTC
  std::int64_t finished_ms = 0;  // 0 while it runs, and where nobody saw it end
  std::int64_t done = 0;         // units of progress
  std::int64_t total = 0;        // 0: not known
  std::int64_t restarts = 0;     // how often this spec was begun again before
  int failure = 0;               // the exit code of a failed job: 1, or 2 for the user's errors
  std::string error;
  std::string out;

  bool ended() const { return state != JobState::kPending && state != JobState::kRunning; }
  // Whether running it again, as it is, may succeed.
  bool resumable() const;
  // What the command that ran it returned or would have returned: 0, 1, 2 or 130.
  int exit_code() const;

  Json ToJson() const;
};

struct JobInfo : JobSummary {
  std::string unit;        // of progress, as "rows"; empty until it is counted
  std::string waits_for;   // of a pending job, in words
  std::string url;         // of a service, once it answers there
  std::string restart_of;  // the job whose spec this one began again
  ProcessId process;       // that runs it
  Json spec;               // as the user gave it, normalised
  Json run;                // workers, batch, engine, out, memo, folder, plugins
  std::vector<std::string> outputs;

  Json ToJson() const;
  // The inverse. `what` names the document in errors. Throws Error{kCorrupt}.
  static JobInfo FromJson(const Json& json, std::string_view what);
};

// How far a job that has not ended is, for a sentence: "at 43 %", "after 1203 rows", "before it
// began", "at the start".
std::string HowFar(const JobInfo& info);

std::int64_t NowMs();

}  // namespace windlass::job
