// The bearer token that a server wants, as a hash. Where one is kept: base/secret.h.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace windlass {

// What a server knows of the token that its clients must send. Compares in a time that depends on
// neither text's content.
class BearerToken {
 public:
  explicit BearerToken(std::string_view token);  // empty: none is wanted

  bool wanted() const { return wanted_; }

  // Whether a header "Authorization" has it, as in "Bearer TOKEN".
  bool Accepts(std::optional<std::string_view> authorization) const;

 private:
  static constexpr std::size_t kHashBytes = 32;
  using Digest = std::array<unsigned char, kHashBytes>;
  static Digest HashOf(std::string_view text);

  bool wanted_;
  Digest hash_;
};

}  // namespace windlass
