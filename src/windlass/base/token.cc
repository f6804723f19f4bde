#include "windlass/base/token.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <cstdlib>

#include "windlass/base/error.h"
#include "windlass/base/file.h"

namespace windlass {
namespace {

constexpr std::size_t kMostTokenBytes = 64 * 1024;

}  // namespace

void CheckTokenReference(const std::string& reference) {
  const bool good = (reference.starts_with("env:") && reference.size() > 4) ||
                    (reference.starts_with("file:") && reference.size() > 5);
  if (good) return;
  throw Error(ErrorCode::kInvalidInput,
              "option token says where the token is, token=env:NAME or token=file:PATH, and never "
              "what it is");
}

std::string ReadToken(const std::string& reference) {
  CheckTokenReference(reference);
  std::string token;
  if (reference.starts_with("env:")) {
    const char* value = std::getenv(reference.c_str() + 4);
    if (value == nullptr || *value == 0) {
      throw Error(ErrorCode::kNotFound,
                  fmt::format("token={}: there is no such environment variable, or it is empty",
                              reference));
    }
    token = value;
  } else {
    token = WithContext([&] { return ReadFile(reference.substr(5)); },
                        [&] { return fmt::format("token={}", reference); });
  }
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r' || token.back() == ' ')) {
    token.pop_back();
  }
  const bool printable =
      std::ranges::all_of(token, [](unsigned char c) { return c > ' ' && c < 0x7f; });
  if (token.empty() || token.size() > kMostTokenBytes || !printable) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("token={}: what is there is no token: one word of printable characters "
                            "was expected",
                            reference));
  }
  return token;
}

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
