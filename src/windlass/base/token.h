// Tokens: by reference where somebody must have one, as a hash where somebody must know one.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace windlass {

// The value of `env:NAME` or `file:PATH`, a token. Throws Error{kInvalidInput, kNotFound, kIo}; no
// message repeats what is no such reference.
std::string ReadToken(const std::string& reference);
void CheckTokenReference(const std::string& reference);

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
