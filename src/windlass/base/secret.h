// Secrets are references: where the value is, never what it is.
#pragma once

#include <string>
#include <string_view>

namespace windlass {

// Throws Error{kInvalidInput} unless `reference` is `env:NAME` or `file:PATH`; the message names
// the option, and never repeats what it was given.
void CheckSecretReference(std::string_view option, std::string_view reference);

// What a reference leads to, one word such as a token. Throws Error{kInvalidInput, kNotFound, kIo};
// no message repeats the secret, or what is no reference.
std::string ReadSecret(std::string_view option, const std::string& reference);

}  // namespace windlass
