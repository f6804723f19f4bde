// Large objects: one file each, objects/<2 hex>/<62 hex>.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "windlass/base/bytes.h"
#include "windlass/base/hash.h"
#include "windlass/store/folder_internal.h"

namespace windlass::store::internal {

// Uses are noted in the file's time, at most once in this many nanoseconds.
inline constexpr std::int64_t kUseGranularity = std::int64_t{3600} * 1'000'000'000;

// Thread safe.
class LargeObjects {
 public:
  LargeObjects(Folder objects, const Folder& tmp, const Folder& locks)
      : objects_(std::move(objects)), tmp_(tmp), locks_(locks) {}

  void Put(const Hash& hash, std::string_view bytes);
  // Hash checked; damage reads as absence, and makes the next Put write the object anew.
  std::optional<Bytes> Get(const Hash& hash);
  bool Contains(const Hash& hash);

  // Calls visit(hash, status) for each object file, and stray(path) for what is none.
  void ForEach(const std::function<void(const Hash&, const struct stat&)>& visit,
               const std::function<void(const std::filesystem::path&)>& stray = {}) const;

  // Removes the object unless it was used after `unused_since`; the caller holds the removal
  // lock. Says whether it did.
  bool RemoveUnused(const Hash& hash, std::int64_t unused_since);

  // As Contains, but no use.
  bool Exists(const Hash& hash) const;
  std::filesystem::path PathOf(const Hash& hash) const;

  // Empty, or what is wrong with the file; reads it in pieces.
  std::string Check(const Hash& hash) const;

  // fsync of everything put since the last call.
  void Sync();

 private:
  std::optional<Folder> FolderOf(const Hash& hash, bool make) const;
  // Whether the file is there, its use noted so that gc lets it be.
  bool Use(const Folder& folder, const std::string& name, std::optional<std::size_t> size);

  Folder objects_;
  const Folder& tmp_;
  const Folder& locks_;
  std::mutex mutex_;
  std::vector<Hash> unsynced_;
  std::unordered_set<Hash> damaged_;
};

}  // namespace windlass::store::internal
