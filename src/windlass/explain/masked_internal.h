// Helpers that the parts of MaskedGame share.
#pragma once

#include <cstdint>

namespace windlass::explain {

// Equal as models see it: 0 and -0 are, a missing value equals a missing value.
inline bool SameValue(double a, double b) { return a == b || (a != a && b != b); }

inline std::uint64_t HashWords(const std::uint64_t* words, int count) {
  std::uint64_t hash = 0x9e3779b97f4a7c15;
  for (int i = 0; i < count; ++i) {
    hash = (hash ^ words[i]) * 0xff51afd7ed558ccd;
    hash ^= hash >> 32;
  }
  return hash;
}

}  // namespace windlass::explain
