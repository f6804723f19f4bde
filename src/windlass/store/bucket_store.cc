#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/log.h"
#include "windlass/base/sync_point.h"
#include "windlass/store/bucket_store_internal.h"

namespace windlass::store::internal {
namespace {

constexpr char kSegments[] = "segments/";
constexpr char kObjects[] = "objects/";
constexpr char kReferences[] = "refs/";
constexpr std::chrono::milliseconds kPushInterval{1000};
constexpr std::chrono::milliseconds kNewsInterval{2000};
constexpr std::chrono::seconds kPauseAfterFailure{5};
// From this size on a segment is sealed when it is put, so that it is not put over and over.
constexpr std::uint64_t kSealFrom = std::uint64_t{1} << 20;
// Whoever did not write for so long has ended. A swap of a reference takes no such time either.
constexpr std::int64_t kLongAgo = std::int64_t{3600} * 1'000'000'000;
constexpr std::size_t kFetchers = 8;

std::string KeyOfObject(const std::string& file) { return kObjects + file; }
std::string KeyOfSegment(const std::string& name) { return kSegments + name; }

void SetModified(int fd, std::int64_t when, const std::filesystem::path& path) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  const struct timespec times[2] = {{0, UTIME_OMIT},
                                    {when / kSecond, static_cast<long>(when % kSecond)}};
  if (::futimens(fd, times) != 0) ThrowIo("set the time of", path);
}

// Names of other people's making do not lead out of the folder.
bool IsPlainFile(std::string_view name) {
  return !name.empty() && !name.starts_with('.') && name.size() <= 255 &&
         name.find('/') == name.npos;
}

// A server that is away for a while, not one that refuses.
bool IsAway(const Error& error) {
  return error.code() == ErrorCode::kUnavailable || error.code() == ErrorCode::kDeadlineExceeded;
}

}  // namespace

bool BucketObjects::Use(const Hash& hash, std::optional<std::size_t> size) {
  {
    const std::lock_guard lock(mutex_);
    const auto noted = used_.find(hash);
    if (noted != used_.end() && Now() - noted->second < kUseGranularity / 2) return true;
  }
  const std::string key = KeyOfObject(FileOf(hash));
  const auto object = bucket_.Head(key);
  if (!object || (size && object->size != *size)) return false;
  if (Now() - object->modified >= kUseGranularity && !bucket_.Touch(key)) return false;
  const std::lock_guard lock(mutex_);
  used_[hash] = Now();
  return true;
}

std::optional<std::string> BucketObjects::Read(const Hash& hash) {
  auto bytes = bucket_.Get(KeyOfObject(FileOf(hash)));
  if (!bytes) {
    const std::lock_guard lock(mutex_);
    used_.erase(hash);
  }
  return bytes;
}

void BucketObjects::Write(const Hash& hash, std::string_view bytes) {
  SyncPoint("store.bucket.object");
  bucket_.Put(KeyOfObject(FileOf(hash)), bytes);
  const std::lock_guard lock(mutex_);
  used_[hash] = Now();
}

void BucketObjects::ForEach(const std::function<void(const Listed&)>& visit,
                            const std::function<void(const std::string&)>& stray) const {
  for (const S3Object& object : bucket_.List(kObjects)) {
    if (const auto hash = HashOfFile(std::string_view(object.key).substr(sizeof kObjects - 1))) {
      visit({*hash, object.size, object.modified});
    } else if (stray) {
      stray(bucket_.place().Name(object.key));
    }
  }
}

bool BucketObjects::RemoveUnused(const Hash& hash, std::int64_t unused_since) {
  const std::string key = KeyOfObject(FileOf(hash));
  const auto object = bucket_.Head(key);
  if (!object || object->modified > unused_since) return false;
  bucket_.Delete(key);
  const std::lock_guard lock(mutex_);
  used_.erase(hash);
  return true;
}

bool BucketObjects::Exists(const Hash& hash) const {
  return bucket_.Head(KeyOfObject(FileOf(hash))).has_value();
}

std::string BucketObjects::NameOf(const Hash& hash) const {
  return bucket_.place().Name(KeyOfObject(FileOf(hash)));
}

std::string BucketObjects::Check(const Hash& hash) const {
  const auto bytes = bucket_.Get(KeyOfObject(FileOf(hash)));
  return !bytes || HashOf(*bytes) == hash ? std::string() : WrongHash(bytes->size());
}

std::vector<VersionFiles::Listed> BucketVersions::List(std::string_view name) const {
  const std::string folder = fmt::format("{}{}/", kReferences, name);
  std::vector<Listed> versions;
  for (const S3Object& object : bucket_.List(folder + "@")) {  // by key: versions ascend
    if (const auto version = VersionOf(std::string_view(object.key).substr(folder.size()))) {
      versions.push_back({*version, object.size});
    }
  }
  return versions;
}

BucketVersions::ByName BucketVersions::All() const {
  ByName all;
  for (S3Object& object : bucket_.List(kReferences)) {
    const std::string_view file = std::string_view(object.key).substr(sizeof kReferences - 1);
    const auto slash = file.rfind('/');
    if (slash == file.npos) continue;
    const auto version = VersionOf(file.substr(slash + 1));
    if (!version || !ValidReferenceName(file.substr(0, slash))) continue;
    all[std::string(file.substr(0, slash))].emplace_back(*version, std::move(object));
  }
  return all;
}

void BucketVersions::ForEach(
    const std::function<void(const std::string&, const std::vector<Listed>&)>& visit) const {
  for (const auto& [name, versions] : All()) {
    std::vector<Listed> listed;
    for (const auto& [version, object] : versions) listed.push_back({version, object.size});
    visit(name, listed);
  }
}

std::optional<std::string> BucketVersions::Read(std::string_view name,
                                                std::uint64_t version) const {
  return bucket_.Get(fmt::format("{}{}/{}", kReferences, name, VersionFile(version)));
}

bool BucketVersions::Create(std::string_view name, std::uint64_t version,
                            std::string_view content) {
  std::call_once(checked_, [&] {
    // Some servers pass over what they do not know, and would let two swaps succeed.
    if (!bucket_.PutNew(kLayoutFile, LayoutText())) return;
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: the server replaces objects where If-None-Match: * says not to; "
                            "references need a newer one",
                            bucket_.place().Name()));
  });
  SyncPoint("store.bucket.reference");
  return bucket_.PutNew(fmt::format("{}{}/{}", kReferences, name, VersionFile(version)), content);
}

std::string BucketVersions::NameOf(std::string_view name, std::uint64_t version) const {
  return bucket_.place().Name(
      version == 0 ? fmt::format("{}{}", kReferences, name)
                   : fmt::format("{}{}/{}", kReferences, name, VersionFile(version)));
}

void BucketVersions::Prune() {
  for (const auto& [name, versions] : All()) {
    for (std::size_t i = 0; i + 2 < versions.size(); ++i) {
      // Whoever saw the version before this one as the newest, and would take this number, has done
      // so or given up.
      if (Now() - versions[i].second.modified > kLongAgo) bucket_.Delete(versions[i].second.key);
    }
  }
}

BucketStore::BucketStore(S3Place place, const StoreOptions& options)
    : options_(options),
      process_(::getpid()),
      bucket_(std::move(place), [this] { return !patient_ && ProcessCancelToken().cancelled(); }),
      root_(Folder::Make(folder_.path())),
      tmp_(*root_.Sub("tmp", /*make=*/true)),
      segments_(*root_.Sub("segments", /*make=*/true)) {
  FindLayout();
  Pull();
  local_ = std::make_unique<FolderStore>(folder_.path(), options,
                                         Elsewhere{this, std::make_unique<BucketObjects>(bucket_),
                                                   std::make_unique<BucketVersions>(bucket_)});
  worker_ = std::thread([this] { Work(); });
}

BucketStore::~BucketStore() {
  if (process_ != ::getpid()) {  // a forked child: all here is its parent's
    worker_.detach();
    return;
  }
  patient_ = true;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  wake_.notify_all();
  worker_.join();
  try {
    local_.reset();  // seals
    Push();
  } catch (const std::exception& error) {
    Log(LogLevel::kWarning, fmt::format("the last results are not remembered: {}", error.what()));
  }
}

void BucketStore::FindLayout() {
  auto text = bucket_.Get(kLayoutFile);
  if (!text) {
    bucket_.PutNew(kLayoutFile, LayoutText());  // another process's is as good
    text = bucket_.Get(kLayoutFile);
  }
  CheckLayout(text.value_or(""), bucket_.place().Name(kLayoutFile), bucket_.place().Name());
}

std::vector<bool> BucketStore::Fetch(const std::vector<S3Object>& objects) {
  std::vector<char> there(objects.size());
  std::atomic<std::size_t> next = 0;
  std::mutex failing;
  std::exception_ptr failure;
  const auto fetch = [&] {
    try {
      for (std::size_t i = next++; i < objects.size(); i = next++) {
        there[i] = bucket_.GetFile(objects[i].key, tmp_.path() / std::to_string(i));
      }
    } catch (...) {
      next = objects.size();
      const std::lock_guard lock(failing);
      if (!failure) failure = std::current_exception();
    }
  };
  std::vector<std::thread> others;
  while (others.size() + 1 < std::min(objects.size(), kFetchers)) others.emplace_back(fetch);
  fetch();
  for (std::thread& other : others) other.join();
  if (failure) std::rethrow_exception(failure);
  return {there.begin(), there.end()};
}

void BucketStore::Install(const S3Object& object, const std::string& unique) {
  const std::string name = object.key.substr(sizeof kSegments - 1);
  const std::filesystem::path path = segments_.path() / name;
  const std::filesystem::path fetched = tmp_.path() / unique;
  Known known{object.size, object.etag, object.modified, false, {}};
  if (const auto before = known_.find(name); before != known_.end()) {
    known.lock = std::move(before->second.lock);
  }
  if (const Fd old = segments_.OpenFile(name);
      old.valid() && !known.lock.valid() && IsLocked(old.get())) {
    tmp_.Remove(unique);
    return;  // it is what this process writes
  }
  if (known.lock.valid()) {
    // Readers have the copy open: they see it grow as they see a file grow.
    const std::string content = ReadFile(fetched);
    known.size = content.size();
    WriteAt(known.lock.get(), content, 0, path);
    if (::ftruncate(known.lock.get(), static_cast<off_t>(content.size())) != 0) {
      ThrowIo("write", path);
    }
    tmp_.Remove(unique);
  } else {
    known.lock = Fd(::open(fetched.c_str(), O_RDWR | O_CLOEXEC));
    if (!known.lock.valid() || ::flock(known.lock.get(), LOCK_EX | LOCK_NB) != 0) {
      ThrowIo("lock", fetched);
    }
    known.size = std::filesystem::file_size(fetched);
    if (::renameat(tmp_.fd(), unique.c_str(), segments_.fd(), name.c_str()) != 0) {
      ThrowIo("write", path);
    }
  }
  SetModified(known.lock.get(), object.modified, path);
  const auto segment = Segment::Open(segments_, name);
  known.sealed = segment == nullptr || segment->sealed();
  // A lock on the copy says that there may come more.
  if (known.sealed || Now() - object.modified > kLongAgo) known.lock.Reset();
  known_.insert_or_assign(name, std::move(known));
}

void BucketStore::Pull() {
  const std::lock_guard lock(sync_);
  std::vector<S3Object> listed = bucket_.List(kSegments);
  std::erase_if(listed, [](const S3Object& object) {
    return !IsPlainFile(std::string_view(object.key).substr(sizeof kSegments - 1));
  });
  std::map<std::string, Known, std::less<>> there;
  std::vector<S3Object> news;
  for (S3Object& object : listed) {
    const std::string name = object.key.substr(sizeof kSegments - 1);
    const auto before = known_.find(name);
    if (before == known_.end()) {
      news.push_back(std::move(object));
      continue;
    }
    Known& known = before->second;
    if (known.etag != object.etag && !(known.sealed && known.size == object.size)) {
      news.push_back(std::move(object));
    } else {
      if (known.modified != object.modified) {
        known.modified = object.modified;
        const Fd fd = segments_.OpenFile(name);
        if (fd.valid()) SetModified(fd.get(), object.modified, segments_.path() / name);
      }
      if (Now() - known.modified > kLongAgo) known.lock.Reset();
    }
    there.insert(known_.extract(before));
  }
  // What is left was merged into others, or removed.
  for (auto& [name, known] : known_) {
    known.lock.Reset();
    const Fd fd = segments_.OpenFile(name);
    if (fd.valid() && !IsLocked(fd.get())) segments_.Remove(name);  // else it is what we write
  }
  known_ = std::move(there);
  const std::vector<bool> fetched = Fetch(news);
  for (std::size_t i = 0; i < news.size(); ++i) {
    // One that was not there was merged into another since it was listed.
    if (fetched[i]) Install(news[i], std::to_string(i));
  }
  looked_ = Clock::now();
}

bool BucketStore::LookForNews() {
  {
    const std::lock_guard lock(sync_);
    if (Clock::now() - looked_ < kNewsInterval) return false;
  }
  try {
    Pull();
  } catch (const Error& error) {
    if (!IsAway(error)) throw;
    Log(LogLevel::kInfo, fmt::format("what others remember is not known: {}", error.what()));
    const std::lock_guard lock(sync_);
    looked_ = Clock::now();
    return false;
  }
  return true;
}

void BucketStore::PushOne(const std::string& name) {
  const Fd fd = segments_.OpenFile(name);
  if (!fd.valid()) return;  // merged meanwhile
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) ThrowIo("look at", segments_.path() / name);
  const auto size = static_cast<std::uint64_t>(status.st_size);
  const auto before = known_.find(name);
  if (before != known_.end() && before->second.size == size) return;
  std::string content(size, '\0');
  content.resize(ReadAt(fd.get(), content.data(), content.size(), 0, segments_.path() / name));
  SyncPoint("store.bucket.segment");
  Known known;
  known.etag = bucket_.Put(KeyOfSegment(name), content);
  SyncPoint("store.bucket.put");
  known.size = content.size();
  known.modified = Now();
  known.sealed = !IsLocked(fd.get());
  known_.insert_or_assign(name, std::move(known));
}

void BucketStore::Push() {
  const std::lock_guard lock(sync_);
  for (const std::string& name : segments_.List()) PushOne(name);
}

void BucketStore::Added() {
  std::exception_ptr refusal;
  {
    const std::lock_guard lock(mutex_);
    added_ = true;
    refusal = std::exchange(refusal_, nullptr);
  }
  wake_.notify_all();
  if (refusal) std::rethrow_exception(refusal);
}

void BucketStore::Work() {
  std::unique_lock lock(mutex_);
  for (bool told = false;;) {
    wake_.wait(lock, [&] { return added_ || closing_; });
    if (closing_) return;
    added_ = false;
    lock.unlock();
    std::chrono::milliseconds pause = kPushInterval;
    std::exception_ptr refusal;
    try {
      local_->SealFrom(kSealFrom);
      Push();
      told = false;
    } catch (const Error& error) {
      if (IsAway(error)) {
        // It is tried again; Seal says when it does not work.
        if (!std::exchange(told, true)) {
          Log(LogLevel::kWarning,
              fmt::format("results are not remembered for now: {}", error.what()));
        }
        pause = kPauseAfterFailure;
      } else if (error.code() != ErrorCode::kCancelled) {
        refusal = std::current_exception();
      }
    } catch (const std::exception&) {
      refusal = std::current_exception();
    }
    lock.lock();
    if (refusal) refusal_ = refusal;
    if (told) added_ = true;
    wake_.wait_for(lock, pause, [&] { return closing_; });
  }
}

Hash BucketStore::Put(const Bytes& object) {
  const Hash hash = local_->Put(object);
  if (object.size() < kLargeObject) Added();
  return hash;
}

std::optional<Bytes> BucketStore::Get(const Hash& hash) {
  auto object = local_->Get(hash);
  if (!object && LookForNews()) object = local_->Get(hash);
  return object;
}

bool BucketStore::Contains(const Hash& hash) {
  return local_->Contains(hash) || (LookForNews() && local_->Contains(hash));
}

void BucketStore::Remember(const Hash& key, const Bytes& result) {
  local_->Remember(key, result);
  Added();
}

std::optional<Bytes> BucketStore::Recall(const Hash& key) {
  auto result = local_->Recall(key);
  if (!result && LookForNews()) result = local_->Recall(key);
  return result;
}

std::optional<Hash> BucketStore::ReadReference(std::string_view name) {
  return local_->ReadReference(name);
}

bool BucketStore::CompareAndSwap(std::string_view name, const std::optional<Hash>& expected,
                                 const std::optional<Hash>& value) {
  Push();  // a reference names nothing that only this process has
  return local_->CompareAndSwap(name, expected, value);
}

std::vector<std::string> BucketStore::ListReferences(std::string_view prefix) {
  return local_->ListReferences(prefix);
}

void BucketStore::Seal() {
  patient_ = true;
  struct Impatient {
    std::atomic<bool>& patient;
    ~Impatient() { patient = false; }
  } const impatient{patient_};
  local_->Seal();
  Push();
  const std::lock_guard lock(mutex_);
  refusal_ = nullptr;
}

StoreStat BucketStore::Stat() {
  Push();
  Pull();
  return local_->Stat();
}

GcReport BucketStore::Gc(std::optional<std::uint64_t> limit) {
  Push();
  Pull();
  return local_->Gc(limit);
}

VerifyReport BucketStore::Verify() {
  Push();
  Pull();
  VerifyReport report = local_->Verify();
  const std::string here = folder_.path().string() + "/";
  for (std::string& fault : report.faults) {
    if (fault.starts_with(here)) fault.replace(0, here.size(), bucket_.place().Name());
  }
  return report;
}

bool BucketStore::Use(const std::string& name) {
  const std::lock_guard lock(sync_);
  const auto known = known_.find(name);
  // One that is not sealed is young, or waits to be merged.
  if (known == known_.end() || !known->second.sealed) return true;
  if (bucket_.Touch(KeyOfSegment(name))) {
    known->second.modified = Now();
    return true;
  }
  known_.erase(known);
  segments_.Remove(name);
  return false;
}

std::int64_t BucketStore::LastUse(const std::string& name) {
  const auto object = bucket_.Head(KeyOfSegment(name));
  return object ? object->modified : 0;
}

void BucketStore::Replace(const std::vector<std::string>& outputs,
                          const std::vector<std::string>& inputs) {
  const std::lock_guard lock(sync_);
  for (const std::string& name : outputs) PushOne(name);
  SyncPoint("store.bucket.merged");
  for (const std::string& name : inputs) {
    bucket_.Delete(KeyOfSegment(name));
    known_.erase(name);
    SyncPoint("store.bucket.removed");
  }
}

std::int64_t BucketStore::UnusedBefore() const {
  return Now() - std::chrono::duration_cast<std::chrono::nanoseconds>(options_.unused_for).count();
}

}  // namespace windlass::store::internal
