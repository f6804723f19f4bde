// Named references: refs/<name>/@<version>, each version a file created exclusively.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/base/hash.h"
#include "windlass/store/folder_internal.h"

namespace windlass::store::internal {

// Thread safe.
class References {
 public:
  References(Folder refs, const Folder& tmp, const Folder& locks)
      : refs_(std::move(refs)), tmp_(tmp), locks_(locks) {}

  // Throw Error{kInvalidInput} for a bad name, Error{kCorrupt} naming the file when the newest
  // version is damaged, Error{kIo}.
  std::optional<Hash> Read(std::string_view name) const;
  bool CompareAndSwap(std::string_view name, const std::optional<Hash>& expected,
                      const std::optional<Hash>& value);
  std::vector<std::string> List(std::string_view prefix) const;

  // Calls visit(name, value) for each reference that exists, fault(path, what) for damage.
  void ForEach(const std::function<void(const std::string&, const Hash&)>& visit,
               const std::function<void(const std::filesystem::path&, std::string)>& fault) const;

  // Bytes of all version files.
  std::uint64_t Bytes() const;
  // Removes all but the newest version of each reference, unless a CompareAndSwap is under way.
  void Prune();
  // fsync of what was changed since the last call.
  void Sync();

 private:
  struct Newest {
    std::uint64_t version = 0;  // 0: there is none
    std::optional<Hash> value;
  };
  std::optional<Folder> FolderOf(std::string_view name, bool make) const;
  Newest NewestIn(const Folder& folder) const;
  void Walk(const Folder& folder, const std::string& name,
            const std::function<void(const Folder&, const std::string&)>& visit) const;

  Folder refs_;
  const Folder& tmp_;
  const Folder& locks_;
  std::mutex mutex_;
  std::vector<std::string> unsynced_;
};

}  // namespace windlass::store::internal
