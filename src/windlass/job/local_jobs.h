// The jobs of this machine: $WINDLASS_HOME/jobs/<id>/.
#pragma once

#include <filesystem>

#include "windlass/job/source.h"

namespace windlass::job {

class LocalJobs final : public JobSource {
 public:
  explicit LocalJobs(const std::filesystem::path& home);

  // A record that cannot be read is left out with a warning.
  std::vector<JobSummary> List() override;
  JobInfo Find(std::string_view id) override;
  LogPiece ReadLog(std::string_view id, std::int64_t from) override;

  // SIGINT or SIGKILL to its process.
  void RequestStop(std::string_view id, bool force) override;

  // Removes jobs that ended before `before_ms`, and folders of that age which are no job's; gives
  // their names. What a process holds locked stays.
  std::vector<std::string> Prune(std::int64_t before_ms) override;

  std::filesystem::path LogPath(const std::string& id) const { return jobs_ / id / "log"; }

 private:
  std::vector<std::string> Folders() const;  // their names, sorted
  std::filesystem::path FolderOf(std::string_view id) const;
  bool RemoveUnreadable(const std::string& name, std::int64_t before_ms) const;

  std::filesystem::path jobs_;
};

}  // namespace windlass::job
