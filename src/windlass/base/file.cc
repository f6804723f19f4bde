#include "windlass/base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "windlass/base/descriptor.h"
#include "windlass/base/error.h"

namespace windlass {
namespace {

// What is read whole is a model or a document; a model of ONNX ends at 2 GiB by its format.
constexpr std::int64_t kLargestRead = std::int64_t{1} << 31;

[[noreturn]] void ThrowErrno(std::string_view doing, const std::filesystem::path& path) {
  const int error = errno;
  const auto code = error == ENOENT || error == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo;
  throw Error(code, fmt::format("cannot {} {}: {}", doing, path.string(), std::strerror(error)));
}

}  // namespace

std::string ReadFile(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a pipe that nobody writes to would wait for ever.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) ThrowErrno("open", path);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) ThrowErrno("read", path);
  if (S_ISDIR(status.st_mode)) {
    throw Error(ErrorCode::kInvalidInput, path.string() + " is a folder; a file is wanted");
  }
  if (!S_ISREG(status.st_mode)) {
    throw Error(ErrorCode::kInvalidInput,
                path.string() + " is a pipe or a device; a regular file is wanted");
  }
  if (status.st_size > kLargestRead) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} has {} bytes; at most {} can be read at once", path.string(),
                            status.st_size, kLargestRead));
  }
  std::string content;
  content.resize(static_cast<std::size_t>(status.st_size) + 1);  // one more: sees the end at once
  std::size_t used = 0;
  for (;;) {
    if (used == content.size()) {  // it grows, or is one of /proc, whose sizes say nothing
      if (used > static_cast<std::size_t>(kLargestRead)) {
        throw Error(ErrorCode::kInvalidInput,
                    fmt::format("{} has more than the {} bytes that can be read at once",
                                path.string(), kLargestRead));
      }
      content.resize(2 * content.size());
    }
    const ssize_t got = ::read(file.get(), content.data() + used, content.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) ThrowErrno("read", path);
    if (got == 0) break;
    used += static_cast<std::size_t>(got);
  }
  content.resize(used);
  return content;
}

void WriteAll(int descriptor, std::string_view content, const std::filesystem::path& path) {
  while (!content.empty()) {
    const ssize_t wrote = ::write(descriptor, content.data(), content.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) ThrowErrno("write", path);
    content.remove_prefix(static_cast<std::size_t>(wrote));
  }
}

void WriteFileAtomically(const std::filesystem::path& path, std::string_view content) {
  std::filesystem::path beside = path;
  beside += "." + UniqueName() + ".partial";
  Descriptor file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (file.get() < 0) ThrowErrno("write", path);
  try {
    WriteAll(file.get(), content, path);
    if (::close(file.Release()) != 0) ThrowErrno("write", path);
    if (::rename(beside.c_str(), path.c_str()) != 0) ThrowErrno("write", path);
  } catch (...) {
    ::unlink(beside.c_str());
    throw;
  }
}

void MakeFolders(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error || !std::filesystem::is_directory(path)) {
    throw Error(ErrorCode::kIo,
                fmt::format("cannot make the folder {}: {}", path.string(),
                            error ? error.message() : std::string("a file of that name exists")));
  }
}

std::string UniqueName() {
  std::uint64_t words[2];
  if (::getrandom(words, sizeof words, 0) != static_cast<ssize_t>(sizeof words)) {
    throw Error(ErrorCode::kIo, fmt::format("no random bytes: {}", std::strerror(errno)));
  }
  return fmt::format("{:016x}{:016x}", words[0], words[1]);
}

TemporaryFolder::TemporaryFolder() : TemporaryFolder(std::filesystem::temp_directory_path()) {}

TemporaryFolder::TemporaryFolder(const std::filesystem::path& parent)
    : path_(parent / ("windlass-" + UniqueName())) {
  MakeFolders(path_);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;  // a destructor cannot report; what is left lies in a temporary folder
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace windlass
