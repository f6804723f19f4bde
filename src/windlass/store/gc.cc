// Removing what was unused for longest.
//
// What makes it safe beside running jobs: every open store has a file in `users`, locked while
// its process lives. Nothing is removed that was used since an hour (the granularity in which
// uses are noted) before the oldest living user came, a user older than a week counting as a week
// old. Users register, and note a first use in an hour, under the shared lock "remove"; here the
// users are counted and files unlinked under the exclusive one. So whoever found a record or an
// object either noted its use before we looked, or looks after we removed it and does not find it.
// The store that calls Gc() does not count: a caller says that it needs nothing any more but what
// references name. Segments that somebody appends to are never touched.
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <mutex>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/sync_point.h"
#include "windlass/store/folder_store_internal.h"

namespace windlass::store::internal {
namespace {

constexpr std::int64_t kLeftoverAge = std::int64_t{3600} * 1'000'000'000;
constexpr std::size_t kBatch = 1000;  // removals under one lock

// What a record adds to a segment beside its own bytes, at most: two index entries and their
// shares of filter and fan-out.
constexpr std::uint64_t kIndexShare = 2 * (16 + 2 + 1);
constexpr std::uint64_t kEmptySegment = 256;

// Something that may be removed.
struct Candidate {
  std::int64_t used = 0;
  std::uint64_t size = 0;
  std::optional<Hash> object;  // else a segment
  std::shared_ptr<Segment> segment;
};

}  // namespace

FileLock FolderStore::LockForRemoval() {
  auto lock = FileLock::Take(locks_, "remove", FileLock::Mode::kExclusive, 60);
  if (!lock) {
    throw Error(ErrorCode::kDeadlineExceeded,
                fmt::format("waited 60 s for {}", (locks_.path() / "remove").string()));
  }
  return std::move(*lock);
}

std::int64_t FolderStore::UnusedBefore() {
  if (origin_ != nullptr) return origin_->UnusedBefore();
  std::optional<std::int64_t> oldest;
  for (const std::string& name : users_.List()) {
    if (name == user_) continue;
    const Fd fd = users_.OpenFile(name);
    struct stat status {};
    if (!fd.valid() || ::fstat(fd.get(), &status) != 0 || !IsLocked(fd.get())) continue;
    oldest = std::min(oldest.value_or(ModifiedAt(status)), ModifiedAt(status));
  }
  if (!oldest) return std::numeric_limits<std::int64_t>::max();
  return std::max(*oldest, Now() - kLongestProtection) - kUseGranularity;
}

std::unordered_set<Hash> FolderStore::ReferencedObjects() const {
  std::unordered_set<Hash> hashes;
  references_->ForEach([&](const std::string&, const Hash& hash) { hashes.insert(hash); },
                       [](const std::string& file, const std::string& what) {
                         // What it names is not known, so nothing may go.
                         throw Error(ErrorCode::kCorrupt,
                                     fmt::format("nothing was removed: {}: {}", file, what));
                       });
  return hashes;
}

void FolderStore::RemoveLeftovers() {
  const FileLock lock = LockForRemoval();  // users are made and moved under the shared one
  for (const auto* folder : {&users_, &tmp_}) {
    for (const std::string& name : folder->List()) {
      const auto status = folder->Status(name);
      // A young file in tmp may be an object on its way, or about to be locked.
      if (!status || (folder == &tmp_ && Now() - ModifiedAt(*status) < kLeftoverAge)) continue;
      const Fd fd = folder->OpenFile(name);
      if (!fd.valid() || IsLocked(fd.get())) continue;
      folder->Remove(name);
    }
  }
}

std::uint64_t FolderStore::BytesOnDisk() const {
  std::uint64_t bytes = references_->Bytes();
  large_->ForEach([&](const LargeObjects::Listed& object) { bytes += object.size; });
  for (const std::string& name : segments_folder_.List()) {
    const auto status = segments_folder_.Status(name);
    if (status) bytes += static_cast<std::uint64_t>(status->st_size);
  }
  return bytes;
}

void FolderStore::RemoveObjects(const std::vector<Hash>& hashes, GcReport* report) {
  for (std::size_t i = 0; i < hashes.size(); i += kBatch) {
    const FileLock lock = LockForRemoval();
    const std::int64_t unused_before = UnusedBefore();
    const auto referenced = ReferencedObjects();
    for (std::size_t k = i; k < std::min(i + kBatch, hashes.size()); ++k) {
      if (referenced.contains(hashes[k])) continue;
      if (large_->RemoveUnused(hashes[k], unused_before)) ++report->objects_removed;
      SyncPoint("store.gc.removed");
    }
  }
}

bool FolderStore::DropSegment(const SegmentPtr& segment, std::uint64_t room, GcReport* report) {
  const auto referenced = ReferencedObjects();
  // Within a segment the order of writing is the order of age.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> records;  // offset, size
  std::uint64_t objects = 0;
  std::uint64_t memos = 0;
  segment->ForEach([&](Record&& record) {
    const std::uint64_t size = record.size + kIndexShare;
    if (referenced.contains(record.hash)) {
      room -= std::min(room, size);
    } else {
      records.emplace_back(record.offset, size);
    }
    objects += record.has_object();
    memos += record.has_memo();
  });
  room -= std::min(room, kEmptySegment);
  std::uint64_t keep_from = std::numeric_limits<std::uint64_t>::max();
  for (auto record = records.rbegin(); record != records.rend() && record->second <= room;
       ++record) {
    room -= record->second;
    keep_from = record->first;
  }
  std::uint64_t objects_kept = 0;
  std::uint64_t memos_kept = 0;
  const Keep keep = [&](const Record& record) {
    const bool wanted = record.offset >= keep_from || referenced.contains(record.hash);
    objects_kept += wanted && record.has_object();
    memos_kept += wanted && record.has_memo();
    return wanted;
  };
  if (!Rewrite({segment}, keep, &referenced)) return false;
  report->objects_removed += objects - objects_kept;
  report->memo_entries_removed += memos - memos_kept;
  return true;
}

void FolderStore::DropDanglingEntries(GcReport* report) {
  const auto referenced = ReferencedObjects();
  for (const SegmentPtr& segment : FinishedSegments()) {
    std::unordered_set<std::uint64_t> dangling;  // offsets
    segment->ForEach([&](Record&& record) {
      if (record.has_object() || large_->Exists(record.hash)) return;
      SegmentPtr found;
      const std::shared_lock guard(mutex_);  // not by Search: this is no use
      const auto any = [](Record&&) { return true; };
      if (!SearchKnown(Index::kObjects, record.hash, any, &found)) dangling.insert(record.offset);
    });
    if (dangling.empty()) continue;
    const Keep keep = [&](const Record& record) { return !dangling.contains(record.offset); };
    if (Rewrite({segment}, keep, &referenced)) report->memo_entries_removed += dangling.size();
  }
}

GcReport FolderStore::Gc(std::optional<std::uint64_t> limit) {
  const std::uint64_t most = limit.value_or(options_.size_limit);
  const auto lock = FileLock::Take(locks_, "gc", FileLock::Mode::kExclusive, 60);
  if (!lock) {
    throw Error(ErrorCode::kDeadlineExceeded, fmt::format("waited 60 s for another gc; it holds {}",
                                                          (locks_.path() / "gc").string()));
  }
  try {
    const std::unique_lock guard(mutex_);
    SealLive(/*sync=*/false);  // what this store wrote may go as everything else may
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kIo) throw;
    // The disk is full: all the more reason to go on. The segment can be removed without an index.
  }
  GcReport report;
  report.bytes_before = BytesOnDisk();
  RemoveLeftovers();
  references_->Prune();

  std::optional<Error> failure;  // of a rewrite: removing other things may make the room it lacked
  std::uint64_t bytes = BytesOnDisk();
  if (bytes > most) {
    std::vector<Candidate> candidates;
    large_->ForEach([&](const LargeObjects::Listed& object) {
      candidates.push_back({object.used, object.size, object.hash, nullptr});
    });
    for (SegmentPtr& segment : FinishedSegments()) {
      candidates.push_back({segment->used(), segment->FileSize(), std::nullopt, segment});
    }
    std::ranges::stable_sort(candidates, {}, &Candidate::used);
    const auto referenced = ReferencedObjects();
    const std::int64_t unused_before = [&] {
      const FileLock removal = LockForRemoval();
      return UnusedBefore();
    }();
    std::vector<Hash> objects;
    std::vector<std::pair<SegmentPtr, std::uint64_t>> segments;  // and the room for its newest
    for (const Candidate& candidate : candidates) {
      if (bytes <= most || candidate.used > unused_before) break;
      if (candidate.object && referenced.contains(*candidate.object)) continue;
      bytes -= std::min(bytes, candidate.size);
      if (candidate.object) {
        objects.push_back(*candidate.object);
      } else {
        segments.emplace_back(candidate.segment, bytes < most ? most - bytes : 0);
      }
    }
    RemoveObjects(objects, &report);
    for (const auto& [segment, room] : segments) {
      // On a full disk there may be no room for a copy of the newest records; without is better
      // than not at all.
      for (const std::uint64_t kept : {room, std::uint64_t{0}}) {
        try {
          DropSegment(segment, kept, &report);
          break;
        } catch (const Error& error) {
          if (error.code() != ErrorCode::kIo) throw;
          failure = error;
        }
      }
    }
    if (report.objects_removed + report.memo_entries_removed != 0) {
      {
        const std::unique_lock guard(mutex_);
        listed_ = 0;
        Refresh();
      }
      DropDanglingEntries(&report);
    }
  }
  try {
    MergeSmallSegments();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kIo) throw;
    if (!failure) failure = error;  // no harm unless the store is still too large
  }
  report.bytes_after = BytesOnDisk();
  if (failure && report.bytes_after > most) throw *failure;
  return report;
}

}  // namespace windlass::store::internal
