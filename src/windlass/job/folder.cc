#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/job/folder_internal.h"

namespace windlass::job {

std::filesystem::path JobsFolder(const std::filesystem::path& home) { return home / "jobs"; }

bool IsLocked(const std::filesystem::path& folder) {
  const int fd = ::open((folder / "lock").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool free = ::flock(fd, LOCK_SH | LOCK_NB) == 0;
  ::close(fd);
  return !free;
}

JobInfo ReadRecord(const std::filesystem::path& folder) {
  const std::string file = (folder / "job.json").string();
  const Json json = ParseJson(ReadFile(file), file);
  JobInfo info;
  try {
    info.id = json.at("id");
    info.kind = json.at("kind");
    const std::string state = json.at("state");
    if (!FindJobState(state)) {
      throw Error(ErrorCode::kCorrupt, fmt::format("{}: unknown state \"{}\"", file, state));
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
    if (info.run.is_object()) info.out = info.run.value("out", "");
    if (info.state == JobState::kFailed) info.failure = json.value("exit_code", 1);
    if (const auto process = json.find("process"); process != json.end()) {
      info.process = {process->at("pid"), process->at("begun"), process->at("host")};
    }
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::kCorrupt, fmt::format("{}: not a job record ({})", file, error.what()));
  }
  return info;
}

JobInfo ReadJob(const std::filesystem::path& folder) {
  JobInfo info = ReadRecord(folder);
  if (!info.ended() && !IsLocked(folder)) {
    // Its last word may have come between the two looks.
    info = ReadRecord(folder);
    if (!info.ended()) SetDied(info, folder, "ended without a word");
  }
  if (info.state == JobState::kPending) info.waits_for = "its process to start";
  return info;
}

void SetDied(JobInfo& info, const std::filesystem::path& folder, std::string_view how) {
  const bool asked = WasAskedToStop(folder);
  info.error =
      fmt::format("{}its process {} {}", asked ? "asked to stop, " : "", how, HowFar(info));
  info.state = asked ? JobState::kCancelled : JobState::kDied;
}

bool WasAskedToStop(const std::filesystem::path& folder) {
  std::error_code unreadable;
  return std::filesystem::exists(folder / "stop", unreadable);
}

}  // namespace windlass::job
