// Counter-based random numbers (Philox 4x32-10, Salmon et al. 2011, by Random123): a stream is a
// pure function of (seed, stream, index), so that no result depends on who draws first.
#pragma once

#include <array>
#include <cstdint>

namespace windlass {

class Random {
 public:
  // `stream` separates uses of one seed (a row, a trial, a purpose).
  Random(std::uint64_t seed, std::uint64_t stream) : seed_(seed), stream_(stream) {}

  // Uniform over all 64-bit words.
  std::uint64_t Next();

  // Uniform in [0, 1), 53 bits.
  double Uniform() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

  // Uniform in 0..bound-1 without bias (Lemire 2019); bound > 0.
  std::uint64_t Below(std::uint64_t bound);

 private:
  std::uint64_t seed_;
  std::uint64_t stream_;
  std::uint64_t counter_ = 0;
  std::array<std::uint64_t, 2> block_{};
  int left_ = 0;
};

}  // namespace windlass
