#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <mutex>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/base/json.h"
#include "windlass/base/s3.h"
#include "windlass/store/bucket_store_internal.h"
#include "windlass/store/folder_store_internal.h"

namespace windlass::store {
namespace internal {
namespace {

// A folder that changed this short a time before it was listed may have changed once more in the
// same tick of the file system's clock.
constexpr std::int64_t kQuiet = 50'000'000;

}  // namespace

FolderStore::FolderStore(const std::filesystem::path& path, const StoreOptions& options,
                         Elsewhere elsewhere)
    : options_(options),
      process_(::getpid()),
      root_(Folder::Make(path)),
      origin_(elsewhere.segments),
      large_(std::move(elsewhere.objects)) {
  tmp_ = *root_.Sub("tmp", /*make=*/true);
  FindLayout();
  locks_ = *root_.Sub("locks", /*make=*/true);
  users_ = *root_.Sub("users", /*make=*/true);
  segments_folder_ = *root_.Sub("segments", /*make=*/true);
  if (large_ == nullptr) {
    large_ = std::make_unique<FolderObjects>(*root_.Sub("objects", /*make=*/true), tmp_, locks_);
  }
  if (elsewhere.references == nullptr) {
    elsewhere.references =
        std::make_unique<FolderVersions>(*root_.Sub("refs", /*make=*/true), tmp_, locks_);
  }
  references_.emplace(std::move(elsewhere.references));
  // So that a gc on a full disk finds its locks.
  for (const auto* name : {"gc", "refs"}) FileLock::Take(locks_, name, FileLock::Mode::kShared, 0);
  Register();
  {
    const std::unique_lock lock(mutex_);
    Refresh();
  }
  try {
    MaybeMerge();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kIo) throw;
    // Tidying up needs room that a full disk does not have; the store is as good without.
  }
}

FolderStore::~FolderStore() {
  if (process_ != ::getpid()) return;  // a forked child: everything here is its parent's
  try {
    const std::unique_lock lock(mutex_);
    SealLive(/*sync=*/false);
    if (!user_.empty()) users_.Remove(user_);
  } catch (const std::exception&) {
    // What was written stays readable without a footer, and a stale user file is gc's to remove.
  }
}

std::string LayoutText() {
  return fmt::format("{{\"format\":\"windlass store\",\"layout\":{}}}\n", kLayoutVersion);
}

void CheckLayout(const std::string& text, const std::string& file, const std::string& store) {
  std::int64_t layout = 0;
  try {
    const Json document = ParseJson(text, file);
    if (document.is_object() && document.contains("layout") &&
        document["layout"].is_number_integer()) {
      layout = document["layout"].get<std::int64_t>();
    }
  } catch (const Error& error) {
    throw Error(ErrorCode::kCorrupt,
                fmt::format("{} is damaged; if this is a store of layout {}, remove the file "
                            "and it is made again",
                            file, kLayoutVersion),
                error);
  }
  if (layout < 1) {
    throw Error(ErrorCode::kCorrupt,
                fmt::format("{} must say \"layout\": a number from 1 on", file));
  }
  if (layout > kLayoutVersion) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("the store {} has layout {}, this Windlass reads up to layout {}; use "
                            "a newer Windlass, or another place by WINDLASS_HOME or WINDLASS_STORE",
                            store, layout, kLayoutVersion));
  }
}

void FolderStore::FindLayout() {
  const std::filesystem::path path = root_.path() / kLayoutFile;
  if (!root_.Status(kLayoutFile)) {
    TemporaryFile file(tmp_);
    WriteAt(file.fd(), LayoutText(), 0, path);
    file.MoveToNew(root_, kLayoutFile);  // another process's is as good
  }
  const Fd fd = root_.OpenFile(kLayoutFile);
  if (!fd.valid()) throw Error(ErrorCode::kCorrupt, path.string() + " is not a file");
  std::string text(4096, '\0');
  text.resize(ReadAt(fd.get(), text.data(), text.size(), 0, path));
  CheckLayout(text, path.string(), root_.path().string());
}

void FolderStore::Register() {
  // Not while a gc removes: it has counted the users already. See gc.cc.
  const auto lock = FileLock::Take(locks_, "remove", FileLock::Mode::kShared, 60);
  if (!lock) {
    throw Error(ErrorCode::kDeadlineExceeded, fmt::format("waited 60 s for a gc to release {}",
                                                          (locks_.path() / "remove").string()));
  }
  try {
    TemporaryFile file(tmp_);
    if (::flock(file.fd(), LOCK_EX | LOCK_NB) != 0) ThrowIo("lock", file.path());
    user_ = UniqueName();
    user_fd_ = file.TakeFd();
    file.MoveTo(users_, user_);
  } catch (const Error&) {
    // Reading from a full disk must work; a folder that we may not write to is refused here.
    if (errno != ENOSPC && errno != EDQUOT) throw;
    user_.clear();
  }
}

Hash FolderStore::Put(const Bytes& object) {
  const Hash hash = HashOf(object.view());
  if (object.size() >= kLargeObject) {
    large_->Put(hash, object.view());
  } else if (!HasObject(hash, /*fresh=*/false)) {
    Append(RecordType::kObject, {}, hash, object.view());
  }
  return hash;
}

std::optional<Bytes> FolderStore::GetSmall(const Hash& hash) {
  std::optional<Bytes> found;
  Search(Index::kObjects, hash, /*fresh=*/true, [&](Record&& record) {
#ifndef WINDLASS_PLANTED_UNCHECKED_OBJECT
    if (HashOf(record.data) != hash) return false;
#endif
    found = Bytes(std::move(record.data));
    return true;
  });
  return found;
}

std::optional<Bytes> FolderStore::Get(const Hash& hash) {
  // The size is not known from the hash. Most objects are small.
  if (auto found = GetSmall(hash)) return found;
  return large_->Get(hash);
}

bool FolderStore::HasObject(const Hash& hash, bool fresh) {
  return Search(Index::kObjects, hash, fresh,
                [&](Record&& record) { return HashOf(record.data) == hash; });
}

bool FolderStore::Contains(const Hash& hash) {
  return HasObject(hash, /*fresh=*/true) || large_->Contains(hash);
}

std::optional<Bytes> FolderStore::Recall(const Hash& key) {
  // Nearly always the first entry is it. Another one counts when that one's object is missing or
  // damaged; more than a few of those would be no accident.
  constexpr int kMostEntries = 16;
  for (int entry = 0; entry < kMostEntries; ++entry) {
    int seen = 0;
    Record found;
    const bool known = Search(Index::kMemo, key, /*fresh=*/entry == 0, [&](Record&& record) {
      if (seen++ < entry) return false;
      found = std::move(record);
      return true;
    });
    if (!known) return std::nullopt;
    if (found.has_object()) {
#ifndef WINDLASS_PLANTED_UNCHECKED_OBJECT
      if (HashOf(found.data) != found.hash) continue;
#endif
      return Bytes(std::move(found.data));
    }
    if (auto object = Get(found.hash)) return object;
  }
  return std::nullopt;
}

void FolderStore::Remember(const Hash& key, const Bytes& result) {
  if (Recall(key)) return;
  const Hash hash = HashOf(result.view());
  if (result.size() >= kLargeObject) {
    large_->Put(hash, result.view());
    Append(RecordType::kMemo, key, hash, {});
  } else if (HasObject(hash, /*fresh=*/false)) {
    Append(RecordType::kMemo, key, hash, {});
  } else {
    Append(RecordType::kMemoObject, key, hash, result.view());
  }
}

bool FolderStore::SearchKnown(Index index, const Hash& key, const Accept& accept,
                              SegmentPtr* found) const {
  for (const SegmentPtr& segment : segments_) {
    if (segment->Find(index, key, accept)) {
      *found = segment;
      return true;
    }
  }
  return false;
}

bool FolderStore::Search(Index index, const Hash& key, bool fresh, const Accept& accept) {
  for (;;) {
    SegmentPtr found;
    bool stale = false;
    {
      const std::shared_lock lock(mutex_);
      if (!SearchKnown(index, key, accept, &found)) {
        if (!fresh) return false;
        stale = IsStale();
        if (!stale) return false;
      } else if (found == live_) {
        return true;
      }
    }
    if (found == nullptr) {
      const std::unique_lock lock(mutex_);
      Refresh();
      fresh = false;
      continue;
    }
    if (Use(*found)) return true;
    // Gc removed it, and its file lives only as long as we have it open: whoever comes after us
    // would not find the record. Each turn has one segment less.
    const std::unique_lock lock(mutex_);
    std::erase(segments_, found);
    listed_ = 0;
    Refresh();
  }
}

bool FolderStore::Use(const Segment& segment) {
  const std::int64_t now = Now();
  if (now - segment.used() < kUseGranularity) return true;
  const auto lock = FileLock::Take(locks_, "remove", FileLock::Mode::kShared, 60);
  if (!lock) {
    throw Error(ErrorCode::kDeadlineExceeded, fmt::format("waited 60 s for a gc to release {}",
                                                          (locks_.path() / "remove").string()));
  }
  if (segment.Unlinked()) return false;
  segment.MarkUsed(now);
  return origin_ == nullptr || origin_->Use(segment.name());
}

bool FolderStore::IsStale() const {
  struct stat status {};
  if (::fstat(segments_folder_.fd(), &status) != 0) ThrowIo("look at", segments_folder_.path());
  if (ModifiedAt(status) != listed_) return true;
  return std::ranges::any_of(segments_, [&](const SegmentPtr& segment) {
    return segment != live_ && segment->MayHaveGrown();
  });
}

void FolderStore::Refresh() {
  struct stat status {};
  if (::fstat(segments_folder_.fd(), &status) != 0) ThrowIo("look at", segments_folder_.path());
  const std::int64_t changed = ModifiedAt(status);
  if (changed != listed_) {
    const std::int64_t now = Now();
    std::vector<SegmentPtr> known;
    known.swap(segments_);
    SegmentPtr live;
    for (const std::string& name : segments_folder_.List()) {
      const auto at = std::ranges::find(known, name, [](const auto& s) { return s->name(); });
      if (at != known.end()) {
        if (*at == live_) {
          live = live_;
        } else {
          segments_.push_back(*at);
        }
        continue;
      }
      if (!name.ends_with(".seg") || no_segments_.contains(name)) continue;
      if (SegmentPtr segment = Segment::Open(segments_folder_, name)) {
        segments_.push_back(std::move(segment));
      } else if (segments_folder_.Status(name)) {
        no_segments_.insert(name);
      }
    }
    live_ = live;  // somebody may have removed the file: then we begin another
    if (live_ != nullptr) segments_.push_back(live_);
    listed_ = std::llabs(now - changed) < kQuiet ? 0 : changed;
  }
  for (const SegmentPtr& segment : segments_) {
    if (segment != live_ && segment->MayHaveGrown()) segment->ScanTail();
  }
}

Segment& FolderStore::Live() {
  if (live_ != nullptr && live_process_ != ::getpid()) live_.reset();
  if (live_ == nullptr) {
    live_ = Segment::Create(tmp_, segments_folder_, /*visible=*/true);
    live_process_ = ::getpid();
    segments_.push_back(live_);
  }
  return *live_;
}

void FolderStore::Append(RecordType type, const Hash& key, const Hash& hash,
                         std::string_view data) {
  const std::unique_lock lock(mutex_);
  Segment& live = Live();
  try {
    live.Append(type, key, hash, data);
  } catch (...) {
    if (live.abandoned()) live_.reset();  // still read, never written again
    throw;
  }
  if (live.end() < kMaxSegment) return;
  unsynced_.push_back(live_);
  try {
    SealLive(/*sync=*/false);
  } catch (const Error&) {
    live_.reset();  // the record is in; the segment stays readable without an index
  }
}

void FolderStore::SealLive(bool sync) {
  if (live_ == nullptr || live_process_ != ::getpid()) return;
  try {
    live_->Seal(sync);
  } catch (...) {
    live_.reset();
    throw;
  }
  live_.reset();
}

void FolderStore::SealFrom(std::uint64_t size) {
  const std::unique_lock lock(mutex_);
  if (live_ != nullptr && live_->end() >= size) SealLive(/*sync=*/false);
}

void FolderStore::Seal() {
  {
    const std::unique_lock lock(mutex_);
    SealLive(/*sync=*/true);
    for (const SegmentPtr& segment : unsynced_) segment->Sync();
    unsynced_.clear();
  }
  large_->Sync();
  segments_folder_.Sync();
  references_->Sync();
  MaybeMerge();
}

std::optional<Hash> FolderStore::ReadReference(std::string_view name) {
  return references_->Read(name);
}

bool FolderStore::CompareAndSwap(std::string_view name, const std::optional<Hash>& expected,
                                 const std::optional<Hash>& value) {
  if (value) Contains(*value);  // counts as a use: gc lets it be until the reference stands
  return references_->CompareAndSwap(name, expected, value);
}

std::vector<std::string> FolderStore::ListReferences(std::string_view prefix) {
  return references_->List(prefix);
}

}  // namespace internal

std::shared_ptr<Store> Store::Open(const std::filesystem::path& place,
                                   const StoreOptions& options) {
  if (S3Place::Is(place.native())) {
    return std::make_shared<internal::BucketStore>(S3Place::Parse(place.native()), options);
  }
  return std::make_shared<internal::FolderStore>(place, options);
}

std::filesystem::path DefaultPlace() {
  const char* place = std::getenv("WINDLASS_STORE");
  return place != nullptr && *place != 0 ? std::filesystem::path(place) : HomeFolder() / "store";
}

std::filesystem::path HomeFolder() {
  if (const char* home = std::getenv("WINDLASS_HOME"); home != nullptr && *home != 0) {
    if (!S3Place::Is(home)) return home;
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("WINDLASS_HOME={}: a folder was expected; WINDLASS_STORE names a store "
                            "in a bucket",
                            home));
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != 0) {
    return std::filesystem::path(home) / ".windlass";
  }
  throw Error(ErrorCode::kIo,
              "neither WINDLASS_HOME nor HOME is set; WINDLASS_HOME names the folder for "
              "Windlass's store and job records");
}

}  // namespace windlass::store
