#include "windlass/store/segment_internal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "windlass/base/bytes.h"
#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/base/sync_point.h"

namespace windlass::store::internal {
namespace {

constexpr std::uint64_t kSegmentMagic = 0x31474553444e4957;  // "WINDSEG1"
constexpr std::uint64_t kTrailerMagic = 0x31544f4f46444e57;  // "WNDFOOT1"

struct FileHeader {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t reserved;
  std::uint64_t salt;      // random; keys every checksum of this file
  std::uint64_t checksum;  // XXH3 of what stands before
};
static_assert(sizeof(FileHeader) == 32);

struct RecordHeader {
  std::uint32_t length;  // of the payload
  std::uint32_t type;
  std::uint64_t checksum;
};
static_assert(sizeof(RecordHeader) == 16);

struct Trailer {
  std::uint64_t footer_at;
  std::uint64_t objects;
  std::uint64_t memos;
  std::uint64_t magic;
  std::uint64_t checksum;  // salted
};
static_assert(sizeof(Trailer) == 40);

// Payload bytes before the data, and the most data that a record may have.
constexpr std::size_t PrefixBytes(RecordType type) { return type == RecordType::kObject ? 32 : 64; }
constexpr std::size_t MaxData(RecordType type) {
  return type == RecordType::kMemo ? 0 : kLargeObject - 1;
}
constexpr std::size_t kMaxRecord = sizeof(RecordHeader) + 64 + kLargeObject;
static_assert(kLargeObject + 64 < (std::uint64_t{1} << 32));

bool ValidLength(std::uint32_t type, std::uint32_t length) {
  if (type < 1 || type > 3) return false;
  const auto t = static_cast<RecordType>(type);
  return length >= PrefixBytes(t) && length - PrefixBytes(t) <= MaxData(t);
}

int FanoutBits(std::uint64_t count) {
  int bits = 0;
  while (bits < 24 && (count >> bits) > 16) ++bits;
  return bits;
}

// Twelve bits an entry, four of one word set: about one look-up in 80 of a missing key passes.
std::uint64_t FilterWords(std::uint64_t count) { return count * 12 / 64 + 1; }

struct FilterPlace {
  std::uint64_t word;
  std::uint64_t mask;
};
FilterPlace PlaceInFilter(std::uint64_t prefix, std::uint64_t words) {
  const std::uint64_t mixed = prefix * 0x9e3779b97f4a7c15u;
  const std::uint64_t again = (mixed ^ (mixed >> 32)) * 0xd6e8feb86659fd93u;
  __extension__ using Wide = unsigned __int128;
  const auto word = static_cast<std::uint64_t>((static_cast<Wide>(mixed) * words) >> 64);
  std::uint64_t mask = 0;
  for (int i = 0; i < 4; ++i) mask |= std::uint64_t{1} << (again >> (8 + 6 * i) & 63);
  return {word, mask};
}

// Where each bucket begins, and twice the end of the last.
std::uint64_t FanoutBytes(int bits) { return ((std::uint64_t{1} << bits) + 2) * 4; }

template <typename T>
std::string_view AsBytes(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

}  // namespace

std::uint64_t Segment::Checksum(std::string_view payload, std::uint32_t type) const {
  // Length and type are part of the seed: a changed header fails as a changed payload does.
  const std::uint64_t seed = salt_ + payload.size() * 0x9e3779b97f4a7c15u + type;
  return XXH3_64bits_withSeed(payload.data(), payload.size(), seed);
}

std::shared_ptr<Segment> Segment::Open(const Folder& folder, const std::string& name,
                                       std::string* fault) {
  std::shared_ptr<Segment> segment(new Segment);
  segment->name_ = name;
  segment->path_ = folder.path() / name;
  segment->fd_ = folder.OpenFile(name);
  if (!segment->fd_.valid()) {
    if (fault != nullptr) *fault = "is not a regular file";
    return nullptr;
  }
  if (!segment->ReadHeader(fault)) return nullptr;
  // Asked before the size: what is written by a process that lives is seen as growing.
  segment->dead_ = !IsLocked(segment->fd_.get());
  struct stat status {};
  if (::fstat(segment->fd_.get(), &status) != 0) ThrowIo("look at", segment->path_);
  segment->used_ = ModifiedAt(status);
  segment->end_ = sizeof(FileHeader);
  if (!segment->ReadTrailer(static_cast<std::uint64_t>(status.st_size))) segment->ScanTail();
  return segment;
}

std::shared_ptr<Segment> Segment::Create(const Folder& tmp, const Folder& folder, bool visible) {
  std::shared_ptr<Segment> segment(new Segment);
  FileHeader header{kSegmentMagic, kLayoutVersion, 0, 0, 0};
  const std::string unique = UniqueName();
  // Names sort by time of creation: of two entries of one key the older is found first.
  segment->name_ = fmt::format("{:016x}-{}.seg", Now(), unique.substr(0, 16));
  segment->path_ = folder.path() / segment->name_;
  const Hash random = HashOf(unique);
  std::memcpy(&header.salt, random.bytes.data(), sizeof header.salt);
  segment->salt_ = header.salt;
  header.checksum = XXH3_64bits(&header, offsetof(FileHeader, checksum));
  segment->hidden_ = std::make_unique<TemporaryFile>(tmp);
  if (::flock(segment->hidden_->fd(), LOCK_EX | LOCK_NB) != 0) {
    ThrowIo("lock", segment->hidden_->path());
  }
  WriteAt(segment->hidden_->fd(), AsBytes(header), 0, segment->hidden_->path());
  segment->fd_ = segment->hidden_->TakeFd();
  segment->end_ = sizeof(FileHeader);
  segment->used_ = Now();
  if (visible) segment->Install(folder);
  return segment;
}

void Segment::Install(const Folder& folder) {
  hidden_->MoveTo(folder, name_);
  hidden_.reset();
}

bool Segment::ReadHeader(std::string* fault) {
  FileHeader header{};
  const std::size_t got =
      ReadAt(fd_.get(), reinterpret_cast<char*>(&header), sizeof header, 0, path_);
  const char* what = nullptr;
  if (got != sizeof header || header.magic != kSegmentMagic) {
    what = "does not begin as a segment";
  } else if (header.checksum != XXH3_64bits(&header, offsetof(FileHeader, checksum))) {
    what = "has a damaged header";
  } else if (header.version != kLayoutVersion) {
    what = "is of another layout version";
  }
  if (what == nullptr) {
    salt_ = header.salt;
  } else if (fault != nullptr) {
    *fault = what;
  }
  return what == nullptr;
}

bool Segment::LayOut(std::uint64_t footer_at, std::uint64_t objects, std::uint64_t memos,
                     std::uint64_t file_size) {
  const std::uint64_t counts[2] = {objects, memos};
  std::uint64_t at = footer_at + sizeof(RecordHeader);
  for (int i = 0; i < 2; ++i) {
    if (counts[i] > file_size / sizeof(IndexEntry)) return false;  // so that no sum overflows
    SealedIndex& index = indices_[i];
    index.count = counts[i];
    index.bits = FanoutBits(counts[i]);
    index.filter_words = FilterWords(counts[i]);
    index.fanout_at = at;
    index.filter_at = index.fanout_at + FanoutBytes(index.bits);
    index.entries_at = index.filter_at + 8 * index.filter_words;
    at = index.entries_at + sizeof(IndexEntry) * index.count;
  }
  return at + sizeof(Trailer) == file_size;
}

bool Segment::ReadTrailer(std::uint64_t file_size) {
  if (file_size < sizeof(FileHeader) + sizeof(RecordHeader) + sizeof(Trailer)) return false;
  Trailer trailer{};
  if (ReadAt(fd_.get(), reinterpret_cast<char*>(&trailer), sizeof trailer,
             file_size - sizeof trailer, path_) != sizeof trailer) {
    return false;
  }
  if (trailer.magic != kTrailerMagic || trailer.footer_at < sizeof(FileHeader) ||
      trailer.footer_at > file_size ||
      trailer.checksum != XXH3_64bits_withSeed(&trailer, offsetof(Trailer, checksum), salt_) ||
      !LayOut(trailer.footer_at, trailer.objects, trailer.memos, file_size)) {
    return false;
  }
  end_ = trailer.footer_at;
  sealed_ = true;
  tables_ = {};
  return true;
}

void Segment::LoadIndex(const SealedIndex& index) const {
  std::call_once(index.loaded, [&] {
    const std::size_t fanout_bytes = FanoutBytes(index.bits);
    const std::size_t filter_bytes = 8 * index.filter_words;
    index.fanout.resize(fanout_bytes / 4);
    index.filter.resize(index.filter_words);
    const bool whole = ReadAt(fd_.get(), reinterpret_cast<char*>(index.fanout.data()), fanout_bytes,
                              index.fanout_at, path_) == fanout_bytes &&
                       ReadAt(fd_.get(), reinterpret_cast<char*>(index.filter.data()), filter_bytes,
                              index.filter_at, path_) == filter_bytes;
    if (!whole) index.filter.assign(index.filter_words, 0);  // cut off meanwhile: nothing is found
  });
}

std::vector<Segment::IndexEntry> Segment::EntriesOf(const SealedIndex& index) const {
  std::vector<IndexEntry> entries(index.count);  // at most as many as the file has room for
  const std::size_t bytes = entries.size() * sizeof(IndexEntry);
  const std::size_t got =
      ReadAt(fd_.get(), reinterpret_cast<char*>(entries.data()), bytes, index.entries_at, path_);
  entries.resize(got / sizeof(IndexEntry));
  return entries;
}

bool Segment::FindSealed(const SealedIndex& index, std::uint64_t prefix,
                         const std::function<bool(std::uint64_t)>& visit) const {
  if (index.count == 0) return false;
  LoadIndex(index);
  const FilterPlace place = PlaceInFilter(prefix, index.filter_words);
  if ((index.filter[place.word] & place.mask) != place.mask) return false;
  const std::uint64_t bucket = index.bits == 0 ? 0 : prefix >> (64 - index.bits);
  std::uint64_t first = index.fanout[bucket];
  const std::uint64_t last = std::min<std::uint64_t>(index.fanout[bucket + 1], index.count);
  std::array<IndexEntry, 32> entries;
  while (first < last) {
    const std::size_t count = std::min<std::uint64_t>(entries.size(), last - first);
    const std::size_t bytes = count * sizeof(IndexEntry);
    if (ReadAt(fd_.get(), reinterpret_cast<char*>(entries.data()), bytes,
               index.entries_at + first * sizeof(IndexEntry), path_) != bytes) {
      return false;
    }
    for (std::size_t i = 0; i < count; ++i) {
      if (entries[i].prefix > prefix) return false;
      if (entries[i].prefix == prefix && visit(entries[i].offset)) return true;
    }
    first += count;
  }
  return false;
}

std::string Segment::ParseRecord(std::string_view bytes, std::uint64_t offset,
                                 Record* record) const {
  RecordHeader header{};
  if (bytes.size() < sizeof header) return "the record is cut off";
  std::memcpy(&header, bytes.data(), sizeof header);
  if (!ValidLength(header.type, header.length)) return "no record begins here";
  if (bytes.size() < sizeof header + header.length) return "the record is cut off";
  const std::string_view payload = bytes.substr(sizeof header, header.length);
  if (header.checksum != Checksum(payload, header.type)) return "the record's checksum is wrong";
  record->type = static_cast<RecordType>(header.type);
  const std::size_t before = PrefixBytes(record->type);
  record->key = {};
  if (record->has_memo()) std::memcpy(record->key.bytes.data(), payload.data(), 32);
  std::memcpy(record->hash.bytes.data(), payload.data() + before - 32, 32);
  record->data.assign(payload.substr(before));
  record->offset = offset;
  record->size = sizeof header + header.length;
  return {};
}

std::string Segment::ReadRecord(std::uint64_t offset, Record* record) const {
  if (offset < sizeof(FileHeader) || offset >= end_) return "the index points outside the records";
  // Most records are small: one read. The length of others is checked before memory is taken.
  std::array<char, 1024> head;
  const std::size_t wanted = std::min<std::uint64_t>(head.size(), end_ - offset);
  const std::size_t got = ReadAt(fd_.get(), head.data(), wanted, offset, path_);
  RecordHeader header{};
  if (got < sizeof header) return "the record is cut off";
  std::memcpy(&header, head.data(), sizeof header);
  if (!ValidLength(header.type, header.length)) return "no record begins here";
  const std::size_t size = sizeof header + header.length;
  if (size > end_ - offset) return "the record is cut off";
  if (size <= got) return ParseRecord({head.data(), size}, offset, record);
  std::string whole(size, '\0');
  if (ReadAt(fd_.get(), whole.data(), size, offset, path_) != size) {
    return "the record is cut off";
  }
  return ParseRecord(whole, offset, record);
}

bool Segment::Find(Index index, const Hash& key,
                   const std::function<bool(Record&&)>& accept) const {
  const std::uint64_t prefix = PrefixOf(key);
  const auto visit = [&](std::uint64_t offset) {
    Record record;
    if (!ReadRecord(offset, &record).empty()) return false;
    const bool fits = index == Index::kMemo ? record.has_memo() && record.key == key
                                            : record.has_object() && record.hash == key;
    return fits && accept(std::move(record));
  };
  const int i = static_cast<int>(index);
  return sealed_ ? FindSealed(indices_[i], prefix, visit) : tables_[i].Find(prefix, visit);
}

void Segment::ForEach(const std::function<void(Record&&)>& visit,
                      const std::function<void(std::uint64_t, std::string)>& fault) const {
  std::uint64_t at = sizeof(FileHeader);
  std::vector<std::uint64_t> starts;  // of a sealed segment, read when a record is damaged
  while (at < end_) {
    Record record;
    const std::string what = ReadRecord(at, &record);
    if (what.empty()) {
      at += record.size;
      visit(std::move(record));
      continue;
    }
    if (fault) fault(at, what);
    if (!sealed_) return;  // not reached: the scan ended before
    if (starts.empty()) {
      for (const SealedIndex& index : indices_) {
        for (const IndexEntry& entry : EntriesOf(index)) starts.push_back(entry.offset);
      }
      std::ranges::sort(starts);
    }
    const auto next = std::ranges::upper_bound(starts, at);
    if (next == starts.end()) return;
    at = *next;
  }
}

bool Segment::MayHaveGrown() const {
  if (sealed_ || dead_ || hidden_ != nullptr) return false;
  const std::uint64_t size = FileSize();
  // An unread rest may be a record in the middle of its way to the disk: look again.
  return size != seen_size_.load(std::memory_order_relaxed) || size > end_;
}

void Segment::ScanTail() {
  const std::uint64_t size = FileSize();
  seen_size_ = size;
  std::string buffer;
  std::uint64_t buffer_at = end_;
  while (end_ < size) {
    std::string_view rest = std::string_view(buffer).substr(end_ - buffer_at);
    if (rest.size() < kMaxRecord && buffer_at + buffer.size() < size) {
      buffer.resize(std::min<std::uint64_t>(4 * kMaxRecord, size - end_));
      buffer.resize(ReadAt(fd_.get(), buffer.data(), buffer.size(), end_, path_));
      buffer_at = end_;
      rest = buffer;
      if (buffer.empty()) return;  // cut off meanwhile
    }
    Record record;
    if (!ParseRecord(rest, end_, &record).empty()) {
      ReadTrailer(size);  // where the footer begins, a sealed segment's records end
      return;
    }
    AddToTables(record);
    end_ += record.size;
  }
}

void Segment::AddToTables(const Record& record) {
  if (record.has_object()) tables_[0].Insert(PrefixOf(record.hash), record.offset);
  if (record.has_memo()) tables_[1].Insert(PrefixOf(record.key), record.offset);
}

std::uint64_t Segment::FileSize() const {
  struct stat status {};
  if (::fstat(fd_.get(), &status) != 0) ThrowIo("look at", path_);
  return static_cast<std::uint64_t>(status.st_size);
}

bool Segment::Unlinked() const {
  struct stat status {};
  if (::fstat(fd_.get(), &status) != 0) ThrowIo("look at", path_);
  return status.st_nlink == 0;
}

void Segment::MarkUsed(std::int64_t when) const {
  constexpr std::int64_t kSecond = 1'000'000'000;
  // Refused for another user's file: then it counts as unused, and a result is computed again.
  const struct timespec times[2] = {{0, UTIME_OMIT},
                                    {when / kSecond, static_cast<long>(when % kSecond)}};
  ::futimens(fd_.get(), times);
  used_ = when;
}

std::uint64_t Segment::CountOf(Index index) const {
  const int i = static_cast<int>(index);
  return sealed_ ? indices_[i].count : tables_[i].size();
}

std::uint64_t Segment::Append(RecordType type, const Hash& key, const Hash& hash,
                              std::string_view data) {
  std::string payload;
  payload.reserve(64 + data.size());
  if (type != RecordType::kObject) {
    payload.append(reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size());
  }
  payload.append(reinterpret_cast<const char*>(hash.bytes.data()), hash.bytes.size());
  payload.append(data);
  const auto number = static_cast<std::uint32_t>(type);
  if (!ValidLength(number, static_cast<std::uint32_t>(payload.size())) ||
      data.size() >= kLargeObject) {
    throw Error(ErrorCode::kInternal, fmt::format("a record of {} bytes", data.size()));
  }
  const RecordHeader header{static_cast<std::uint32_t>(payload.size()), number,
                            Checksum(payload, number)};
  const std::uint64_t offset = end_;
  AppendRaw(AsBytes(header), payload);
  if (type != RecordType::kMemo) tables_[0].Insert(PrefixOf(hash), offset);
  if (type != RecordType::kObject) tables_[1].Insert(PrefixOf(key), offset);
  return offset;
}

void Segment::AppendRaw(std::string_view header, std::string_view payload) {
  try {
    // Two writes, so that a test can end the process between them.
    WriteAt(fd_.get(), header, end_, path_);
    SyncPoint("store.append.half");
    WriteAt(fd_.get(), payload, end_ + header.size(), path_);
  } catch (...) {
    if (::ftruncate(fd_.get(), static_cast<off_t>(end_)) != 0) Abandon();
    throw;
  }
  end_ += header.size() + payload.size();
}

std::string Segment::BuildFooter() const {
  std::string footer;
  for (const PrefixTable& table : tables_) {
    auto entries = table.Entries();
    std::ranges::sort(entries);
    const int bits = FanoutBits(entries.size());
    std::vector<std::uint32_t> fanout(FanoutBytes(bits) / 4,
                                      static_cast<std::uint32_t>(entries.size()));
    std::vector<std::uint64_t> filter(FilterWords(entries.size()));
    std::size_t entry = 0;
    for (std::uint64_t bucket = 0; bucket < std::uint64_t{1} << bits; ++bucket) {
      fanout[bucket] = static_cast<std::uint32_t>(entry);
      while (entry < entries.size() &&
             (bits == 0 ? 0 : entries[entry].first >> (64 - bits)) == bucket) {
        ++entry;
      }
    }
    for (const auto& [prefix, offset] : entries) {
      const FilterPlace place = PlaceInFilter(prefix, filter.size());
      filter[place.word] |= place.mask;
    }
    windlass::AppendRaw(footer, std::span<const std::uint32_t>(fanout));
    windlass::AppendRaw(footer, std::span<const std::uint64_t>(filter));
    for (const auto& [prefix, offset] : entries) {
      windlass::AppendRaw(footer, IndexEntry{prefix, offset});
    }
  }
  Trailer trailer{end_, tables_[0].size(), tables_[1].size(), kTrailerMagic, 0};
  trailer.checksum = XXH3_64bits_withSeed(&trailer, offsetof(Trailer, checksum), salt_);
  footer.append(AsBytes(trailer));
  return footer;
}

void Segment::Seal(bool sync) {
  const std::string footer = BuildFooter();
  const auto type = static_cast<std::uint32_t>(RecordType::kFooter);
  const RecordHeader header{static_cast<std::uint32_t>(footer.size()), type,
                            Checksum(footer, type)};
  const std::uint64_t records_end = end_;
  try {
    WriteAt(fd_.get(), AsBytes(header), end_, path_);
    const std::size_t half = footer.size() / 2;
    WriteAt(fd_.get(), footer.substr(0, half), end_ + sizeof header, path_);
    SyncPoint("store.seal.footer");
    WriteAt(fd_.get(), std::string_view(footer).substr(half), end_ + sizeof header + half, path_);
    if (sync) Sync();
  } catch (...) {
    // Should this be refused: half an index behind the records is passed over.
    [[maybe_unused]] const int refused = ::ftruncate(fd_.get(), static_cast<off_t>(records_end));
    Abandon();
    throw;
  }
  SyncPoint("store.seal.done");
  ::flock(fd_.get(), LOCK_UN);
  dead_ = true;
  if (!ReadTrailer(FileSize())) {
    throw Error(ErrorCode::kIo,
                fmt::format("{}: the index just written reads back differently", path_.string()));
  }
}

void Segment::Abandon() {
  ::flock(fd_.get(), LOCK_UN);
  dead_ = true;
  abandoned_ = true;
}

void Segment::Sync() const {
  if (::fdatasync(fd_.get()) != 0) ThrowIo("sync", path_);
}

std::vector<std::uint64_t> Segment::Prefixes(Index which) const {
  std::vector<std::uint64_t> prefixes;
  if (!sealed_) {
    for (const auto& entry : tables_[static_cast<int>(which)].Entries()) {
      prefixes.push_back(entry.first);
    }
    return prefixes;
  }
  for (const IndexEntry& entry : EntriesOf(indices_[static_cast<int>(which)])) {
    prefixes.push_back(entry.prefix);
  }
  return prefixes;
}

std::string Segment::TailFault() const {
  const std::uint64_t size = FileSize();
  if (size <= end_) return sealed_ ? "the index is gone" : "";
  RecordHeader header{};
  if (ReadAt(fd_.get(), reinterpret_cast<char*>(&header), sizeof header, end_, path_) !=
      sizeof header) {
    return sealed_ ? "the index is damaged" : "";
  }
  const bool footer = header.type == static_cast<std::uint32_t>(RecordType::kFooter);
  if (!footer && (sealed_ || !ValidLength(header.type, header.length))) {
    return sealed_ ? "the index is damaged" : "no record begins here; the rest cannot be read";
  }
  if (header.length > size - end_ - sizeof header) {  // unfinished, unless it was whole once
    return sealed_ ? "the index is damaged" : "";
  }
  std::string payload(header.length, '\0');
  payload.resize(ReadAt(fd_.get(), payload.data(), payload.size(), end_ + sizeof header, path_));
  const bool right = header.checksum == Checksum(payload, header.type);
  if (footer) {
    const bool whole = sealed_ && right && end_ + sizeof header + header.length == size;
    return whole ? "" : "the index is damaged";
  }
  return right ? "" : "the record's checksum is wrong; the rest cannot be read";
}

}  // namespace windlass::store::internal
