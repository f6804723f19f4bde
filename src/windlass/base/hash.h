// Content hashes: BLAKE2b with 256 bits, from libsodium.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "windlass/base/export.h"

namespace windlass {

struct WINDLASS_API Hash {
  std::array<std::uint8_t, 32> bytes{};

  std::string Hex() const;  // 64 lower-case digits
  // Throws Error{kInvalidInput} unless `hex` is 64 hexadecimal digits.
  static Hash FromHex(std::string_view hex);

  friend auto operator<=>(const Hash&, const Hash&) = default;
};

WINDLASS_API Hash HashOf(std::string_view bytes);

// Incremental. `Field` frames what it adds with its length, so that ("ab","c") and ("a","bc")
// differ; `Update` does not.
class Hasher {
 public:
  Hasher();
  Hasher& Update(std::string_view bytes);
  Hasher& Field(std::string_view bytes);
  Hash Finish();

 private:
  alignas(64) std::array<unsigned char, 384> state_;
};

}  // namespace windlass

template <>
struct std::hash<windlass::Hash> {
  std::size_t operator()(const windlass::Hash& hash) const noexcept {
    std::size_t prefix;
    std::memcpy(&prefix, hash.bytes.data(), sizeof prefix);  // uniformly distributed already
    return prefix;
  }
};
