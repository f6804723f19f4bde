#include "windlass/base/vector_math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "windlass/base/random.h"

namespace windlass {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

double UlpsFrom(long double wanted, double got) {
  const double rounded = static_cast<double>(wanted);
  const double ulp = std::nextafter(std::abs(rounded), kInfinity) - std::abs(rounded);
  return static_cast<double>(std::abs(wanted - got) / ulp);
}

TEST(VectorMath, ExpIsWithinOneUlpOfTheLongDoubleOne) {
  Random random(1, 0);
  for (int i = 0; i < 200'000; ++i) {
    const double x = (random.Uniform() * 2 - 1) * (i % 2 == 0 ? 1 : 708);
    ASSERT_LE(UlpsFrom(std::exp(static_cast<long double>(x)), Exp(x)), 1.0) << x;
  }
}

TEST(VectorMath, LogIsWithinOneUlpOfTheLongDoubleOne) {
  Random random(2, 0);
  for (int i = 0; i < 200'000; ++i) {
    double x = std::ldexp(random.Uniform() + 0.5, static_cast<int>(random.Below(2000)) - 1000);
    if (i % 2 == 0) x = 1 + (random.Uniform() - 0.5) * 0.1;
    ASSERT_LE(UlpsFrom(std::log(static_cast<long double>(x)), Log(x)), 1.0) << x;
  }
}

TEST(VectorMath, CosIsWithinOneUlpOfOne) {
  Random random(3, 0);
  for (int i = 0; i < 200'000; ++i) {
    const double x = (random.Uniform() * 2 - 1) * (i % 2 == 0 ? 10 : 1e6);
    ASSERT_NEAR(static_cast<double>(std::cos(static_cast<long double>(x))), Cos(x), 1.2e-16) << x;
  }
  EXPECT_EQ(Cos(0.0), 1.0);
  EXPECT_EQ(Cos(-2.0), Cos(2.0));
  EXPECT_TRUE(std::isnan(Cos(std::nan(""))));
}

TEST(VectorMath, EndsOfTheRange) {
  EXPECT_EQ(Exp(0.0), 1.0);
  EXPECT_EQ(Exp(-kInfinity), 0.0);
  EXPECT_EQ(Exp(-800.0), 0.0);
  EXPECT_EQ(Exp(kInfinity), kInfinity);
  EXPECT_EQ(Exp(800.0), kInfinity);
  EXPECT_GT(Exp(-740.0), 0.0);  // subnormal
  EXPECT_TRUE(std::isfinite(Exp(709.7)));
  EXPECT_TRUE(std::isnan(Exp(std::nan(""))));
  EXPECT_EQ(Log(1.0), 0.0);
  EXPECT_EQ(Log(0.0), -kInfinity);
  EXPECT_EQ(Log(kInfinity), kInfinity);
  EXPECT_TRUE(std::isnan(Log(-1.0)));
  EXPECT_TRUE(std::isnan(Log(std::nan(""))));
  EXPECT_NEAR(Log(std::numeric_limits<double>::denorm_min()), -744.4400719213812, 1e-12);
  EXPECT_EQ(Sigmoid(0.0), 0.5);
  EXPECT_EQ(Sigmoid(-800.0), 0.0);
  EXPECT_EQ(Sigmoid(800.0), 1.0);
}

TEST(VectorMath, ALaneDoesNotDependOnTheWidth) {
  const hn::ScalableTag<double> wide;
  Random random(3, 0);
  for (int i = 0; i < 1000; ++i) {
    const double x = (random.Uniform() * 2 - 1) * 300;
    EXPECT_EQ(hn::GetLane(vector_math::Exp(wide, hn::Set(wide, x))), Exp(x));
    EXPECT_EQ(hn::GetLane(vector_math::Log(wide, hn::Set(wide, std::abs(x)))), Log(std::abs(x)));
  }
}

// Golden bits: whoever changes the arithmetic must raise the versions of the task kinds that use
// it, because remembered results would no longer be what is computed.
TEST(VectorMath, GoldenBits) {
  Random random(4, 0);
  std::uint64_t mix = 0;
  for (int i = 0; i < 10'000; ++i) {
    const double x = (random.Uniform() * 2 - 1) * 100;
    for (const double value : {Exp(x), Log(std::abs(x))}) {
      std::uint64_t bits;
      std::memcpy(&bits, &value, sizeof bits);
      mix = (mix ^ bits) * 0x9e3779b97f4a7c15;
    }
  }
  EXPECT_EQ(mix, 7361617722725606250u);
}

}  // namespace
}  // namespace windlass
