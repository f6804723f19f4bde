#include "windlass/job/info.h"

#include <fmt/format.h>

#include <chrono>

#include "windlass/base/error.h"

namespace windlass::job {

std::string_view JobStateName(JobState state) {
  switch (state) {
    case JobState::kPending: return "pending";
    case JobState::kRunning: return "running";
    case JobState::kSucceeded: return "succeeded";
    case JobState::kFailed: return "failed";
    case JobState::kCancelled: return "cancelled";
    case JobState::kDied: return "died";
  }
  return "failed";
}

std::optional<JobState> FindJobState(std::string_view name) {
  for (const JobState state : kJobStates) {
    if (JobStateName(state) == name) return state;
  }
  return std::nullopt;
}

bool JobSummary::resumable() const {
  return state == JobState::kDied || state == JobState::kCancelled ||
         (state == JobState::kFailed && failure != 2);
}

int JobSummary::exit_code() const {
  if (state == JobState::kCancelled) return 130;
  if (state == JobState::kFailed) return failure;
  return state == JobState::kDied ? 1 : 0;
}

Json JobSummary::ToJson() const {
  return {{"id", id},
          {"kind", kind},
          {"state", JobStateName(state)},
          {"started_ms", started_ms},
          {"finished_ms", finished_ms},
          {"done", done},
          {"total", total},
          {"restarts", restarts},
          {"exit_code", ended() ? Json(exit_code()) : Json()},
          {"error", error},
          {"out", out},
          {"resumable", resumable()}};
}

Json JobInfo::ToJson() const {
  Json json = JobSummary::ToJson();
  json["unit"] = unit;
  json["waits_for"] = waits_for;
  json["url"] = url;
  json["restart_of"] = restart_of;
  json["process"] = {{"pid", process.pid}, {"begun", process.begun}, {"host", process.host}};
  json["spec"] = spec;
  json["run"] = run;
  json["outputs"] = outputs;
  return json;
}

JobInfo JobInfo::FromJson(const Json& json, std::string_view what) {
  JobInfo info;
  try {
    info.id = json.at("id");
    info.kind = json.at("kind");
    const std::string state = json.at("state");
    if (!FindJobState(state)) {
      throw Error(ErrorCode::kCorrupt, fmt::format("{}: unknown state \"{}\"", what, state));
    }
    info.state = *FindJobState(state);
    info.started_ms = json.at("started_ms");
    info.finished_ms = json.at("finished_ms");
    info.done = json.at("done");
    info.total = json.at("total");
    info.error = json.at("error");
    info.spec = json.at("spec");
    info.run = json.at("run");
    info.outputs = json.at("outputs").get<std::vector<std::string>>();
    // The first records had nothing of the following.
    info.unit = json.value("unit", "");
    info.restarts = json.value("restarts", std::int64_t{0});
    info.restart_of = json.value("restart_of", "");
    info.url = json.value("url", "");
    if (info.run.is_object()) info.out = info.run.value("out", "");
    if (info.state == JobState::kFailed) info.failure = json.value("exit_code", 1);
    if (const auto process = json.find("process"); process != json.end()) {
      info.process = {process->at("pid"), process->at("begun"), process->at("host")};
    }
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::kCorrupt, fmt::format("{}: not a job record ({})", what, error.what()));
  }
  return info;
}

std::string HowFar(const JobInfo& info) {
  if (info.state == JobState::kPending) return "before it began";
  if (info.total > 0) return fmt::format("at {} %", 100 * info.done / info.total);
  return info.done > 0 ? fmt::format("after {} {}", info.done, info.unit) : "at the start";
}

std::int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace windlass::job
