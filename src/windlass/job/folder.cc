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
  return JobInfo::FromJson(json, file);
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
