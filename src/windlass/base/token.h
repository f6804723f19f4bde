// Tokens by reference: where one is, never what it is.
#pragma once

#include <string>

namespace windlass {

// The value of `env:NAME` or `file:PATH`, a token. Throws Error{kInvalidInput, kNotFound, kIo}; no
// message repeats what is no such reference.
std::string ReadToken(const std::string& reference);
void CheckTokenReference(const std::string& reference);

}  // namespace windlass
