// Options of tuners that must lie in a range.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>

#include "windlass/base/error.h"
#include "windlass/base/object_spec.h"

namespace windlass::tune {

template <typename T>
T CheckWithin(const std::string& key, T value, T low, T high) {
  if (value >= low && value <= high) return value;
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("option {}={}: {} to {} were expected", key, value, low, high));
}

// The option or the default; throws Error{kInvalidInput} naming the option and its range, which
// both ends belong to.
inline std::int64_t IntegerWithin(const ObjectSpec& spec, const std::string& key,
                                  std::int64_t otherwise, std::int64_t low, std::int64_t high) {
  return CheckWithin(key, spec.Integer(key, otherwise), low, high);
}

inline double NumberWithin(const ObjectSpec& spec, const std::string& key, double otherwise,
                           double low, double high) {
  return CheckWithin(key, spec.Number(key, otherwise), low, high);
}

}  // namespace windlass::tune
