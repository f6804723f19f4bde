// Points that fill the unit cube evenly, in an order keyed by a seed.
#pragma once

#include <cstdint>
#include <vector>

namespace windlass::tune {

// Sobol' (1967) with the direction numbers of Joe and Kuo (2008, their "D6"), scrambled by Owen
// (1995): every digit is flipped at random by all digits before it, so that any 2^k points from the
// first stay a net, no point is special (not the centre, not the origin), and each is uniform in
// the cube. Dimensions past the table's 64 are uniform at random.
class SobolSequence {
 public:
  static constexpr int kDimensions = 64;

  SobolSequence(int dimensions, std::uint64_t seed);

  // The point of an index below 2^32 (above: of its remainder), coordinates in [0, 1) of 53 bits.
  std::vector<double> At(std::uint64_t index) const;

 private:
  double Coordinate(int dimension, std::uint32_t index) const;

  const int dimensions_;
  const std::uint64_t seed_;
};

}  // namespace windlass::tune
