#include "windlass/base/hash.h"

#include <sodium.h>

#include "windlass/base/error.h"

namespace windlass {
namespace {

// Picks libsodium's fastest implementation once; without it hashing is right but slower.
void EnsureSodium() {
  static const bool ready = sodium_init() >= 0;
  if (!ready) throw Error(ErrorCode::kInternal, "libsodium could not be initialised");
}

crypto_generichash_state* StateOf(std::array<unsigned char, 384>& storage) {
  static_assert(sizeof(crypto_generichash_state) <= 384);
  return reinterpret_cast<crypto_generichash_state*>(storage.data());
}

int DigitOf(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::string Hash::Hex() const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * bytes.size());
  for (const std::uint8_t byte : bytes) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

Hash Hash::FromHex(std::string_view hex) {
  Hash hash;
  bool good = hex.size() == 2 * hash.bytes.size();
  for (std::size_t i = 0; good && i < hash.bytes.size(); ++i) {
    const int high = DigitOf(hex[2 * i]);
    const int low = DigitOf(hex[2 * i + 1]);
    good = high >= 0 && low >= 0;
    hash.bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  if (!good) {
    throw Error(ErrorCode::kInvalidInput,
                "\"" + std::string(hex) + "\" is not a hash of 64 lower-case hexadecimal digits");
  }
  return hash;
}

Hash HashOf(std::string_view bytes) { return Hasher().Update(bytes).Finish(); }

Hasher::Hasher() {
  EnsureSodium();
  crypto_generichash_init(StateOf(state_), nullptr, 0, sizeof(Hash::bytes));
}

Hasher& Hasher::Update(std::string_view bytes) {
  crypto_generichash_update(StateOf(state_), reinterpret_cast<const unsigned char*>(bytes.data()),
                            bytes.size());
  return *this;
}

Hasher& Hasher::Field(std::string_view bytes) {
  const std::uint64_t size = bytes.size();
  Update({reinterpret_cast<const char*>(&size), sizeof size});
  return Update(bytes);
}

Hash Hasher::Finish() {
  Hash hash;
  crypto_generichash_final(StateOf(state_), hash.bytes.data(), hash.bytes.size());
  return hash;
}

}  // namespace windlass
