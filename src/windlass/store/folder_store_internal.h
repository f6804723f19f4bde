// The store in a local folder. Looking up and adding is in folder_store.cc, merging segments in
// merge.cc, removing in gc.cc, checking in verify.cc.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "windlass/store/folder_internal.h"
#include "windlass/store/objects_internal.h"
#include "windlass/store/references_internal.h"
#include "windlass/store/segment_internal.h"
#include "windlass/store/store.h"

namespace windlass::store::internal {

// A live segment is sealed, and merged ones stay, below about this size.
inline constexpr std::uint64_t kMaxSegment = std::uint64_t{256} << 20;
// Segments below this size are merged once there are more than kMaxSmallSegments of them.
inline constexpr std::uint64_t kSmallSegment = std::uint64_t{16} << 20;
inline constexpr std::size_t kMaxSmallSegments = 32;
// What a living process used this long ago at most is kept by its presence; see gc.cc.
inline constexpr std::int64_t kLongestProtection = std::int64_t{7} * 24 * 3600 * 1'000'000'000;

// Where the truth is when a folder's segments are copies of a bucket's. Thread safe.
class SegmentOrigin {
 public:
  virtual ~SegmentOrigin() = default;

  // Notes a use of the segment there. False when it has gone; then the copy has gone as well.
  virtual bool Use(const std::string& name) = 0;
  // When it was used last, as far as is known there; 0 when it has gone.
  virtual std::int64_t LastUse(const std::string& name) = 0;
  // Puts the outputs, which are in the folder, and then removes the inputs.
  virtual void Replace(const std::vector<std::string>& outputs,
                       const std::vector<std::string>& inputs) = 0;
  // What was not used after this may be removed.
  virtual std::int64_t UnusedBefore() const = 0;
};

// What a store has elsewhere than in its folder, which then is a copy for one process.
struct Elsewhere {
  SegmentOrigin* segments = nullptr;  // outlives the store
  std::unique_ptr<LargeObjects> objects;
  std::unique_ptr<VersionFiles> references;
};

inline constexpr char kLayoutFile[] = "layout.json";
// What the file says in a store of ours, and the check of what it says in `store`; see Store::Open.
std::string LayoutText();
void CheckLayout(const std::string& text, const std::string& file, const std::string& store);

class FolderStore final : public Store {
 public:
  FolderStore(const std::filesystem::path& path, const StoreOptions& options,
              Elsewhere elsewhere = {});
  ~FolderStore() override;

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

  // Seals the segment that is appended to, once it has this size.
  void SealFrom(std::uint64_t size);

 private:
  using SegmentPtr = std::shared_ptr<Segment>;
  using Accept = std::function<bool(Record&&)>;
  using Keep = std::function<bool(const Record&)>;

  void FindLayout();
  void Register();

  // Looks through all segments until accept(record) is true; says whether it was. `fresh` also
  // looks for what other processes added since. The segment's use is noted; a segment that gc
  // removed meanwhile does not count.
  bool Search(Index index, const Hash& key, bool fresh, const Accept& accept);
  // Both need mutex_ held, Refresh exclusively.
  bool SearchKnown(Index index, const Hash& key, const Accept& accept, SegmentPtr* found) const;
  bool IsStale() const;
  void Refresh();
  // Whether the segment is still in the folder, its use noted there at most once an hour.
  bool Use(const Segment& segment);
  bool HasObject(const Hash& hash, bool fresh);
  std::optional<Bytes> GetSmall(const Hash& hash);

  // The segment to append to; needs mutex_ exclusively.
  Segment& Live();
  void Append(RecordType type, const Hash& key, const Hash& hash, std::string_view data);
  void SealLive(bool sync);

  // --- merging; the caller holds the lock "gc"
  // Segments that nobody appends to any more, opened anew.
  std::vector<SegmentPtr> FinishedSegments();
  void MergeSmallSegments();
  void MaybeMerge();  // takes the lock itself, or leaves the work to who has it
  // Writes the records of `inputs` that keep() wants (none: no record) into new segments, puts
  // them in the folder and removes the inputs. With `kept`, the referenced objects that keep()
  // knows, records are lost: then nothing happens, and false is returned, when an input was used
  // since UnusedBefore() or a reference to another object was made.
  bool Rewrite(const std::vector<SegmentPtr>& inputs, const Keep& keep,
               const std::unordered_set<Hash>* kept);

  // --- gc
  // Takes the lock that keeps others from using what is about to be removed.
  FileLock LockForRemoval();
  // What was not used after this may be removed; under the removal lock.
  std::int64_t UnusedBefore();
  std::unordered_set<Hash> ReferencedObjects() const;
  void RemoveLeftovers();
  std::uint64_t BytesOnDisk() const;
  void RemoveObjects(const std::vector<Hash>& hashes, GcReport* report);
  // Drops a segment but for what leads to referenced objects, and its newest records that fit
  // into `room` bytes.
  bool DropSegment(const SegmentPtr& segment, std::uint64_t room, GcReport* report);
  void DropDanglingEntries(GcReport* report);

  const StoreOptions options_;
  const pid_t process_;
  Folder root_;
  Folder tmp_;
  Folder locks_;
  Folder users_;
  Folder segments_folder_;
  SegmentOrigin* const origin_;  // may be null
  std::unique_ptr<LargeObjects> large_;
  std::optional<References> references_;
  std::string user_;  // our file in users_, locked while we live
  Fd user_fd_;

  mutable std::shared_mutex mutex_;
  std::vector<SegmentPtr> segments_;  // by name; the live one of this store is last
  SegmentPtr live_;
  pid_t live_process_ = 0;                // a forked child leaves its parent's segment alone
  std::vector<SegmentPtr> unsynced_;      // sealed because they were full, since the last Seal()
  std::set<std::string> no_segments_;     // files in the folder that are none
  std::atomic<std::int64_t> listed_ = 0;  // the folder's time when it was listed; 0: look again
};

}  // namespace windlass::store::internal
