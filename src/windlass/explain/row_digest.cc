#include "windlass/explain/row_digest.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace windlass::explain {

struct RowDigest::State {
  XXH3_state_t hash;
};

RowDigest::RowDigest() : state_(std::make_unique<State>()) {
  XXH3_INITSTATE(&state_->hash);
  XXH3_128bits_reset(&state_->hash);
}

RowDigest::~RowDigest() = default;

void RowDigest::Update(std::span<const double> values) {
  std::array<double, 512> block;
  while (!values.empty()) {
    const auto part = values.first(std::min(values.size(), block.size()));
    std::ranges::transform(part, block.begin(), [](double value) {
      return std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : value + 0.0;
    });
    XXH3_128bits_update(&state_->hash, block.data(), part.size_bytes());
    values = values.subspan(part.size());
  }
}

std::string RowDigest::Hex() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(&state_->hash);
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace windlass::explain
