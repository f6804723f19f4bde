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

TEST(Change, IndependentIntervalsHoldTheTruth) {
  constexpr int kTrials = 4000;
  for (const auto& [n, m] : {std::pair{8, 30}, {100, 40}}) {
    int hits = 0, rejected = 0;
    for (int trial = 0; trial < kTrials; ++trial) {
      Normal normal(static_cast<std::uint64_t>(trial * 1000 + n));
      std::vector<double> a(n), b(m);
      for (double& x : a) x = 1 + 3 * normal();
      for (double& x : b) x = 1.5 + normal();
      const Change change = Independent(EstimateOf(a), EstimateOf(b), 0);
      if (std::abs(change.change - 0.5) <= change.half_width) ++hits;
      for (double& x : b) x -= 0.5;
      if (Independent(EstimateOf(a), EstimateOf(b), 0).p < 0.05) ++rejected;
    }
    ExpectCoverage(hits, kTrials);
    ExpectCoverage(kTrials - rejected, kTrials);
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

TEST(Change, ConstantsAreCertain) {
  const Change change = Independent(EstimateOf({1, 1, 1}), EstimateOf({2, 2}), 0);
  EXPECT_EQ(change.half_width, 0);
  EXPECT_EQ(change.p, 0);
  EXPECT_EQ(Independent(EstimateOf({1, 1}), EstimateOf({1, 1}), 0).p, 1);
  EXPECT_EQ(Independent(EstimateOf({1, 1}), EstimateOf({1 + 1e-12, 1 + 1e-12}), 1e-9).p, 1);
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
