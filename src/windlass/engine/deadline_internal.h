// Deadlines from durations that a user may have chosen absurdly large.
#pragma once

#include <chrono>

#include "windlass/base/cancel.h"

namespace windlass::engine {

// Now plus `wait`; beyond 30 years it is never, instead of an overflow into the past.
template <typename Rep, typename Period>
Deadline After(std::chrono::duration<Rep, Period> wait) {
  constexpr double kNever = 1e9;  // seconds
  if (std::chrono::duration<double>(wait).count() > kNever) return Deadline::max();
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(wait);
}

}  // namespace windlass::engine
