// Durations and sizes as people write them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "windlass/base/export.h"

namespace windlass {

// "10ms", "0.5s", "90", "1h30m": numbers with us, ms, s, m or min, h; one by itself counts seconds.
// `what` names it in errors. Throws Error{kInvalidInput} for anything else, and outside
// least..most.
WINDLASS_API std::chrono::microseconds ParseDuration(
    std::string_view text, std::string_view what,
    std::chrono::microseconds least = std::chrono::microseconds(0),
    std::chrono::microseconds most = std::chrono::hours(24));

// "16MiB", "500kB", "1G" (2^30), "1000": bytes, at most 2^40. Throws Error{kInvalidInput}.
WINDLASS_API std::uint64_t ParseBytes(std::string_view text, std::string_view what);

}  // namespace windlass
