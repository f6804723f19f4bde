#include "windlass/job/local_jobs.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <tuple>

#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/base/log.h"
#include "windlass/job/folder_internal.h"
#include "windlass/job/index_internal.h"

namespace windlass::job {
namespace {

// A folder without a record may be one of a job that just begins.
constexpr std::int64_t kBeginningMs = 60'000;

void RemoveFolder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::remove_all(folder, error);
  if (error) {
    throw Error(ErrorCode::kIo,
                fmt::format("cannot remove {}: {}", folder.string(), error.message()));
  }
}

}  // namespace

LocalJobs::LocalJobs(const std::filesystem::path& home) : jobs_(JobsFolder(home)) {}

std::vector<std::string> LocalJobs::Folders() const {
  std::vector<std::string> names;
  // Not by std::filesystem, which makes a path of each.
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(jobs_.c_str()), ::closedir);
  if (folder == nullptr) return names;  // nothing ran here yet
  std::error_code unreadable;
  while (const dirent* entry = ::readdir(folder.get())) {
    const std::string_view name = entry->d_name;
    if (name.starts_with('.')) continue;
    if (entry->d_type == DT_DIR ||
        (entry->d_type == DT_UNKNOWN && std::filesystem::is_directory(jobs_ / name, unreadable))) {
      names.emplace_back(name);
    }
  }
  std::ranges::sort(names);
  return names;
}

std::vector<JobSummary> LocalJobs::List() {
  JobIndex index(jobs_);
  std::vector<JobSummary> jobs = index.Read();
  const std::vector<std::string> names = Folders();
  auto name = names.begin();
  std::vector<std::string> unknown;
  std::erase_if(jobs, [&](const JobSummary& job) {  // those that were removed since
    for (; name != names.end() && *name < job.id; ++name) unknown.push_back(*name);
    if (name == names.end() || *name != job.id) return true;
    ++name;
    return false;
  });
  unknown.insert(unknown.end(), name, names.end());
  std::vector<JobSummary> read;
  for (const std::string& folder : unknown) {
    try {
      read.push_back(ReadJob(jobs_ / folder));
    } catch (const Error& error) {
      // Some are about to have a record, some are being removed.
      if (error.code() == ErrorCode::kNotFound) continue;
      Log(LogLevel::kWarning, fmt::format("left out a job: {}", error.what()));
    }
  }
  // Those that died unseen are not in the index: their record may yet be given a reason.
  std::vector<const JobSummary*> ended;
  for (const JobSummary& job : read) {
    if (job.finished_ms != 0) ended.push_back(&job);
  }
  index.Append(ended);
  index.Tidy(jobs);
  jobs.insert(jobs.end(), std::move_iterator(read.begin()), std::move_iterator(read.end()));
  std::ranges::reverse(jobs);  // ids begin with the time: nearly in order now
  const auto newer = [](const JobSummary& a, const JobSummary& b) {
    return std::tie(a.started_ms, a.id) > std::tie(b.started_ms, b.id);
  };
  if (!std::ranges::is_sorted(jobs, newer)) std::ranges::sort(jobs, newer);
  return jobs;
}

std::filesystem::path LocalJobs::FolderOf(std::string_view id) const {
  const bool plain = !id.empty() && !id.starts_with('.') && id.find('/') == id.npos;
  std::error_code unreadable;
  if (plain && std::filesystem::is_directory(jobs_ / id, unreadable)) return jobs_ / id;
  const auto names = Folders();
  std::vector<std::string> found;
  for (const std::string& name : names) {
    if (!id.empty() && name.starts_with(id)) found.push_back(name);
  }
  if (found.size() == 1) return jobs_ / found.front();
  if (!found.empty()) {
    throw Error(
        ErrorCode::kNotFound,
        fmt::format("\"{}\" is the beginning of {} jobs; give more of the id", id, found.size()));
  }
  const std::string nearest = NearestName(id, names);
  throw Error(ErrorCode::kNotFound,
              fmt::format("there is no job \"{}\"{}", id,
                          nearest.empty() ? "; windlass job list shows those there are"
                                          : fmt::format("; did you mean \"{}\"?", nearest)));
}

JobInfo LocalJobs::Find(std::string_view id) { return ReadJob(FolderOf(id)); }

JobSource::LogPiece LocalJobs::ReadLog(std::string_view id, std::int64_t from) {
  const std::filesystem::path folder = FolderOf(id);
  LogPiece piece;
  piece.last = !IsLocked(folder);  // looked at before the log is read
  const int fd = ::open((folder / "log").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return piece;
  if (fd < 0) {
    throw Error(ErrorCode::kIo,
                fmt::format("cannot open {}: {}", (folder / "log").string(), std::strerror(errno)));
  }
  struct stat status {};
  if (::fstat(fd, &status) == 0 && status.st_size > from) {
    piece.text.resize(static_cast<std::size_t>(status.st_size - from));
    const ssize_t got = ::pread(fd, piece.text.data(), piece.text.size(), from);
    piece.text.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  }
  ::close(fd);
  return piece;
}

void LocalJobs::RequestStop(std::string_view id, bool force) {
  const std::filesystem::path folder = FolderOf(id);
  const auto send = [&folder](int signal) {
    const JobInfo info = ReadJob(folder);
    if (info.ended() || info.process.pid == 0) return;
    WithContext([&] { SendSignal(info.process, signal); },
                [&] { return "stopping job " + info.id; });
  };
  send(0);  // may it be signalled from here at all?
  // The wish is written down before the job is looked at, and the job, once its process is written
  // down, looks for a wish: one of the two sees the other.
  const int fd = ::open((folder / "stop").c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd >= 0) ::close(fd);
  if (fd < 0 && errno != EEXIST) {
    throw Error(ErrorCode::kIo, fmt::format("cannot write {}: {}", (folder / "stop").string(),
                                            std::strerror(errno)));
  }
  if (force) {
    send(SIGKILL);
  } else if (fd >= 0) {  // a second SIGINT would end it before it could tidy up
    send(SIGINT);
  }
}

bool LocalJobs::RemoveUnreadable(const std::string& name, std::int64_t before_ms) const {
  const std::filesystem::path folder = jobs_ / name;
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0) return false;
  const std::int64_t changed =
      std::int64_t{status.st_mtim.tv_sec} * 1000 + status.st_mtim.tv_nsec / 1'000'000;
  if (changed >= std::min(before_ms, NowMs() - kBeginningMs) || IsLocked(folder)) return false;
  RemoveFolder(folder);
  return true;
}

std::vector<std::string> LocalJobs::Prune(std::int64_t before_ms) {
  std::vector<std::string> listed;
  std::vector<std::string> removed;
  for (const JobSummary& job : List()) {
    listed.push_back(job.id);
    if (!job.ended()) continue;
    if ((job.finished_ms != 0 ? job.finished_ms : job.started_ms) >= before_ms) continue;
    if (IsLocked(jobs_ / job.id)) continue;  // the process still prints its result
    RemoveFolder(jobs_ / job.id);
    removed.push_back(job.id);
  }
  std::ranges::sort(listed);
  for (const std::string& name : Folders()) {
    if (std::ranges::binary_search(listed, name)) continue;
    if (RemoveUnreadable(name, before_ms)) removed.push_back(name);
  }
  return removed;
}

}  // namespace windlass::job
