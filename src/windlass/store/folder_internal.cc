#include "windlass/store/folder_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "windlass/base/error.h"
#include "windlass/base/file.h"

namespace windlass::store::internal {
namespace {

constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

void MakeParents(const std::filesystem::path& path) {
  if (path.empty() || ::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return;
  if (errno != ENOENT || path == path.parent_path()) ThrowIo("make the folder", path);
  MakeParents(path.parent_path());
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) ThrowIo("make the folder", path);
}

}  // namespace

void Fd::Reset() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void ThrowIo(std::string_view doing, const std::filesystem::path& path) {
  const int error = errno;
  throw Error(ErrorCode::kIo,
              fmt::format("cannot {} {}: {}", doing, path.string(), std::strerror(error)));
}

std::int64_t ModifiedAt(const struct stat& status) {
  return std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
}

std::int64_t Now() {
  // The coarse clock is the one that file systems stamp files with.
  struct timespec now {};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

Folder Folder::Make(const std::filesystem::path& path) {
  std::filesystem::path full = std::filesystem::absolute(path).lexically_normal();
  if (!full.has_filename()) full = full.parent_path();  // "store/"
  MakeParents(full);
  Fd fd(::open(full.c_str(), kFolderFlags));
  if (!fd.valid()) ThrowIo("open the folder", full);
  return Folder(std::move(fd), full);
}

std::optional<Folder> Folder::Sub(const std::string& name, bool make) const {
  Fd fd(::openat(fd_.get(), name.c_str(), kFolderFlags | O_NOFOLLOW));
  if (!fd.valid() && errno == ENOENT && make) {
    if (::mkdirat(fd_.get(), name.c_str(), 0700) != 0 && errno != EEXIST) {
      ThrowIo("make the folder", path_ / name);
    }
    fd = Fd(::openat(fd_.get(), name.c_str(), kFolderFlags | O_NOFOLLOW));
  }
  if (!fd.valid()) {
    const bool none = errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
    if (none && !make) return std::nullopt;
    ThrowIo("open the folder", path_ / name);
  }
  return Folder(std::move(fd), path_ / name);
}

std::vector<std::string> Folder::List() const {
  const int own = ::openat(fd_.get(), ".", kFolderFlags);  // its own position in the folder
  DIR* stream = own < 0 ? nullptr : ::fdopendir(own);
  if (stream == nullptr) {
    if (own >= 0) ::close(own);
    ThrowIo("list the folder", path_);
  }
  std::vector<std::string> names;
  errno = 0;
  while (const struct dirent* entry = ::readdir(stream)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  const int error = errno;
  ::closedir(stream);
  errno = error;
  if (error != 0) ThrowIo("list the folder", path_);
  std::ranges::sort(names);
  return names;
}

std::optional<struct stat> Folder::Status(const std::string& name) const {
  struct stat status {};
  if (::fstatat(fd_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return status;
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  ThrowIo("look at", path_ / name);
}

Fd Folder::OpenFile(const std::string& name) const {
  // O_NONBLOCK: a pipe planted under the name must not block us.
  Fd fd(::openat(fd_.get(), name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd.valid()) {
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == ENXIO) return Fd();
    ThrowIo("open", path_ / name);
  }
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) ThrowIo("look at", path_ / name);
  if (!S_ISREG(status.st_mode)) return Fd();
  return fd;
}

bool Folder::Remove(const std::string& name) const {
  if (::unlinkat(fd_.get(), name.c_str(), 0) == 0) return true;
  if (errno == ENOENT) return false;
  ThrowIo("remove", path_ / name);
}

void Folder::Sync() const {
  if (::fsync(fd_.get()) != 0) ThrowIo("sync the folder", path_);
}

std::size_t ReadAt(int fd, char* out, std::size_t size, std::uint64_t offset,
                   const std::filesystem::path& path) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got = ::pread(fd, out + done, size - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) ThrowIo("read", path);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

void WriteAt(int fd, std::string_view content, std::uint64_t offset,
             const std::filesystem::path& path) {
  while (!content.empty()) {
    const ssize_t wrote = ::pwrite(fd, content.data(), content.size(), static_cast<off_t>(offset));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) ThrowIo("write", path);
    content.remove_prefix(static_cast<std::size_t>(wrote));
    offset += static_cast<std::uint64_t>(wrote);
  }
}

TemporaryFile::TemporaryFile(const Folder& tmp) : tmp_(tmp), name_(UniqueName()) {
  fd_ = Fd(::openat(tmp.fd(), name_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd_.valid()) {
    const std::string failed = std::exchange(name_, std::string());
    ThrowIo("write", tmp.path() / failed);
  }
}

TemporaryFile::~TemporaryFile() {
  if (!name_.empty()) ::unlinkat(tmp_.fd(), name_.c_str(), 0);
}

void TemporaryFile::MoveTo(const Folder& folder, const std::string& name) {
  if (::renameat(tmp_.fd(), name_.c_str(), folder.fd(), name.c_str()) != 0) {
    ThrowIo("write", folder.path() / name);
  }
  name_.clear();
}

bool TemporaryFile::MoveToNew(const Folder& folder, const std::string& name) {
  if (::linkat(tmp_.fd(), name_.c_str(), folder.fd(), name.c_str(), 0) == 0) return true;
  if (errno == EEXIST) return false;
  ThrowIo("write", folder.path() / name);
}

std::optional<FileLock> FileLock::Take(const Folder& folder, const std::string& name, Mode mode,
                                       double seconds) {
  // A description of its own for every lock: threads of one process exclude each other, too.
  Fd fd(::openat(folder.fd(), name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) ThrowIo("open the lock", folder.path() / name);
  const int operation = (mode == Mode::kShared ? LOCK_SH : LOCK_EX) | LOCK_NB;
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (::flock(fd.get(), operation) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) ThrowIo("lock", folder.path() / name);
    if (std::chrono::steady_clock::now() >= give_up) return std::nullopt;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return FileLock(std::move(fd));
}

bool IsLocked(int fd) {
  if (::flock(fd, LOCK_SH | LOCK_NB) != 0) return true;
  ::flock(fd, LOCK_UN);
  return false;
}

}  // namespace windlass::store::internal
