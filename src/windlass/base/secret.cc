#include "windlass/base/secret.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "windlass/base/error.h"
#include "windlass/base/file.h"

namespace windlass {
namespace {

constexpr std::size_t kLongestSecret = 64 * 1024;

}  // namespace

void CheckSecretReference(std::string_view option, std::string_view reference) {
  const bool good = (reference.starts_with("env:") && reference.size() > 4) ||
                    (reference.starts_with("file:") && reference.size() > 5);
  if (good) return;
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("option {0} says where the {0} is, {0}=env:NAME or {0}=file:PATH, and "
                          "never what it is",
                          option));
}

std::string ReadSecret(std::string_view option, const std::string& reference) {
  CheckSecretReference(option, reference);
  std::string secret;
  if (reference.starts_with("env:")) {
    const char* value = std::getenv(reference.c_str() + 4);
    if (value == nullptr || *value == 0) {
      throw Error(ErrorCode::kNotFound,
                  fmt::format("{}={}: there is no such environment variable, or it is empty",
                              option, reference));
    }
    secret = value;
  } else {
    secret = WithContext([&] { return ReadFile(reference.substr(5)); },
                         [&] { return fmt::format("{}={}", option, reference); });
  }
  const auto last = secret.find_last_not_of(" \r\n");
  secret.resize(last == secret.npos ? 0 : last + 1);
  const bool printable =
      std::ranges::all_of(secret, [](unsigned char c) { return c > ' ' && c < 0x7f; });
  if (secret.empty() || secret.size() > kLongestSecret || !printable) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{0}={1}: what is there is no {0}: one word of printable characters "
                            "was expected",
                            option, reference));
  }
  return secret;
}

}  // namespace windlass
