// Large objects: objects/<2 hex>/<62 hex>.
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

// Thread safe. Where the objects lie is for the derived classes: a folder, a bucket.
class LargeObjects {
 public:
  virtual ~LargeObjects() = default;

  void Put(const Hash& hash, std::string_view bytes);
  // Hash checked; damage reads as absence, and makes the next Put write the object anew.
  std::optional<Bytes> Get(const Hash& hash);
  bool Contains(const Hash& hash);

  struct Listed {
    Hash hash;
    std::uint64_t size = 0;
    std::int64_t used = 0;  // nanoseconds since 1970
  };
  // Calls visit for each object, and stray(name) for what is none.
  virtual void ForEach(const std::function<void(const Listed&)>& visit,
                       const std::function<void(const std::string&)>& stray = {}) const = 0;

  // Removes the object unless it was used after `unused_since`; the caller holds the removal
  // lock. Says whether it did.
  virtual bool RemoveUnused(const Hash& hash, std::int64_t unused_since) = 0;

  // As Contains, but no use.
  virtual bool Exists(const Hash& hash) const = 0;
  virtual std::string NameOf(const Hash& hash) const = 0;

  // Empty, or what is wrong with the object.
  virtual std::string Check(const Hash& hash) const = 0;

  // Makes everything put since the last call durable.
  virtual void Sync() = 0;

 protected:
  // Whether the object is there, of this size if one is given, its use noted so that gc lets it be.
  virtual bool Use(const Hash& hash, std::optional<std::size_t> size) = 0;
  virtual std::optional<std::string> Read(const Hash& hash) = 0;
  virtual void Write(const Hash& hash, std::string_view bytes) = 0;  // over what is there

  // "<2 hex>/<62 hex>", and its inverse.
  static std::string FileOf(const Hash& hash);
  static std::optional<Hash> HashOfFile(std::string_view file);
  static std::string WrongHash(std::uint64_t size);

 private:
  bool IsDamaged(const Hash& hash) const;

  mutable std::mutex damaged_mutex_;
  std::unordered_set<Hash> damaged_;
};

// One file each, in a folder.
class FolderObjects final : public LargeObjects {
 public:
  FolderObjects(Folder objects, const Folder& tmp, const Folder& locks)
      : objects_(std::move(objects)), tmp_(tmp), locks_(locks) {}

  void ForEach(const std::function<void(const Listed&)>& visit,
               const std::function<void(const std::string&)>& stray) const override;
  bool RemoveUnused(const Hash& hash, std::int64_t unused_since) override;
  bool Exists(const Hash& hash) const override;
  std::string NameOf(const Hash& hash) const override;
  std::string Check(const Hash& hash) const override;
  void Sync() override;

 private:
  bool Use(const Hash& hash, std::optional<std::size_t> size) override;
  std::optional<std::string> Read(const Hash& hash) override;
  void Write(const Hash& hash, std::string_view bytes) override;
  std::optional<Folder> FolderOf(const Hash& hash, bool make) const;

  Folder objects_;
  const Folder& tmp_;
  const Folder& locks_;
  std::mutex mutex_;
  std::vector<Hash> unsynced_;
};

}  // namespace windlass::store::internal
