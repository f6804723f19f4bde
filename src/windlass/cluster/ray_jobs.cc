#include "windlass/cluster/ray_jobs.h"

#include <fmt/format.h>
#include <string.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <map>
#include <tuple>

#include "windlass/base/error.h"
#include "windlass/base/log.h"
#include "windlass/cluster/submitted.h"

namespace windlass::cluster {
namespace {

std::string TextOf(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::int64_t NumberOf(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_number() ? found->get<std::int64_t>() : 0;
}

// Ray's text in one line, without what only repeats the log.
std::string InOneLine(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  std::string line;
  for (const char c : text) {
    if (c != ' ' || !line.ends_with(' ')) line += c;
  }
  if (line.size() > 400) line = line.substr(0, 400) + " ...";
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

// The last line of a text that begins so, without that beginning; empty when none does.
std::string LastLineThatBegins(std::string_view text, std::string_view beginning) {
  std::string found;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (line.starts_with(beginning)) found = line.substr(beginning.size());
    if (end == text.npos) break;
    text.remove_prefix(end + 1);
  }
  return found;
}

// The last line that says something.
std::string LastWords(const std::string& text) {
  const auto end = text.find_last_not_of(" \r\n");
  if (end == text.npos) return "nothing";
  const auto line = text.rfind('\n', end);
  const std::size_t begin = line == text.npos ? 0 : line + 1;
  return text.substr(begin, end + 1 - begin);
}

std::string SignalName(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return fmt::format("SIG{}{}", name != nullptr ? name : std::to_string(signal),
                     signal == SIGKILL ? " (out of memory?)" : "");
}

std::string WhyFailed(const Json& details, const std::string& message) {
  const std::string type = TextOf(details, "error_type");
  if (type == "RUNTIME_ENV_SETUP_FAILURE") {
    return "Ray could not set up the job's environment: " + InOneLine(message);
  }
  if (type == "JOB_SUPERVISOR_ACTOR_DIED") {
    return "the node that ran its driver was lost, or the driver's supervisor: " +
           InOneLine(message);
  }
  if (type == "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE") {
    return "the cluster has no node for its driver: " + InOneLine(message);
  }
  return InOneLine(message);
}

// How the job ended whose driver did: by Ray's status, its driver's exit code and last words.
void ReadFailure(const Json& details, job::JobInfo& info) {
  const std::string message = TextOf(details, "message");
  const auto code = details.find("driver_exit_code");
  if (code == details.end() || !code->is_number_integer()) {
    info.state = job::JobState::kDied;
    info.error = WhyFailed(details, message);
    // Trying again will not mend it.
    if (TextOf(details, "error_type") == "RUNTIME_ENV_SETUP_FAILURE") {
      info.state = job::JobState::kFailed;
      info.failure = 1;
    }
    return;
  }
  const int exit = code->get<int>();
  const int signal = exit < 0 ? -exit : exit > 128 && exit != 130 ? exit - 128 : 0;
  if (signal != 0) {
    info.state = job::JobState::kDied;
    info.error = fmt::format("its driver was killed by {}", SignalName(signal));
    return;
  }
  info.error = LastLineThatBegins(message, "windlass: ");
  if (exit == 130) {
    info.state = job::JobState::kCancelled;
    return;
  }
  info.state = job::JobState::kFailed;
  info.failure = exit == 2 ? 2 : 1;
  if (message.find("No module named windlass") != message.npos ||
      message.find("No module named 'windlass") != message.npos) {
    const auto environment = details.find("runtime_env");
    const bool wheel = environment != details.end() && environment->is_object() &&
                       environment->contains("py_modules");
    info.error =
        wheel ? "the wheel that travelled with the job is none for the cluster's Python; one for "
                "its version is needed"
              : "the cluster's Python has no windlass: use an image that has it "
                "(deploy/Dockerfile), or let the wheel travel with the job (?wheel=FILE)";
    info.error += fmt::format(" ({})", InOneLine(LastWords(message)));
    info.failure = 2;
  }
  if (info.error.empty() && exit == 127) {
    info.error =
        "the cluster has no such Python: ?python=PATH names another; " + InOneLine(message);
    info.failure = 2;
  }
  if (info.error.empty()) {
    info.error =
        fmt::format("its driver ended with exit code {}: {}", exit, InOneLine(LastWords(message)));
  }
}

}  // namespace

void ReadState(const Json& details, job::JobInfo& info) {
  info.started_ms = NumberOf(details, "start_time");
  info.finished_ms = NumberOf(details, "end_time");
  const std::string status = TextOf(details, "status");
  if (status == "PENDING") {
    info.state = job::JobState::kPending;
    info.waits_for = "Ray to start its driver: " + InOneLine(TextOf(details, "message"));
  } else if (status == "RUNNING") {
    info.state = job::JobState::kRunning;
  } else if (status == "SUCCEEDED") {
    info.state = job::JobState::kSucceeded;
  } else if (status == "STOPPED") {
    info.state = job::JobState::kCancelled;
    info.error = "stopped";
  } else {
    ReadFailure(details, info);
  }
}

std::optional<job::JobInfo> JobOf(const Json& details) {
  if (!details.is_object()) return std::nullopt;
  const auto metadata = details.find("metadata");
  if (metadata == details.end() || !metadata->is_object()) return std::nullopt;
  const std::string text = TextOf(*metadata, std::string(kJobMetadata).c_str());
  const Json ours = Json::parse(text, nullptr, false);
  job::JobInfo info;
  info.id = TextOf(details, "submission_id");
  if (!ours.is_object() || info.id.empty()) return std::nullopt;
  info.kind = TextOf(ours, "kind");
  info.out = TextOf(ours, "out");
  info.restarts = NumberOf(ours, "restarts");
  info.restart_of = TextOf(ours, "restart_of");
  info.spec = ours.value("spec", Json::object());
  info.run = ours.value("run", Json::object());
  ReadState(details, info);
  if (info.started_ms == 0) info.started_ms = NumberOf(ours, "submitted_ms");
  return info;
}

void AddRecord(job::JobInfo& info, const job::JobInfo& record) {
  info.unit = record.unit;
  info.done = record.done;
  info.total = record.total;
  info.url = record.url;
  info.process = record.process;
  if (info.spec.empty()) info.spec = record.spec;
  if (info.state == job::JobState::kRunning && record.state == job::JobState::kPending) {
    info.state = job::JobState::kPending;
  }
  if (info.state == job::JobState::kFailed && record.state == job::JobState::kFailed) {
    info.error = record.error;
    info.failure = record.failure;
  }
  if (info.state == job::JobState::kDied && !record.ended()) {
    info.error += " " + HowFar(record);
  }
}

RayJobs::RayJobs(const RayEngine& engine, std::unique_ptr<JobHome> home)
    : engine_(engine), api_(engine), home_(std::move(home)) {}

std::optional<job::JobInfo> RayJobs::Record(std::string_view id) {
  if (!home_) return std::nullopt;
  try {
    return home_->Record(id);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kCancelled) throw;
    return std::nullopt;  // Ray's word is the one that counts
  }
}

std::vector<job::JobSummary> RayJobs::List() {
  std::vector<job::JobInfo> jobs;
  std::map<std::string, Json> living;
  for (const Json& details : api_.List()) {
    if (auto job = JobOf(details)) {
      if (!job->ended()) living.emplace(job->id, details);
      jobs.push_back(std::move(*job));
    }
  }
  if (home_ && !jobs.empty()) {
    try {
      const auto records = home_->Records();
      for (job::JobInfo& job : jobs) {
        const auto record = std::ranges::find(records, job.id, &job::JobInfo::id);
        if (record != records.end()) AddRecord(job, *record);
      }
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kCancelled) throw;
      Log(LogLevel::kWarning, fmt::format("progress is not known: {}", error.what()));
    }
  }
  for (job::JobInfo& job : jobs) {
    if (!job.ended()) LookForWorkers(living.at(job.id), job);
  }
  for (job::JobInfo& kept : AllSubmitted(engine_.url)) {
    if (std::ranges::find(jobs, kept.id, &job::JobInfo::id) == jobs.end()) {
      jobs.push_back(Forgotten(std::move(kept), engine_.url));
    }
  }
  std::ranges::sort(jobs, [](const job::JobInfo& a, const job::JobInfo& b) {
    return std::tie(a.started_ms, a.id) > std::tie(b.started_ms, b.id);
  });
  return {jobs.begin(), jobs.end()};
}

std::string RayJobs::WholeId(std::string_view id) {
  std::vector<std::string> ids, found;
  for (const Json& details : api_.List()) {
    if (const auto job = JobOf(details)) ids.push_back(job->id);
  }
  for (const std::string& one : ids) {
    if (one == id) return one;
    if (!id.empty() && one.starts_with(id)) found.push_back(one);
  }
  if (found.size() == 1) return found.front();
  if (!found.empty()) {
    throw Error(
        ErrorCode::kNotFound,
        fmt::format("\"{}\" is the beginning of {} jobs; give more of the id", id, found.size()));
  }
  const std::string nearest = NearestName(id, ids);
  throw Error(ErrorCode::kNotFound,
              fmt::format("the cluster at {} knows no job \"{}\"{}", engine_.url, id,
                          nearest.empty()
                              ? "; it forgets its jobs when its head is replaced, and what they "
                                "finished stays remembered"
                              : fmt::format("; did you mean \"{}\"?", nearest)));
}

void RayJobs::LookForWorkers(const Json& details, job::JobInfo& info) {
  const bool begun = info.state == job::JobState::kRunning && info.done > 0;
  const bool driven = info.state == job::JobState::kRunning || info.waits_for.empty();
  if (info.ended() || begun || !driven) return;
  const std::string ray_job = TextOf(details, "job_id");
  const auto workers = ray_job.empty() ? std::nullopt : api_.CountWorkers(ray_job);
  if (!workers || workers->all == 0) {  // it has not come to that
    if (info.state == job::JobState::kPending) info.waits_for = "its driver to begin";
    return;
  }
  // The first word of "4" and "4:64"; 0 is as many as there are.
  const std::string wanted = TextOf(info.run, "workers");
  const std::int64_t least = std::max(1, std::atoi(wanted.c_str()));
  if (workers->running >= std::min(least, workers->all)) return;
  info.state = job::JobState::kPending;
  info.waits_for = fmt::format("workers: {} of {} (-w {}) have started", workers->running, least,
                               wanted.empty() ? "0" : wanted);
  const Json usage = api_.Usage();
  for (const auto& [name, pair] : usage.items()) {
    if ((name != "CPU" && name != "GPU") || !pair.is_array() || pair.size() != 2) continue;
    info.waits_for += fmt::format("; {} of the cluster's {} {}s are in use", pair[0].get<double>(),
                                  pair[1].get<double>(), name);
  }
}

job::JobInfo RayJobs::Find(std::string_view id) {
  std::optional<Json> details;
  if (id.size() >= 22) {  // a whole one
    CheckJobId(id);
    details = api_.Find(id);
  }
  if (!details) {
    try {
      details = api_.Find(WholeId(id));
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kNotFound) throw;
      auto kept = FindSubmitted(id);
      if (!kept) throw;
      return Forgotten(*std::move(kept), engine_.url);
    }
  }
  std::optional<job::JobInfo> info = details ? JobOf(*details) : std::nullopt;
  if (!info) {
    throw Error(ErrorCode::kNotFound,
                fmt::format("job {} of the cluster at {} is none of Windlass", id, engine_.url));
  }
  if (const auto record = Record(info->id)) AddRecord(*info, *record);
  LookForWorkers(*details, *info);
  return *std::move(info);
}

job::JobSource::LogPiece RayJobs::ReadLog(std::string_view id, std::int64_t from) {
  LogPiece piece;
  std::string whole(id);
  auto details = api_.Find(whole);
  if (!details) {
    whole = WholeId(id);
    details = api_.Find(whole);
  }
  job::JobInfo info;
  if (details) ReadState(*details, info);
  piece.last = info.ended();  // looked at before the log is read
  piece.text = api_.Log(whole);
  piece.text.erase(0, std::min<std::size_t>(static_cast<std::size_t>(from), piece.text.size()));
  return piece;
}

void RayJobs::RequestStop(std::string_view id, bool) { api_.Stop(Find(id).id); }

std::vector<std::string> RayJobs::Prune(std::int64_t before_ms) {
  std::vector<std::string> removed;
  for (const job::JobSummary& job : List()) {
    if (!job.ended() || (job.finished_ms != 0 ? job.finished_ms : job.started_ms) >= before_ms) {
      continue;
    }
    if (api_.Find(job.id)) api_.Delete(job.id);
    DropSubmitted(job.id);
    if (home_) home_->Remove(job.id, /*record=*/true);
    removed.push_back(job.id);
  }
  return removed;
}

}  // namespace windlass::cluster
