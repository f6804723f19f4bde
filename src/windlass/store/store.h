// Immutable, content-addressed objects; a memo table from a task's identity to its result; named
// references changed by compare-and-swap. See docs/store.md for the layout on disk.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/base/bytes.h"
#include "windlass/base/export.h"
#include "windlass/base/hash.h"

namespace windlass::store {

struct StoreOptions {
  std::uint64_t size_limit = std::uint64_t{10} << 30;  // bytes; Gc() without a limit goes to this
  // In a bucket nobody knows who uses the store: Gc() leaves what was used in this time.
  std::chrono::seconds unused_for = std::chrono::hours(7 * 24 + 1);
};

struct StoreStat {
  std::uint64_t objects = 0;  // distinct
  std::uint64_t memo_entries = 0;
  std::uint64_t references = 0;
  std::uint64_t segments = 0;
  std::uint64_t bytes = 0;  // on disk
  std::uint64_t size_limit = 0;
};

struct GcReport {
  std::uint64_t bytes_before = 0;
  std::uint64_t bytes_after = 0;
  std::uint64_t objects_removed = 0;
  std::uint64_t memo_entries_removed = 0;
};

struct VerifyReport {
  std::uint64_t objects_checked = 0;
  std::uint64_t memo_entries_checked = 0;
  std::vector<std::string> faults;  // one line each: which file, where, what
};

// Thread safe. Any number of processes may use one folder at once; a killed process leaves it
// readable and loses at most the record it was writing.
class WINDLASS_API Store {
 public:
  // `place` is a folder, made when it is missing, or s3://BUCKET[/PREFIX] (base/s3.h), which must
  // exist. What another process of a bucket's store wrote is seen after a few seconds.
  //
  // Throws Error{kIo} naming it when it cannot be made or written, Error{kNotFound} when there is
  // no such bucket, Error{kUnsupported} when its layout is of a newer version.
  static std::shared_ptr<Store> Open(const std::filesystem::path& place,
                                     const StoreOptions& options = {});
  virtual ~Store() = default;

  // Stores bytes under their content hash; does nothing when they are there.
  // Throws Error{kIo} (a full disk, no permission).
  virtual Hash Put(const Bytes& object) = 0;

  // The object, its hash checked, or nothing when the store does not have it (or only a damaged
  // copy: damage reads as absence, and Verify() reports it).
  virtual std::optional<Bytes> Get(const Hash& hash) = 0;
  virtual bool Contains(const Hash& hash) = 0;

  // The memo table. Remember stores the result and maps `key` to it; the first entry of a key
  // stays. Recall gives the result, or nothing when the entry or its object is missing.
  virtual void Remember(const Hash& key, const Bytes& result) = 0;
  virtual std::optional<Bytes> Recall(const Hash& key) = 0;

  // References: names like "model/income" (letters, digits, . _ - /, no empty or dot-dot part).
  // CompareAndSwap changes a reference from `expected` (nothing: it must not exist) to `value`
  // (nothing: removed) and says whether it did; of several racing processes exactly one does.
  virtual std::optional<Hash> ReadReference(std::string_view name) = 0;
  virtual bool CompareAndSwap(std::string_view name, const std::optional<Hash>& expected,
                              const std::optional<Hash>& value) = 0;
  virtual std::vector<std::string> ListReferences(std::string_view prefix) = 0;

  // Makes what was written so far durable and visible as a sealed segment. In a bucket this is when
  // a refusal to take it is thrown, if not before.
  virtual void Seal() = 0;

  virtual StoreStat Stat() = 0;
  // Removes what was unused for longest until at most `limit` bytes are left (default: the size
  // limit of the options). Objects that a reference names are kept. Safe beside running jobs.
  virtual GcReport Gc(std::optional<std::uint64_t> limit = std::nullopt) = 0;
  virtual VerifyReport Verify() = 0;
};

// Where the store of this process is: $WINDLASS_STORE, else "store" in the home.
WINDLASS_API std::filesystem::path DefaultPlace();

// $WINDLASS_HOME, else $HOME/.windlass. Throws Error{kIo} when neither is set.
WINDLASS_API std::filesystem::path HomeFolder();

}  // namespace windlass::store
