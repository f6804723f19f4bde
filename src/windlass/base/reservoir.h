// A uniform sample of many things, in memory that does not grow with them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace windlass {

// Says which things of a sequence to keep: those with the smallest keys. With random keys (that of
// a row from its number, say) they are a uniform sample, which does not depend on the order.
// The things lie with the caller, in slots 0..size()-1.
class Reservoir {
 public:
  explicit Reservoir(std::size_t most) : most_(most) {}

  // The slot that a thing with this key goes to: a new one, size() before the call, or that of the
  // thing that it replaces. Empty: it is not kept.
  std::optional<std::size_t> Offer(std::uint64_t key) {
    Kept kept{key, heap_.size()};
    if (heap_.size() == most_) {
      if (heap_.empty() || key >= heap_.front().key) return std::nullopt;
      std::pop_heap(heap_.begin(), heap_.end());
      kept.slot = heap_.back().slot;
      heap_.pop_back();
    }
    heap_.push_back(kept);
    std::push_heap(heap_.begin(), heap_.end());
    return kept.slot;
  }

  std::size_t size() const { return heap_.size(); }

 private:
  struct Kept {
    std::uint64_t key;
    std::size_t slot;
    bool operator<(const Kept& other) const { return key < other.key; }
  };
  std::size_t most_;
  std::vector<Kept> heap_;  // the largest key in front
};

}  // namespace windlass
