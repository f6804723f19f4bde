#include "windlass/tune/normal.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
namespace windlass::tune {
namespace {

TEST(Normal, CdfAgainstErfc) {
  for (double x = -37; x <= 9; x += 0.00917) {
    const double expected = 0.5 * std::erfc(-x / std::numbers::sqrt2);
    EXPECT_NEAR(NormalCdf(x) / expected, 1, 2e-15 * (1 + x * x)) << x;
  }
  EXPECT_EQ(NormalCdf(-1e300), 0);
  EXPECT_EQ(NormalCdf(1e300), 1);
  EXPECT_EQ(NormalCdf(0), 0.5);
}

TEST(Normal, QuantilesAreTheInverse) {
  for (double x = -37; x <= 3; x += 0.0173) {
    EXPECT_NEAR(NormalQuantile(NormalCdf(x)), x, 1e-13 * (1 + std::abs(x))) << x;
  }
  EXPECT_NEAR(NormalQuantile(0.975), 1.959963984540054, 1e-14);
}

TEST(Normal, Density) {
  EXPECT_NEAR(NormalDensity(0), 0.3989422804014327, 1e-16);
  EXPECT_NEAR(NormalDensity(-2), 0.05399096651318806, 1e-16);
}

}  // namespace
}  // namespace windlass::tune
