#include "windlass/base/token.h"

#include <sodium.h>

#include "windlass/base/error.h"

namespace windlass {

BearerToken::BearerToken(std::string_view token) : wanted_(!token.empty()) {
  if (::sodium_init() < 0) throw Error(ErrorCode::kInternal, "libsodium cannot start");
  hash_ = HashOf(token);
}

bool BearerToken::Accepts(std::optional<std::string_view> authorization) const {
  constexpr std::string_view kScheme = "bearer ";
  if (!authorization || authorization->size() < kScheme.size()) return false;
  for (std::size_t i = 0; i < kScheme.size(); ++i) {
    const char c = (*authorization)[i];
    if ((c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) != kScheme[i]) return false;
  }
  std::string_view given = authorization->substr(kScheme.size());
  while (given.starts_with(' ')) given.remove_prefix(1);
  const Digest hash = HashOf(given);
  return ::sodium_memcmp(hash.data(), hash_.data(), hash.size()) == 0;
}

BearerToken::Digest BearerToken::HashOf(std::string_view text) {
  Digest digest;
  ::crypto_generichash(digest.data(), digest.size(),
                       reinterpret_cast<const unsigned char*>(text.data()), text.size(), nullptr,
                       0);
  return digest;
}

}  // namespace windlass
