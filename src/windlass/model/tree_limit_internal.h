// The option `ntree_limit` of the formats of boosted trees.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "windlass/base/object_spec.h"

namespace windlass::model {

inline constexpr const char* kTreeLimit = "ntree_limit";

// The number of trees used for each output, from the first on; 0: all; nothing: as the file says.
// Throws Error{kInvalidInput} for a negative one.
std::optional<std::int64_t> TreeLimitOf(const ObjectSpec& spec);

// Counts the trees of each output.
class TreeLimit {
 public:
  TreeLimit(std::int64_t limit, std::int64_t outputs) : limit_(limit), used_(outputs, 0) {}

  // Whether the next tree, of `output`, is still used. One of no known output is, to be refused.
  bool Takes(std::int64_t output) {
    if (limit_ == 0 || output < 0 || output >= std::ssize(used_)) return true;
    return used_[output]++ < limit_;
  }

 private:
  std::int64_t limit_;
  std::vector<std::int64_t> used_;
};

}  // namespace windlass::model
