#include <gtest/gtest.h>

#include <cmath>

#include "windlass/tune/normal_lanes_internal.h"
#include "windlass/tune/symmetric_internal.h"

namespace windlass::tune {
namespace {

TEST(NormalLanes, CdfOfEachLaneAgainstErfc) {
  const hn::CappedTag<double, 4> d;
  double x[4], y[4];
  for (double start = -37; start <= 9; start += 0.037) {
    for (int i = 0; i < 4; ++i) x[i] = start + 0.009 * i;
    hn::StoreU(NormalCdf(d, hn::LoadU(d, x)), d, y);
    for (int i = 0; i < 4; ++i) {
      const double expected = 0.5 * std::erfc(-x[i] / std::numbers::sqrt2);
      EXPECT_NEAR(y[i] / expected, 1, 2e-15 * (1 + x[i] * x[i])) << x[i];
    }
  }
}

TEST(NormalLanes, RandomNumbersHaveTheMoments) {
  Random random(3, 0);
  double sum = 0, squares = 0, fourth = 0;
  constexpr int kDraws = 200000;
  for (int i = 0; i < kDraws; ++i) {
    const double z = RandomNormal(random);
    sum += z;
    squares += z * z;
    fourth += z * z * z * z;
  }
  // Within 5 standard errors.
  EXPECT_NEAR(sum / kDraws, 0, 5 / std::sqrt(kDraws));
  EXPECT_NEAR(squares / kDraws, 1, 5 * std::sqrt(2.0 / kDraws));
  EXPECT_NEAR(fourth / kDraws, 3, 5 * std::sqrt(96.0 / kDraws));
}

TEST(Symmetric, EigenvectorsGiveTheMatrixBack) {
  Random random(5, 0);
  for (std::size_t n = 1; n <= 12; ++n) {
    std::vector<double> matrix(n * n);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j <= i; ++j) {
        matrix[i * n + j] = matrix[j * n + i] = RandomNormal(random);
      }
    }
    std::vector<double> vectors = matrix;
    const std::vector<double> values = Eigen(vectors, n);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        double sum = 0, dot = 0;
        for (std::size_t k = 0; k < n; ++k) {
          sum += vectors[i * n + k] * values[k] * vectors[j * n + k];
          dot += vectors[k * n + i] * vectors[k * n + j];
        }
        EXPECT_NEAR(sum, matrix[i * n + j], 1e-13);
        EXPECT_NEAR(dot, i == j ? 1 : 0, 1e-14);
      }
    }
  }
}

}  // namespace
}  // namespace windlass::tune
