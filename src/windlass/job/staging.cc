#include "windlass/job/staging.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/sync_point.h"

namespace windlass::job {
namespace {

void Rename(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::error_code error;
  std::filesystem::rename(from, to, error);
  if (error) {
    throw Error(ErrorCode::kIo, fmt::format("cannot write {}: {}", to.string(), error.message()));
  }
}

// The lock that the folder's process holds for as long as it lives; -1 when another has it.
int Lock(const std::filesystem::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (fd >= 0 && ::flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  if (fd >= 0) ::close(fd);
  return -1;
}

}  // namespace

Staging::Staging(std::filesystem::path out) : out_(std::move(out)) {
  std::error_code unreadable;
  const auto status = std::filesystem::status(out_, unreadable);
  if (std::filesystem::exists(status) && !std::filesystem::is_directory(status)) {
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("--out {}: a file of that name exists; a folder was expected", out_.string()));
  }
  created_ = !std::filesystem::exists(status);
  MakeFolders(out_);
  RemoveAbandoned();
  try {
    folder_.emplace(out_);  // inside: the same file system, so that renaming works
    lock_ = Lock(folder_->path());
  } catch (...) {
    folder_.reset();
    Remove();
    throw;
  }
}

Staging::~Staging() {
  folder_.reset();
  if (lock_ >= 0) ::close(lock_);
  Remove();
}

std::filesystem::path Staging::Add(std::string_view name) {
  if (std::ranges::find(names_, name) == names_.end()) names_.emplace_back(name);
  return folder_->path() / name;
}

std::vector<std::string> Staging::Commit() {
  std::vector<std::string> committed;
  std::size_t done = 0;
  try {
    for (; done < names_.size(); ++done) {
      SyncPoint("job.commit");
      const std::string& name = names_[done];
      const auto there = std::filesystem::symlink_status(out_ / name);
      if (std::filesystem::is_directory(there)) {
        throw Error(ErrorCode::kIo, fmt::format("cannot write {}: a folder of that name exists",
                                                (out_ / name).string()));
      }
      if (std::filesystem::exists(there)) Rename(out_ / name, Replaced(name));
      try {
        Rename(folder_->path() / name, out_ / name);
      } catch (...) {
        PutBack(name);
        throw;
      }
      committed.push_back((out_ / name).string());
    }
  } catch (...) {
    while (done > 0) PutBack(names_[--done]);
    throw;
  }
  created_ = false;
  return committed;
}

std::filesystem::path Staging::Replaced(const std::string& name) const {
  return folder_->path() / (name + ".replaced");
}

// Removes what processes that were killed left in the output folder.
void Staging::RemoveAbandoned() const {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(out_, ignored)) {
    const std::string name = entry.path().filename().string();
    constexpr std::string_view kPrefix = "windlass-";  // of TemporaryFolder
    if (!name.starts_with(kPrefix) || name.size() != kPrefix.size() + 32 ||
        name.find_first_not_of("0123456789abcdef", kPrefix.size()) != std::string::npos) {
      continue;
    }
    if (const int lock = Lock(entry.path()); lock >= 0) {
      std::filesystem::remove_all(entry.path(), ignored);
      ::close(lock);
    }
  }
}

void Staging::PutBack(const std::string& name) {
  std::error_code ignored;  // the first failure is the one to tell of
  std::filesystem::remove(out_ / name, ignored);
  std::filesystem::rename(Replaced(name), out_ / name, ignored);
}

void Staging::Remove() {
  std::error_code ignored;
  if (created_) std::filesystem::remove(out_, ignored);  // only when empty: ours alone
}

}  // namespace windlass::job
