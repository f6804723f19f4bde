// The in-memory index of a segment that is not sealed: 16 bytes a record.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "windlass/base/hash.h"

namespace windlass::store::internal {

// The first eight bytes of a hash, big-endian: ordered as the hashes are.
inline std::uint64_t PrefixOf(const Hash& hash) {
  std::uint64_t prefix;
  std::memcpy(&prefix, hash.bytes.data(), sizeof prefix);
  return __builtin_bswap64(prefix);
}

// From prefixes to offsets, several of one prefix allowed; the record itself tells which key it
// has. Open addressing, linear probing, at most 2/3 full.
class PrefixTable {
 public:
  void Insert(std::uint64_t prefix, std::uint64_t offset) {
    if (3 * (size_ + 1) > 2 * slots_.size()) Grow();
    Place(prefix, offset);
    ++size_;
  }

  // Calls visit(offset), oldest first within a prefix, until it returns true; says whether it did.
  template <typename Visit>
  bool Find(std::uint64_t prefix, Visit&& visit) const {
    if (slots_.empty()) return false;
    for (std::size_t i = Home(prefix); slots_[i].offset != 0; i = (i + 1) & (slots_.size() - 1)) {
      if (slots_[i].prefix == prefix && visit(slots_[i].offset)) return true;
    }
    return false;
  }

  // All (prefix, offset), in no order.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> Entries() const {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> entries;
    entries.reserve(size_);
    for (const Slot& slot : slots_) {
      if (slot.offset != 0) entries.emplace_back(slot.prefix, slot.offset);
    }
    return entries;
  }

  std::size_t size() const { return size_; }

 private:
  struct Slot {
    std::uint64_t prefix = 0;
    std::uint64_t offset = 0;  // 0: free; no record starts at 0, where the header stands
  };

  std::size_t Home(std::uint64_t prefix) const {
    return (prefix * 0x9e3779b97f4a7c15u >> 20) & (slots_.size() - 1);
  }

  void Place(std::uint64_t prefix, std::uint64_t offset) {
    std::size_t i = Home(prefix);
    while (slots_[i].offset != 0) i = (i + 1) & (slots_.size() - 1);
    slots_[i] = {prefix, offset};
  }

  void Grow() {
    std::vector<Slot> old(slots_.empty() ? 64 : 2 * slots_.size());
    old.swap(slots_);
    // From a free slot on, clusters are met in probing order, so that equal prefixes keep theirs.
    std::size_t start = 0;
    while (start < old.size() && old[start].offset != 0) ++start;
    for (std::size_t k = 0; k < old.size(); ++k) {
      const Slot& slot = old[(start + k) % old.size()];
      if (slot.offset != 0) Place(slot.prefix, slot.offset);
    }
  }

  std::vector<Slot> slots_;
  std::size_t size_ = 0;
};

}  // namespace windlass::store::internal
