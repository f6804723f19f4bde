// Making fewer and larger segments of many small ones, beside readers, writers and other
// processes that would do the same.
#include <algorithm>
#include <mutex>
#include <utility>

#include "windlass/base/sync_point.h"
#include "windlass/store/folder_store_internal.h"

namespace windlass::store::internal {
namespace {

// Appends what is not in `output` yet: a killed merge leaves its inputs beside its output.
void AppendOnce(Segment& output, const Record& record) {
  const bool has_object = record.has_object() &&
                          output.Find(Index::kObjects, record.hash, [](Record&&) { return true; });
  const bool has_memo =
      record.has_memo() && output.Find(Index::kMemo, record.key,
                                       [&](Record&& other) { return other.hash == record.hash; });
  const bool wants_object = record.has_object() && !has_object;
  const bool wants_memo = record.has_memo() && !has_memo;
  if (wants_object && wants_memo) {
    output.Append(RecordType::kMemoObject, record.key, record.hash, record.data);
  } else if (wants_object) {
    output.Append(RecordType::kObject, {}, record.hash, record.data);
  } else if (wants_memo) {
    output.Append(RecordType::kMemo, record.key, record.hash, {});
  }
}

}  // namespace

std::vector<FolderStore::SegmentPtr> FolderStore::FinishedSegments() {
  std::vector<SegmentPtr> segments;
  for (const std::string& name : segments_folder_.List()) {
    if (!name.ends_with(".seg")) continue;
    SegmentPtr segment = Segment::Open(segments_folder_, name);
    if (segment != nullptr && segment->finished()) segments.push_back(std::move(segment));
  }
  return segments;
}

bool FolderStore::Rewrite(const std::vector<SegmentPtr>& inputs, const Keep& keep,
                          const std::unordered_set<Hash>* kept) {
  std::vector<SegmentPtr> outputs;
  if (keep) {
    for (const SegmentPtr& input : inputs) {
      input->ForEach([&](Record&& record) {
        if (!keep(record)) return;
        if (outputs.empty() || outputs.back()->end() >= kMaxSegment) {
          outputs.push_back(Segment::Create(tmp_, segments_folder_, /*visible=*/false));
        }
        AppendOnce(*outputs.back(), record);
      });
    }
  }
  for (const SegmentPtr& output : outputs) output->Seal(/*sync=*/true);
  SyncPoint("store.merge.written");

  const FileLock lock = LockForRemoval();
  std::int64_t used = 0;
  const std::int64_t unused_before = kept != nullptr ? UnusedBefore() : 0;
  for (const SegmentPtr& input : inputs) {
    const auto status = segments_folder_.Status(input->name());
    if (status) used = std::max(used, ModifiedAt(*status));
    if (kept != nullptr && origin_ != nullptr) {
      used = std::max(used, origin_->LastUse(input->name()));
    }
  }
  if (kept != nullptr) {
    if (used > unused_before) return false;
    for (const Hash& hash : ReferencedObjects()) {
      if (!kept->contains(hash)) return false;
    }
  }
  for (const SegmentPtr& output : outputs) {
    output->MarkUsed(used);
    output->Install(segments_folder_);
  }
  segments_folder_.Sync();  // the copies are safe before the originals go
  SyncPoint("store.merge.installed");
  if (origin_ != nullptr) {
    const auto names = [](const std::vector<SegmentPtr>& segments) {
      std::vector<std::string> list;
      for (const SegmentPtr& segment : segments) list.push_back(segment->name());
      return list;
    };
    origin_->Replace(names(outputs), names(inputs));
  }
  for (const SegmentPtr& input : inputs) segments_folder_.Remove(input->name());
  return true;
}

void FolderStore::MergeSmallSegments() {
  std::vector<SegmentPtr> group;
  std::uint64_t size = 0;
  const auto all = [](const Record&) { return true; };
  const auto flush = [&] {
    const bool worth_it = group.size() > 1 || (group.size() == 1 && !group.front()->sealed());
    if (worth_it) Rewrite(group, all, nullptr);
    group.clear();
    size = 0;
  };
  for (const SegmentPtr& segment : FinishedSegments()) {
    if (segment->FileSize() >= kSmallSegment) continue;
    group.push_back(segment);
    size += segment->FileSize();
    if (size >= kMaxSegment / 2) flush();
  }
  flush();
  const std::unique_lock lock(mutex_);
  listed_ = 0;
  Refresh();
}

void FolderStore::MaybeMerge() {
  {
    const std::shared_lock lock(mutex_);
    const auto small = std::ranges::count_if(segments_, [&](const SegmentPtr& segment) {
      return segment != live_ && segment->finished() && segment->FileSize() < kSmallSegment;
    });
    if (static_cast<std::size_t>(small) <= kMaxSmallSegments) return;
  }
  const auto lock = FileLock::Take(locks_, "gc", FileLock::Mode::kExclusive, 0);
  if (lock) MergeSmallSegments();
}

}  // namespace windlass::store::internal
