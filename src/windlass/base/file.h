// Whole files and folders on the local disk.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace windlass {

// The whole file. Throws Error{kNotFound} or {kIo} naming the path.
std::string ReadFile(const std::filesystem::path& path);

// Replaces `path` by `content`: written beside, then renamed, so that a reader or a crash never
// sees half of it. Throws Error{kIo} naming the path (no permission, disk full, no such folder).
void WriteFileAtomically(const std::filesystem::path& path, std::string_view content);

// Appends to a descriptor until everything is written. Throws Error{kIo} naming `path`.
void WriteAll(int descriptor, std::string_view content, const std::filesystem::path& path);

// mkdir -p. Throws Error{kIo}.
void MakeFolders(const std::filesystem::path& path);

// A name that no other process or thread uses: random digits.
std::string UniqueName();

// A new empty folder under the system's temporary folder, removed with its content on
// destruction.
class TemporaryFolder {
 public:
  TemporaryFolder();
  explicit TemporaryFolder(const std::filesystem::path& parent);
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace windlass
