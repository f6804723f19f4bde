#include "windlass/tune/normal.h"

#include <gtest/gtest.h>

#include <cmath>

#include "windlass/tune/acquisition.h"

namespace windlass::tune {
namespace {

TEST(Normal, EqualsErfcInDoublePrecision) {
  for (double x = -37; x <= 8; x += 0.0625) {
    const double expected = 0.5 * std::erfc(-x / std::sqrt(2.0));
    // erfc's argument is rounded, which costs x^2 ulp.
    EXPECT_NEAR(NormalCdf(x), expected, expected * (3e-14 + 3e-16 * x * x) + 1e-310) << x;
    if (expected > 1e-300) {
      EXPECT_NEAR(LogNormalCdf(x), std::log(expected), 1e-15 * (x * x + 30)) << x;
    }
  }
}

TEST(Normal, TailGoesOnWhereNumbersEnd) {
  // Abramowitz and Stegun 26.2.12: ln density(x) - ln x + ln(1 - 1/x^2 + 3/x^4 - 15/x^6).
  for (const double x : {40.0, 100.0, 1e4, 1e8}) {
    const double s = 1 / (x * x);
    const double expected = -0.5 * x * x - 0.5 * std::log(2 * M_PI) - std::log(x) +
                            std::log1p(-s + 3 * s * s - 15 * s * s * s);
    EXPECT_NEAR(LogNormalCdf(-x), expected, 1e-7 + 1e-15 * x * x) << x;
    // ln of density(x) / x^2 (1 - 3 / x^2 + 15 / x^4).
    const double improvement =
        -0.5 * x * x - 0.5 * std::log(2 * M_PI) - 2 * std::log(x) + std::log1p(-3 * s + 15 * s * s);
    EXPECT_NEAR(ExpectedImprovement(-x).log, improvement, 1e-6 + 1e-15 * x * x) << x;
  }
}

TEST(Normal, QuantileIsTheInverse) {
  for (const double p : {1e-300, 1e-20, 1e-6, 0.01, 0.2, 0.4999, 0.5, 0.7, 0.999, 1 - 1e-12}) {
    EXPECT_NEAR(std::log(NormalCdf(NormalQuantile(p)) / p), 0, 1e-12) << p;
  }
  EXPECT_NEAR(NormalQuantile(0.975), 1.959963984540054, 1e-14);
  EXPECT_TRUE(std::isinf(NormalQuantile(0)) && std::isinf(NormalQuantile(1)));
  EXPECT_TRUE(std::isnan(NormalQuantile(-1)));
}

// Each against its own finite differences, through the middle and both tails.
TEST(Acquisition, SlopesAreThoseOfTheValue) {
  using enum AcquisitionKind;
  for (const AcquisitionKind kind : {kMean, kExpectedImprovement, kConfidenceBound, kProbability}) {
    const Acquisition acquisition{kind, 0.3, 0.05, 1.5};
    for (const double mean : {-9.0, -2.0, -0.1, 0.35, 1.0, 4.0}) {
      for (const double deviation : {0.05, 0.5, 2.0}) {
        const auto at = acquisition.At(mean, deviation);
        const double h = 1e-5;
        const auto slope = [&](double dm, double ds) {
          return (acquisition.At(mean + dm, deviation + ds).value -
                  acquisition.At(mean - dm, deviation - ds).value) /
                 (2 * h);
        };
        EXPECT_NEAR(at.mean_slope, slope(h, 0), 1e-5 * (1 + std::abs(at.mean_slope)));
        EXPECT_NEAR(at.deviation_slope, slope(0, h), 1e-4 * (1 + std::abs(at.deviation_slope)));
      }
    }
    EXPECT_TRUE(std::isfinite(acquisition.At(-5, 0).value));
    EXPECT_TRUE(std::isfinite(acquisition.At(0.35, 0).value));
  }
}

TEST(Acquisition, ExpectedImprovementIsItsIntegral) {
  const Acquisition acquisition{AcquisitionKind::kExpectedImprovement, 1, 0.1, 0};
  for (const double mean : {-1.0, 0.9, 3.0}) {
    double sum = 0;
    for (double z = -12; z < 12; z += 1e-4) {
      sum +=
          std::max(mean + 0.7 * z - 1.1, 0.0) * std::exp(-z * z / 2) / std::sqrt(2 * M_PI) * 1e-4;
    }
    EXPECT_NEAR(std::exp(acquisition.At(mean, 0.7).value), sum, 1e-7 * (1 + sum));
  }
}

}  // namespace
}  // namespace windlass::tune
