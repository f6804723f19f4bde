// The store in an S3 bucket, of the same layout as in a folder. Large objects and references are
// read and written there. Segments are copied, as a whole, into a folder of this process, in which
// FolderStore looks up and adds; what it adds is put into the bucket every second.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "windlass/base/cancel.h"
#include "windlass/base/file.h"
#include "windlass/base/s3.h"
#include "windlass/store/folder_internal.h"
#include "windlass/store/folder_store_internal.h"
#include "windlass/store/objects_internal.h"
#include "windlass/store/references_internal.h"
#include "windlass/store/store.h"

namespace windlass::store::internal {

class BucketObjects final : public LargeObjects {
 public:
  explicit BucketObjects(const S3Bucket& bucket) : bucket_(bucket) {}

  void ForEach(const std::function<void(const Listed&)>& visit,
               const std::function<void(const std::string&)>& stray) const override;
  bool RemoveUnused(const Hash& hash, std::int64_t unused_since) override;
  bool Exists(const Hash& hash) const override;
  std::string NameOf(const Hash& hash) const override;
  std::string Check(const Hash& hash) const override;
  void Sync() override {}  // a put is durable

 private:
  bool Use(const Hash& hash, std::optional<std::size_t> size) override;
  std::optional<std::string> Read(const Hash& hash) override;
  void Write(const Hash& hash, std::string_view bytes) override;

  const S3Bucket& bucket_;
  std::mutex mutex_;
  std::unordered_map<Hash, std::int64_t> used_;  // when, as far as this process noted it
};

class BucketVersions final : public VersionFiles {
 public:
  explicit BucketVersions(const S3Bucket& bucket) : bucket_(bucket) {}

  std::vector<Listed> List(std::string_view name) const override;
  void ForEach(const std::function<void(const std::string&, const std::vector<Listed>&)>& visit)
      const override;
  std::optional<std::string> Read(std::string_view name, std::uint64_t version) const override;
  bool Create(std::string_view name, std::uint64_t version, std::string_view content) override;
  std::string NameOf(std::string_view name, std::uint64_t version) const override;
  std::optional<FileLock> HoldNumbers() const override { return std::nullopt; }
  void Prune() override;
  void Sync(const std::vector<std::string>&) override {}

 private:
  // By name, ascending by version; the version stands in S3Object::key.
  using ByName = std::map<std::string, std::vector<std::pair<std::uint64_t, S3Object>>>;
  ByName All() const;

  const S3Bucket& bucket_;
  std::once_flag checked_;  // that the server knows an exclusive create
};

class BucketStore final : public Store, private SegmentOrigin {
 public:
  BucketStore(S3Place place, const StoreOptions& options);
  ~BucketStore() override;

  Hash Put(const Bytes& object) override;
  std::optional<Bytes> Get(const Hash& hash) override;
  bool Contains(const Hash& hash) override;
  void Remember(const Hash& key, const Bytes& result) override;
  std::optional<Bytes> Recall(const Hash& key) override;
  std::optional<Hash> ReadReference(std::string_view name) override;
  bool CompareAndSwap(std::string_view name, const std::optional<Hash>& expected,
                      const std::optional<Hash>& value) override;
  std::vector<std::string> ListReferences(std::string_view prefix) override;
  void Seal() override;
  StoreStat Stat() override;
  GcReport Gc(std::optional<std::uint64_t> limit) override;
  VerifyReport Verify() override;

 private:
  // A segment in the bucket.
  struct Known {
    std::uint64_t size = 0;
    std::string etag;
    std::int64_t modified = 0;
    bool sealed = false;
    Fd lock;  // of the copy, while somebody may be writing the segment
  };

  bool Use(const std::string& name) override;
  std::int64_t LastUse(const std::string& name) override;
  void Replace(const std::vector<std::string>& outputs,
               const std::vector<std::string>& inputs) override;
  std::int64_t UnusedBefore() const override;

  void FindLayout();
  // Copies what is new in the bucket.
  void Pull();
  // As Pull, unless it was done a moment ago; says whether it was done now.
  bool LookForNews();
  // Copies segments to the folder tmp, by their numbers here; says which of them were there.
  std::vector<bool> Fetch(const std::vector<S3Object>& objects);
  // The two need sync_. A segment that was fetched under the name `unique` takes its place.
  void Install(const S3Object& object, const std::string& unique);
  void PushOne(const std::string& name);
  // Puts what is new in the folder.
  void Push();
  // What is here is not in the bucket yet; throws what putting it there threw.
  void Added();
  void Work();  // of the thread that puts

  const StoreOptions options_;
  const pid_t process_;
  std::atomic<bool> patient_ = false;  // what is under way is to be finished, interrupted or not
  const S3Bucket bucket_;
  const TemporaryFolder folder_;
  Folder root_;
  Folder tmp_;
  Folder segments_;

  std::mutex sync_;  // of copying, either way
  std::map<std::string, Known, std::less<>> known_;
  Deadline looked_{};

  std::unique_ptr<FolderStore> local_;

  std::mutex mutex_;  // of what follows
  std::condition_variable wake_;
  bool added_ = false;
  bool closing_ = false;
  std::exception_ptr refusal_;
  std::thread worker_;
};

}  // namespace windlass::store::internal
