// Named references: refs/<name>/@<version>, each version a file created exclusively.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "windlass/base/hash.h"
#include "windlass/store/folder_internal.h"

namespace windlass::store::internal {

// Where the versions lie: a folder, a bucket. Thread safe; names were checked.
class VersionFiles {
 public:
  struct Listed {
    std::uint64_t version = 0;
    std::uint64_t size = 0;
  };

  virtual ~VersionFiles() = default;

  // Those of one reference, ascending.
  virtual std::vector<Listed> List(std::string_view name) const = 0;
  // Calls visit(name, its versions) for each reference that has some.
  virtual void ForEach(
      const std::function<void(const std::string&, const std::vector<Listed>&)>& visit) const = 0;
  // Nothing when it was removed meanwhile.
  virtual std::optional<std::string> Read(std::string_view name, std::uint64_t version) const = 0;
  // Exclusively: false when there is such a version already.
  virtual bool Create(std::string_view name, std::uint64_t version, std::string_view content) = 0;
  // Of the reference, or of one version.
  virtual std::string NameOf(std::string_view name, std::uint64_t version = 0) const = 0;

  // While it is held no number is freed for a second use; nothing where Prune sees to that.
  virtual std::optional<FileLock> HoldNumbers() const = 0;
  // Removes all but the newest two versions of each reference, unless a number that somebody is
  // about to take could become free.
  virtual void Prune() = 0;
  // Makes the newest version of these durable.
  virtual void Sync(const std::vector<std::string>& names) = 0;
};

// Thread safe.
class References {
 public:
  explicit References(std::unique_ptr<VersionFiles> files) : files_(std::move(files)) {}

  // Throw Error{kInvalidInput} for a bad name, Error{kCorrupt} naming the file when the newest
  // version is damaged, Error{kIo}.
  std::optional<Hash> Read(std::string_view name) const;
  bool CompareAndSwap(std::string_view name, const std::optional<Hash>& expected,
                      const std::optional<Hash>& value);
  std::vector<std::string> List(std::string_view prefix) const;

  // Calls visit(name, value) for each reference that exists, fault(file, what) for damage.
  void ForEach(const std::function<void(const std::string&, const Hash&)>& visit,
               const std::function<void(const std::string&, const std::string&)>& fault) const;

  std::string NameOf(std::string_view name) const { return files_->NameOf(name); }
  // Bytes of all version files.
  std::uint64_t Bytes() const;
  void Prune() { files_->Prune(); }
  // Makes durable what was changed since the last call.
  void Sync();

 private:
  struct Newest {
    std::uint64_t version = 0;  // 0: there is none
    std::optional<Hash> value;
  };
  Newest NewestOf(std::string_view name) const;
  Newest NewestOf(std::string_view name, std::vector<VersionFiles::Listed> versions) const;

  std::unique_ptr<VersionFiles> files_;
  std::mutex mutex_;
  std::vector<std::string> unsynced_;
};

// refs/<name>/@<version> in a folder, made by link(2).
class FolderVersions final : public VersionFiles {
 public:
  FolderVersions(Folder refs, const Folder& tmp, const Folder& locks)
      : refs_(std::move(refs)), tmp_(tmp), locks_(locks) {}

  std::vector<Listed> List(std::string_view name) const override;
  void ForEach(const std::function<void(const std::string&, const std::vector<Listed>&)>& visit)
      const override;
  std::optional<std::string> Read(std::string_view name, std::uint64_t version) const override;
  bool Create(std::string_view name, std::uint64_t version, std::string_view content) override;
  std::string NameOf(std::string_view name, std::uint64_t version) const override;
  std::optional<FileLock> HoldNumbers() const override;
  void Prune() override;
  void Sync(const std::vector<std::string>& names) override;

 private:
  std::optional<Folder> FolderOf(std::string_view name, bool make) const;
  static std::vector<Listed> ListIn(const Folder& folder);
  void Walk(const Folder& folder, const std::string& name,
            const std::function<void(const Folder&, const std::string&)>& visit) const;

  Folder refs_;
  const Folder& tmp_;
  const Folder& locks_;
};

// "@<20 digits>", and its inverse.
std::string VersionFile(std::uint64_t version);
std::optional<std::uint64_t> VersionOf(std::string_view file);
bool ValidReferenceName(std::string_view name);

}  // namespace windlass::store::internal
