// What the store needs from a local file system: open folders, files put as a whole, short locks.
// Everything is reached through open folders and never through a symbolic link, so that whoever
// may write into a shared store folder cannot lead a write out of it.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace windlass::store::internal {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() { Reset(); }
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      Reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  void Reset();

 private:
  int fd_ = -1;
};

// Throws Error{kIo}: "cannot <doing> <path>: <errno in words>".
[[noreturn]] void ThrowIo(std::string_view doing, const std::filesystem::path& path);

// Nanoseconds since 1970 of a file's last change, and of now by the same clock.
std::int64_t ModifiedAt(const struct stat& status);
std::int64_t Now();

// A folder held open. Files are made 0600, folders 0700: results may be private.
class Folder {
 public:
  Folder() = default;
  // mkdir -p. Throws Error{kIo}.
  static Folder Make(const std::filesystem::path& path);

  // A folder in this one; nothing when it is missing (or is no folder) and `make` is false.
  // Throws Error{kIo} when it cannot be made or opened.
  std::optional<Folder> Sub(const std::string& name, bool make) const;

  int fd() const { return fd_.get(); }
  const std::filesystem::path& path() const { return path_; }

  // Names of the entries, sorted, without "." and "..". Throws Error{kIo}.
  std::vector<std::string> List() const;

  // lstat; nothing when there is no such entry. Throws Error{kIo}.
  std::optional<struct stat> Status(const std::string& name) const;

  // Opens a regular file for reading; an invalid Fd when there is none of that name (or it is
  // something else: a link, a folder, a pipe). Throws Error{kIo} for any other refusal.
  Fd OpenFile(const std::string& name) const;

  // Whether it was there. Throws Error{kIo}.
  bool Remove(const std::string& name) const;

  // fsync of the folder itself: its names. Throws Error{kIo}.
  void Sync() const;

 private:
  Folder(Fd fd, std::filesystem::path path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Fd fd_;
  std::filesystem::path path_;
};

// Reads up to `size` bytes at `offset`; fewer only at the end of the file. Throws Error{kIo}.
std::size_t ReadAt(int fd, char* out, std::size_t size, std::uint64_t offset,
                   const std::filesystem::path& path);
// Writes all of `content` at `offset`. Throws Error{kIo}.
void WriteAt(int fd, std::string_view content, std::uint64_t offset,
             const std::filesystem::path& path);

// A file that is being written in the store's folder `tmp`, unlinked on destruction unless it
// was moved to its place.
class TemporaryFile {
 public:
  explicit TemporaryFile(const Folder& tmp);
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  int fd() const { return fd_.get(); }
  std::filesystem::path path() const { return tmp_.path() / name_; }
  Fd TakeFd() { return std::move(fd_); }

  // Replaces what has the name. Throws Error{kIo}.
  void MoveTo(const Folder& folder, const std::string& name);
  // As an exclusive create (S3's If-None-Match: *): false when the name is taken.
  bool MoveToNew(const Folder& folder, const std::string& name);

 private:
  const Folder& tmp_;
  std::string name_;
  Fd fd_;
};

// flock on a file of the store, released on destruction and by the kernel when the process dies.
class FileLock {
 public:
  enum class Mode { kShared, kExclusive };
  // Waits at most `seconds`; nothing when the lock was not to be had. Throws Error{kIo}.
  static std::optional<FileLock> Take(const Folder& folder, const std::string& name, Mode mode,
                                      double seconds);

 private:
  explicit FileLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

// Whether a living process holds the file's lock. A probe; takes nothing.
bool IsLocked(int fd);

}  // namespace windlass::store::internal
