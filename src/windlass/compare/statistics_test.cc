#include "windlass/compare/statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "windlass/compare/testing_internal.h"

namespace windlass::compare {
namespace {

using ::testing::ElementsAre;

Estimate EstimateOf(const std::vector<double>& values) {
  Moments moments(1);
  for (const double value : values) moments.Add({&value, 1});
  return {moments.mean(0), moments.variance(0), static_cast<double>(values.size())};
}

TEST(Moments, KeepTheirDigitsFarFromZero) {
  std::vector<double> values;
  for (int i = 0; i < 100'000; ++i) values.push_back(1e9 + i % 4);
  const Estimate estimate = EstimateOf(values);
  EXPECT_NEAR(estimate.mean, 1e9 + 1.5, 1e-6);
  EXPECT_NEAR(estimate.variance, 1.25 * 100'000 / 99'999, 1e-6);
}

// Hits of `trials` seeded experiments; binomial with 4 standard errors on each side of 95 %.
void ExpectCoverage(int hits, int trials) {
  const double share = static_cast<double>(hits) / trials;
  EXPECT_NEAR(share, 0.95, 4 * std::sqrt(0.95 * 0.05 / trials));
}

void ExpectCoverageAtLeast(int hits, int trials) {
  EXPECT_GE(static_cast<double>(hits) / trials, 0.95 - 4 * std::sqrt(0.95 * 0.05 / trials));
}

TEST(Change, IndependentIntervalsHoldTheTruth) {
  constexpr int kTrials = 4000;
  struct Case {
    std::size_t n, m;
    double spread;  // of a, in that of b
  };
  for (const auto& [n, m, spread] : {Case{8, 30, 3}, {100, 40, 3}, {30, 8, 3}, {50, 50, 1}}) {
    int hits = 0, rejected = 0;
    for (int trial = 0; trial < kTrials; ++trial) {
      Normal normal(static_cast<std::uint64_t>(trial) * 1000 + n);
      std::vector<double> a(n), b(m);
      for (double& x : a) x = 1 + spread * normal();
      for (double& x : b) x = 1.5 + normal();
      const Change change = Independent(EstimateOf(a), EstimateOf(b), 0);
      if (std::abs(change.change - 0.5) <= change.half_width) ++hits;
      for (double& x : b) x -= 0.5;
      if (Independent(EstimateOf(a), EstimateOf(b), 0).p < 0.05) ++rejected;
    }
    // The wider of two intervals; where spreads are equal, both are nearly the same.
    const auto expect = spread == 1 ? ExpectCoverage : ExpectCoverageAtLeast;
    expect(hits, kTrials);
    expect(kTrials - rejected, kTrials);
  }
}

TEST(Change, PairedIntervalsHoldTheTruthAndAreNarrower) {
  constexpr int kTrials = 4000;
  int hits = 0;
  double paired_width = 0, welch_width = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    Normal normal(static_cast<std::uint64_t>(trial));
    std::vector<double> a(20), b(20), d(20);
    for (std::size_t i = 0; i < a.size(); ++i) {
      a[i] = 5 * normal();
      d[i] = 0.3 + 0.2 * normal();
      b[i] = a[i] + d[i];
    }
    const Change change = Paired(EstimateOf(a), EstimateOf(b), EstimateOf(d), 0);
    if (std::abs(change.change - 0.3) <= change.half_width) ++hits;
    paired_width += change.half_width;
    welch_width += Independent(EstimateOf(a), EstimateOf(b), 0).half_width;
  }
  ExpectCoverage(hits, kTrials);
  EXPECT_LT(paired_width, 0.1 * welch_width);
}

TEST(Change, OneRowSaysNothing) {
  const Change change = Independent(EstimateOf({1}), EstimateOf({2, 3}), 0);
  EXPECT_TRUE(std::isinf(change.half_width));
  EXPECT_EQ(change.p, 1);
  EXPECT_EQ(change.change, 1.5);
  const Change paired = Paired(EstimateOf({1}), EstimateOf({2}), EstimateOf({1}), 0);
  EXPECT_TRUE(std::isinf(paired.half_width));
  EXPECT_EQ(paired.p, 1);
  EXPECT_TRUE(std::isinf(HalfWidth(EstimateOf({1}))));
}

TEST(Change, ConstantsAreAsCertainAsTheirRowsAreMany) {
  const auto constants = [](std::size_t n, std::size_t m) {
    return Independent(EstimateOf(std::vector<double>(n, 1)), EstimateOf(std::vector<double>(m, 2)),
                       0);
  };
  EXPECT_DOUBLE_EQ(constants(2, 2).p, 2.0 / 6);
  EXPECT_TRUE(std::isinf(constants(2, 2).half_width));
  EXPECT_DOUBLE_EQ(constants(4, 3).p, 2.0 / 35);
  EXPECT_TRUE(std::isinf(constants(3, 4).half_width));
  EXPECT_DOUBLE_EQ(constants(4, 4).p, 2.0 / 70);
  EXPECT_EQ(constants(4, 4).half_width, 0);
  EXPECT_LT(constants(1000, 1000).p, 1e-300);
  EXPECT_EQ(Independent(EstimateOf({1, 1}), EstimateOf({1, 1}), 0).p, 1);
  EXPECT_EQ(Independent(EstimateOf({1, 1}), EstimateOf({1 + 1e-12, 1 + 1e-12}), 1e-9).p, 1);
  // Two clumps of two rows: any two of four that are far apart could have come first.
  EXPECT_GE(Independent(EstimateOf({1, 1.001}), EstimateOf({2, 2.001}), 0).p, 2.0 / 6);
}

TEST(Change, AShiftOfAllPairsIsCertainWithManyRows) {
  const auto shift = [](std::size_t rows) {
    const Estimate difference = EstimateOf(std::vector<double>(rows, 0.25));
    return Paired(EstimateOf({0, 1}), EstimateOf({0, 1}), difference, 0);
  };
  EXPECT_DOUBLE_EQ(shift(3).p, 0.25);
  EXPECT_TRUE(std::isinf(shift(3).half_width));
  EXPECT_DOUBLE_EQ(shift(6).p, 1.0 / 32);
  EXPECT_EQ(shift(6).half_width, 0);
  EXPECT_LT(shift(2000).p, 1e-300);
}

// The share of comparisons of two samples of one distribution that mark any of 36 quantities, each
// 0 in all but a few rows or, with `levels`, one of two values.
double FalseMarks(std::size_t n, std::size_t m, bool levels) {
  constexpr int kTrials = 300;
  constexpr std::size_t kQuantities = 36;
  int marked = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    Random random(static_cast<std::uint64_t>(trial), n * 10'000 + m);
    std::vector<double> p(kQuantities);
    std::vector<double*> pointers;
    for (std::size_t q = 0; q < kQuantities; ++q) {
      const double share = levels ? 0.5 : 0.01 + 0.02 * static_cast<double>(q % 8);
      const auto draw = [&](std::size_t rows) {
        Moments moments(1);
        for (std::size_t r = 0; r < rows; ++r) {
          const double value = random.Uniform() >= share ? 0
                               : levels                  ? 1 + 1e-6 * random.Uniform()
                                                         : 1 + 3 * random.Uniform();
          moments.Add({&value, 1});
        }
        return Estimate{moments.mean(0), moments.variance(0), static_cast<double>(rows)};
      };
      const Estimate a = draw(n), b = draw(m);
      p[q] = Independent(a, b, 0).p;
      pointers.push_back(&p[q]);
    }
    AdjustHolm(pointers);
    if (std::ranges::min(p) < 0.05) ++marked;
  }
  return static_cast<double>(marked) / kTrials;
}

TEST(Change, FewFalseMarksWhereMostRowsAreZero) {
  for (const std::size_t few : {2, 5, 20, 50, 200}) {
    for (const std::size_t many : {few, std::size_t{1500}}) {
      for (const bool levels : {false, true}) {
        // 5 %, and three standard errors of as many trials.
        EXPECT_LE(FalseMarks(few, many, levels), 0.05 + 3 * std::sqrt(0.05 * 0.95 / 300))
            << few << " rows against " << many << (levels ? ", levels" : "");
      }
    }
  }
}

TEST(Change, OwnErrorsOfRowsAreOnTop) {
  Estimate a = EstimateOf({1, 2, 3, 4}), b = EstimateOf({2, 3, 4, 5});
  const Change exact = Independent(a, b, 0);
  a.own = 0.25;
  b.own = 0.5;
  const Change sampled = Independent(a, b, 0);
  EXPECT_DOUBLE_EQ(sampled.half_width, exact.half_width + 0.75);
  EXPECT_GT(sampled.p, exact.p);
  b.own = 1;
  EXPECT_EQ(Independent(a, b, 0).p, 1);
  b.own = std::numeric_limits<double>::infinity();
  EXPECT_EQ(Independent(a, b, 0).p, 1);
}

// The definition, point by point.
Distance BruteForce(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> all = a;
  all.insert(all.end(), b.begin(), b.end());
  std::ranges::sort(all);
  const auto share = [](const std::vector<double>& of, double x) {
    return static_cast<double>(std::ranges::count_if(of, [x](double y) { return y <= x; })) /
           static_cast<double>(of.size());
  };
  Distance distance;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const double gap = std::abs(share(a, all[i]) - share(b, all[i]));
    distance.ks = std::max(distance.ks, gap);
    if (i + 1 < all.size()) distance.wasserstein += gap * (all[i + 1] - all[i]);
  }
  return distance;
}

TEST(Distance, IsThatOfBruteForce) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Normal normal(seed);
    Random random(seed, 1);
    std::vector<double> a(1 + random.Below(40)), b(1 + random.Below(40));
    const bool ties = seed % 2 == 0;
    for (double& x : a) x = ties ? static_cast<double>(random.Below(5)) : normal();
    for (double& x : b) x = ties ? static_cast<double>(random.Below(6)) : 2 * normal();
    const Distance got = DistanceOf(a, b, 0), wanted = BruteForce(a, b);
    EXPECT_NEAR(got.ks, wanted.ks, 1e-12) << seed;
    EXPECT_NEAR(got.wasserstein, wanted.wasserstein, 1e-12) << seed;
  }
}

TEST(Distance, OfPairsOfEquallyManyIsTheMeanOfSortedDifferences) {
  const Distance distance = DistanceOf({3, 1, 2}, {5, 2, 4}, 0);
  EXPECT_DOUBLE_EQ(distance.wasserstein, (1 + 2 + 2) / 3.0);
  EXPECT_DOUBLE_EQ(distance.ks, 2.0 / 3);
  EXPECT_EQ(distance.p, 1);  // too few to judge by
}

TEST(Distance, RoundingIsNoDistance) {
  std::vector<double> a(100, 0.3), b(100, 0.3 + 1e-15);
  EXPECT_EQ(DistanceOf(a, b, 1e-9).ks, 0);
  EXPECT_EQ(DistanceOf(a, b, 1e-9).p, 1);
  EXPECT_EQ(DistanceOf(a, b, 0).ks, 1);
}

TEST(Distance, TestRejectsOneInTwenty) {
  constexpr int kTrials = 2000;
  int rejected = 0, beyond = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    Normal normal(static_cast<std::uint64_t>(trial));
    std::vector<double> a(80), b(120);
    for (double& x : a) x = normal();
    for (double& x : b) x = normal();
    const Distance distance = DistanceOf(a, b, 0);
    if (distance.p < 0.05) ++rejected;
    if (distance.ks > distance.critical) ++beyond;
  }
  EXPECT_NEAR(rejected / static_cast<double>(kTrials), 0.05, 0.02);
  EXPECT_NEAR(rejected, beyond, 1);  // the same test, said in two ways
}

TEST(Kolmogorov, TailsOfTables) {
  EXPECT_NEAR(KolmogorovTail(1.3580986), 0.05, 1e-6);
  EXPECT_NEAR(KolmogorovTail(1.6276), 0.01, 1e-5);
  EXPECT_NEAR(KolmogorovTail(0.5), 0.9639452, 1e-6);
  EXPECT_NEAR(KolmogorovTail(1 - 1e-9), KolmogorovTail(1), 1e-8);  // both series
  EXPECT_EQ(KolmogorovTail(0), 1);
}

TEST(Holm, StepsDown) {
  std::vector<double> p = {0.01, 0.04, 0.03, 0.005};
  std::vector<double*> pointers;
  for (double& value : p) pointers.push_back(&value);
  AdjustHolm(pointers);
  EXPECT_THAT(p, ElementsAre(::testing::DoubleEq(0.03), ::testing::DoubleEq(0.06),
                             ::testing::DoubleEq(0.06), ::testing::DoubleEq(0.02)));
}

}  // namespace
}  // namespace windlass::compare
