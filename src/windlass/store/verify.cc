// Counting and checking what the store holds.
#include <fmt/format.h>

#include <algorithm>
#include <mutex>

#include "windlass/base/error.h"
#include "windlass/store/folder_store_internal.h"

namespace windlass::store::internal {
namespace {

std::size_t CountDistinct(std::vector<std::uint64_t>& prefixes) {
  std::ranges::sort(prefixes);
  return static_cast<std::size_t>(std::unique(prefixes.begin(), prefixes.end()) - prefixes.begin());
}

}  // namespace

StoreStat FolderStore::Stat() {
  StoreStat stat;
  // Eight bytes of a hash tell objects apart well enough to count them.
  std::vector<std::uint64_t> objects;
  std::vector<std::uint64_t> memos;
  {
    const std::unique_lock lock(mutex_);
    Refresh();
    for (const SegmentPtr& segment : segments_) {
      ++stat.segments;
      const auto more_objects = segment->Prefixes(Index::kObjects);
      const auto more_memos = segment->Prefixes(Index::kMemo);
      objects.insert(objects.end(), more_objects.begin(), more_objects.end());
      memos.insert(memos.end(), more_memos.begin(), more_memos.end());
    }
  }
  large_->ForEach(
      [&](const LargeObjects::Listed& object) { objects.push_back(PrefixOf(object.hash)); });
  stat.objects = CountDistinct(objects);
  stat.memo_entries = CountDistinct(memos);
  stat.references = references_->List("").size();
  stat.bytes = BytesOnDisk();
  stat.size_limit = options_.size_limit;
  return stat;
}

VerifyReport FolderStore::Verify() {
  VerifyReport report;
  std::unordered_set<Hash> sound;
  const auto fault = [&](const std::filesystem::path& path, std::string_view what) {
    report.faults.push_back(fmt::format("{}: {}", path.string(), what));
  };
  large_->ForEach(
      [&](const LargeObjects::Listed& object) {
        ++report.objects_checked;
        const std::string what = large_->Check(object.hash);
        if (what.empty()) {
          sound.insert(object.hash);
        } else {
          fault(large_->NameOf(object.hash), what);
        }
      },
      [&](const std::string& stray) { fault(stray, "is no object of this store"); });

  for (const std::string& name : segments_folder_.List()) {
    const std::filesystem::path path = segments_folder_.path() / name;
    std::string what;
    const SegmentPtr segment = name.ends_with(".seg")
                                   ? Segment::Open(segments_folder_, name, &what)
                                   : (what = "is no segment of this store", nullptr);
    if (segment == nullptr) {
      if (segments_folder_.Status(name)) fault(path, what);
      continue;
    }
    segment->ForEach(
        [&](Record&& record) {
          report.memo_entries_checked += record.has_memo();
          if (!record.has_object()) return;
          ++report.objects_checked;
          if (HashOf(record.data) == record.hash) {
            sound.insert(record.hash);
          } else {
            fault(path, fmt::format("offset {}: the object has another hash", record.offset));
          }
        },
        [&](std::uint64_t offset, const std::string& trouble) {
          fault(path, fmt::format("offset {}: {}", offset, trouble));
        });
    std::string tail = segment->TailFault();
    if (!tail.empty() && !segment->finished()) {
      segment->ScanTail();  // its writer was in the middle of it
      tail = segment->TailFault();
    }
    if (!tail.empty()) fault(path, fmt::format("offset {}: {}", segment->end(), tail));
  }

  references_->ForEach(
      [&](const std::string& name, const Hash& hash) {
        if (!sound.contains(hash)) {
          fault(references_->NameOf(name),
                fmt::format("names the object {}, of which there is no sound copy", hash.Hex()));
        }
      },
      [&](const std::string& file, const std::string& what) { fault(file, what); });
  return report;
}

}  // namespace windlass::store::internal
