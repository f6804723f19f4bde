// Segment files: one writer appends checksummed records, then seals the file with an index.
// docs/store.md gives the format byte by byte.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "windlass/base/hash.h"
#include "windlass/store/folder_internal.h"
#include "windlass/store/prefix_table_internal.h"

namespace windlass::store::internal {

inline constexpr std::uint32_t kLayoutVersion = 1;

// Objects of this size and above are files of their own.
inline constexpr std::size_t kLargeObject = std::size_t{64} << 10;

enum class RecordType : std::uint32_t {
  kObject = 1,      // hash, bytes
  kMemo = 2,        // key, hash: the object is elsewhere
  kMemoObject = 3,  // key, hash, bytes: the usual small result
  kFooter = 4,      // index and trailer; nothing follows
};

enum class Index : int { kObjects = 0, kMemo = 1 };

struct Record {
  RecordType type{};
  Hash key;   // zeros in kObject
  Hash hash;  // of the object
  std::string data;
  std::uint64_t offset = 0;  // of the record in its file
  std::uint64_t size = 0;    // of the whole record

  bool has_object() const { return type != RecordType::kMemo; }
  bool has_memo() const { return type != RecordType::kObject; }
};

// One segment. Const methods may run at the same time; ScanTail and the writer's methods may not
// run beside anything.
class Segment {
 public:
  // Opens a segment that is already there. Nothing when it is missing or is no segment of ours
  // (then *fault, if given, says why). Throws Error{kIo}.
  static std::shared_ptr<Segment> Open(const Folder& folder, const std::string& name,
                                       std::string* fault = nullptr);

  // Makes a new one, held by this process's lock before others can see it; with `visible` false
  // it stays in `tmp` until Install. Throws Error{kIo}.
  static std::shared_ptr<Segment> Create(const Folder& tmp, const Folder& folder, bool visible);

  // --- reading
  const std::string& name() const { return name_; }
  std::filesystem::path path() const { return path_; }
  bool sealed() const { return sealed_; }
  // The end of the last valid record.
  std::uint64_t end() const { return end_; }

  // Calls accept(record) for each record of the key until it returns true; says whether it did.
  // Damaged records are passed over.
  bool Find(Index index, const Hash& key, const std::function<bool(Record&&)>& accept) const;

  // Every valid record in file order. Of a sealed segment also those behind a damaged one. Each
  // fault is given as (offset, what).
  void ForEach(const std::function<void(Record&&)>& visit,
               const std::function<void(std::uint64_t, std::string)>& fault = {}) const;

  // Whether another process may have appended; one fstat. False for sealed and dead ones.
  bool MayHaveGrown() const;
  // Reads what was appended, up to the first record that is not whole or not right.
  void ScanTail();

  // No process held its lock when it was opened: nobody will change it any more.
  bool finished() const { return dead_; }
  std::uint64_t FileSize() const;
  // Nothing links to the file any longer.
  bool Unlinked() const;

  // Time of the last use as far as this process knows, nanoseconds.
  std::int64_t used() const { return used_.load(std::memory_order_relaxed); }
  void MarkUsed(std::int64_t when) const;  // the file's time, too; failure to set it is ignored

  std::uint64_t CountOf(Index index) const;

  // The first eight bytes of every key, in no order and not made unique.
  std::vector<std::uint64_t> Prefixes(Index index) const;

  // What is wrong behind the records: a damaged index, or a rest that is not just the unfinished
  // record of a killed writer. Empty when nothing is.
  std::string TailFault() const;

  // --- writing
  // Returns the offset. A failed append leaves the file as before, or abandoned() true: then
  // the writer goes on in a new segment. Throws Error{kIo}.
  std::uint64_t Append(RecordType type, const Hash& key, const Hash& hash, std::string_view data);
  // Appends the footer and gives up the lock; the file is immutable from now on. With `sync` the
  // content is on the disk when this returns. Throws Error{kIo}; the file is then unsealed as
  // before, but abandoned: somebody may have seen the footer.
  void Seal(bool sync);
  void Sync() const;
  // Moves a segment made invisible to its place.
  void Install(const Folder& folder);
  bool abandoned() const { return abandoned_; }

 private:
  Segment() = default;

  struct IndexEntry {
    std::uint64_t prefix;
    std::uint64_t offset;
  };
  struct SealedIndex {
    std::uint64_t count = 0;
    int bits = 0;                 // the fan-out has 2^bits buckets
    std::uint64_t fanout_at = 0;  // offsets in the file
    std::uint64_t filter_at = 0;
    std::uint64_t entries_at = 0;
    std::uint64_t filter_words = 0;
    // Read at the first look-up.
    mutable std::once_flag loaded;
    mutable std::vector<std::uint32_t> fanout;
    mutable std::vector<std::uint64_t> filter;
  };

  bool ReadHeader(std::string* fault);
  bool ReadTrailer(std::uint64_t file_size);
  // Sets the places of both indices from their counts; false when they do not fit.
  bool LayOut(std::uint64_t footer_at, std::uint64_t objects, std::uint64_t memos,
              std::uint64_t file_size);
  std::vector<IndexEntry> EntriesOf(const SealedIndex& index) const;
  void LoadIndex(const SealedIndex& index) const;
  bool FindSealed(const SealedIndex& index, std::uint64_t prefix,
                  const std::function<bool(std::uint64_t)>& visit) const;
  // Empty when the record is right.
  std::string ReadRecord(std::uint64_t offset, Record* record) const;
  std::string ParseRecord(std::string_view bytes, std::uint64_t offset, Record* record) const;
  std::uint64_t Checksum(std::string_view payload, std::uint32_t type) const;
  std::string BuildFooter() const;
  void AddToTables(const Record& record);
  void Abandon();
  void AppendRaw(std::string_view header, std::string_view payload);

  std::string name_;
  std::filesystem::path path_;
  Fd fd_;
  std::uint64_t salt_ = 0;
  std::uint64_t end_ = 0;
  bool sealed_ = false;
  bool dead_ = false;
  bool abandoned_ = false;
  mutable std::atomic<std::int64_t> used_ = 0;
  std::array<PrefixTable, 2> tables_;      // while not sealed
  std::array<SealedIndex, 2> indices_;     // when sealed
  std::unique_ptr<TemporaryFile> hidden_;  // until Install
  mutable std::atomic<std::uint64_t> seen_size_ = 0;
};

}  // namespace windlass::store::internal
