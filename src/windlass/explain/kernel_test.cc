#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "windlass/base/error.h"
#include "windlass/explain/adult_testing_internal.h"
#include "windlass/explain/design.h"
#include "windlass/explain/exact.h"
#include "windlass/explain/game_testing_internal.h"
#include "windlass/explain/sampled.h"

namespace windlass::explain {
namespace {

using ::testing::DoubleNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;

double MaxDifference(std::span<const double> a, std::span<const double> b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

double RmsDifference(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum / static_cast<double>(a.size()));
}

int SizeOf(const Design& design, std::int64_t pair) {
  int size = 0;
  for (int p = 0; p < design.players; ++p) size += design.contains(pair, p) ? 1 : 0;
  return size;
}

TEST(Design, KeepsBudgetPairsAndTheWeightOfEverySize) {
  for (const int players : {2, 3, 4, 5, 7, 8, 12, 13, 20, 63, 64, 65, 130}) {
    const std::int64_t full =
        players < 20 ? (std::int64_t{1} << players) - 2 : std::int64_t{1} << 20;
    for (const std::int64_t nsamples :
         {MinimumSamples(Method::kKernel, players), std::int64_t{2 * players + 7},
          AutoSamples(Method::kKernel, players)}) {
      if (nsamples > full) continue;
      const Design design = MakeDesign(players, nsamples, 3);
      EXPECT_EQ(design.pairs(), nsamples / 2) << players;
      std::set<std::vector<std::uint64_t>> seen;
      std::vector<double> weight_of_size(players, 0.0);
      std::vector<double> singles(players, 0.0);
      const std::uint64_t last =
          players % 64 == 0 ? ~std::uint64_t{0} : (std::uint64_t{1} << (players % 64)) - 1;
      for (std::int64_t i = 0; i < design.pairs(); ++i) {
        std::vector<std::uint64_t> mask(&design.masks[i * design.words],
                                        &design.masks[i * design.words] + design.words);
        EXPECT_EQ(mask.back() & ~last, 0);
        const int size = SizeOf(design, i);
        ASSERT_GE(size, 1);
        ASSERT_LT(size, players);
        weight_of_size[size] += design.weights[i];
        weight_of_size[players - size] += design.weights[i];
        EXPECT_TRUE(seen.insert(mask).second);
        for (auto& word : mask) word = ~word;
        mask.back() &= last;
        EXPECT_TRUE(seen.insert(mask).second);
      }
      double total = 0;
      double kernel = 0;
      for (int s = 1; s < players; ++s) {
        total += weight_of_size[s];
        kernel += 1.0 / (static_cast<double>(s) * (players - s));
      }
      EXPECT_NEAR(total, 1, 1e-12);
      if (nsamples < 2000 || players > 20) continue;
      for (int s = 1; s < players; ++s) {
        EXPECT_NEAR(weight_of_size[s], 1.0 / (static_cast<double>(s) * (players - s)) / kernel,
                    1e-13)
            << players << " players, size " << s;
      }
    }
  }
}

TEST(Design, EnumeratesEverythingWithinTheBudgetAndSmallSizesFirst) {
  for (int players = 2; players <= 11; ++players) {
    const Design design = MakeDesign(players, (1 << players) - 2, 0);
    EXPECT_TRUE(design.complete);
    EXPECT_EQ(design.pairs(), (1 << (players - 1)) - 1);
  }
  const Design design = MakeDesign(12, 2072, 0);
  EXPECT_FALSE(design.complete);
  std::map<int, int> count;
  for (std::int64_t i = 0; i < design.pairs(); ++i) ++count[SizeOf(design, i)];
  EXPECT_EQ(count[1], 12);
  EXPECT_EQ(count[2], 66);
  EXPECT_EQ(count[3], 220);
  EXPECT_EQ(count[4] + count[5] + count[6], 1036 - 298);
  EXPECT_GT(count[4], count[5]);
}

TEST(Design, IsAFunctionOfTheSeed) {
  EXPECT_EQ(MakeDesign(14, 500, 1).masks, MakeDesign(14, 500, 1).masks);
  EXPECT_NE(MakeDesign(14, 500, 1).masks, MakeDesign(14, 500, 2).masks);
  EXPECT_EQ(MakeDesign(14, 501, 1).masks, MakeDesign(14, 500, 1).masks);
}

TEST(Design, SamplesPlayersAlike) {
  // Over many seeds every player is in as many sampled coalitions (of the lower half of sizes).
  std::vector<int> count(10, 0);
  int all = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Design design = MakeDesign(10, 300, seed);
    for (std::int64_t i = 0; i < design.pairs(); ++i) {
      if (SizeOf(design, i) != 4) continue;
      ++all;
      for (int p = 0; p < 10; ++p) count[p] += design.contains(i, p) ? 1 : 0;
    }
  }
  ASSERT_GT(all, 1000);
  for (const int c : count) EXPECT_NEAR(c, 0.4 * all, 5 * std::sqrt(0.24 * all));
}

TEST(Design, SaysHowManySamplesAreNeeded) {
  EXPECT_EQ(MinimumSamples(Method::kKernel, 2), 2);
  EXPECT_EQ(MinimumSamples(Method::kKernel, 3), 6);
  EXPECT_EQ(MinimumSamples(Method::kKernel, 12), 24);
  EXPECT_EQ(AutoSamples(Method::kKernel, 12), 2072);
  EXPECT_EQ(AutoSamples(Method::kKernel, 8), 254);
  EXPECT_EQ(AutoSamples(Method::kKernel, 500), 3048);
  CheckSamples(Method::kKernel, 24, 12);
  try {
    CheckSamples(Method::kKernel, 23, 12);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("nsamples is 23, but a regression over 12 groups needs at "
                                        "least 24 coalitions; auto takes 2072"));
  }
}

Plan KernelPlan(std::int64_t columns, int players, std::vector<double> background) {
  Plan plan = PlanOf(columns, players, std::move(background), Method::kKernel);
  plan.nsamples = AutoSamples(Method::kKernel, players);
  return plan;
}

TEST(Kernel, WithAllCoalitionsIsExact) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    Random random(seed, 0);
    const int players = 1 + static_cast<int>(random.Below(9));
    const std::int64_t columns = players + static_cast<std::int64_t>(random.Below(3));
    Plan plan = KernelPlan(
        columns, players,
        seed % 2 == 0 ? CoarseValues(7 * columns, random) : RandomValues(7 * columns, random));
    plan.link = seed % 3 == 0 ? Link::kLogit : Link::kIdentity;
    plan.outputs = {1, 0};
    plan.weights = {0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1};
    const auto function = Wavy(seed, columns);
    const std::vector<double> x =
        seed % 2 == 0 ? CoarseValues(6 * columns, random) : RandomValues(6 * columns, random);
    const auto kernel =
        ExplainAll(*MakeSampledExplainer(plan, ModelOf(plan, function, 2)), plan, x);
    const auto exact = ExplainAll(*MakeExactExplainer(plan, ModelOf(plan, function, 2)), plan, x);
    EXPECT_THAT(kernel.phi, Pointwise(DoubleNear(1e-9), exact.phi)) << seed;
    EXPECT_EQ(kernel.prediction, exact.prediction);
  }
}

// An additive model is explained exactly by any design.
TEST(Kernel, AdditiveGamesNeedTheMinimumOnly) {
  for (const int players : {2, 3, 5, 12, 40, 64, 65, 150}) {
    Random random(1, players);
    Plan plan = KernelPlan(players, players, RandomValues(3 * players, random));
    plan.nsamples = MinimumSamples(Method::kKernel, players);
    const std::vector<double> coef = RandomValues(players, random);
    const auto function = [&](std::span<const double> x, std::span<double> out) {
      out[0] = 0.5;
      for (std::size_t c = 0; c < x.size(); ++c) out[0] += coef[c] * x[c];
    };
    const std::vector<double> x = RandomValues(players, random);
    const auto out = ExplainAll(*MakeSampledExplainer(plan, ModelOf(plan, function)), plan, x);
    for (int g = 0; g < players; ++g) {
      double mean = 0;
      for (int b = 0; b < 3; ++b) mean += plan.background[b * players + g] / 3;
      EXPECT_NEAR(out.phi[g], coef[g] * (x[g] - mean), 1e-10) << players;
    }
  }
}

TEST(Kernel, ManyPlayersOfWhichSomeDoNotVary) {
  Random random(2, 0);
  constexpr int kPlayers = 100;
  Plan plan = KernelPlan(kPlayers, kPlayers, RandomValues(4 * kPlayers, random));
  std::vector<double> x = RandomValues(kPlayers, random);
  for (int g = 0; g < kPlayers; g += 3) {
    for (int b = 0; b < 4; ++b) plan.background[b * kPlayers + g] = x[g];
  }
  const auto function = Wavy(7, kPlayers);
  const auto explainer = MakeSampledExplainer(plan, ModelOf(plan, function));
  const auto out = ExplainAll(*explainer, plan, x);
  double sum = 0;
  for (int g = 0; g < kPlayers; ++g) {
    EXPECT_EQ(out.phi[g] == 0, g % 3 == 0) << g;
    sum += out.phi[g];
  }
  EXPECT_NEAR(sum, out.prediction[0] - explainer->base_value()[0], 1e-12);
  // Each coalition with each of four background rows, all different; x itself.
  EXPECT_LE(out.model_evaluations, 4 * plan.nsamples + 1);
  EXPECT_GE(out.model_evaluations, 4 * plan.nsamples * 9 / 10);
}

TEST(Kernel, ErrorFallsWithSamplesAndIsCentred) {
  Random random(3, 0);
  constexpr int kPlayers = 13;
  Plan plan = KernelPlan(kPlayers, kPlayers, RandomValues(4 * kPlayers, random));
  const auto function = Wavy(5, kPlayers);
  const std::vector<double> x = RandomValues(4 * kPlayers, random);
  const auto exact = ExplainAll(*MakeExactExplainer(plan, ModelOf(plan, function)), plan, x);
  double before = 1e9;
  for (const std::int64_t nsamples : {40, 400, 4000}) {
    plan.nsamples = nsamples;
    std::vector<double> mean(exact.phi.size(), 0.0);
    double error = 0;
    constexpr int kSeeds = 24;
    for (plan.seed = 0; plan.seed < kSeeds; ++plan.seed) {
      const auto out = ExplainAll(*MakeSampledExplainer(plan, ModelOf(plan, function)), plan, x);
      error += RmsDifference(out.phi, exact.phi) / kSeeds;
      for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += out.phi[i] / kSeeds;
    }
    EXPECT_LT(error, 0.6 * before);
    EXPECT_LT(RmsDifference(mean, exact.phi), 0.5 * error);
    before = error;
  }
}

TEST(Kernel, ARowAloneGivesTheBytesItHasAmongOthers) {
  Random random(9, 0);
  Plan plan = KernelPlan(9, 9, CoarseValues(20 * 9, random));
  plan.nsamples = 100;
  plan.link = Link::kLogit;
  plan.outputs = {0, 1};
  for (const L1Reg reg : {L1Reg::kNone, L1Reg::kAic}) {
    plan.l1_reg = reg;
    const auto explainer = MakeSampledExplainer(plan, ModelOf(plan, Wavy(4, 9), 2));
    const std::vector<double> x = CoarseValues(12 * 9, random, 5);
    const Attributions all = ExplainAll(*explainer, plan, x);
    for (int r = 0; r < 12; ++r) {
      const auto fresh = MakeSampledExplainer(plan, ModelOf(plan, Wavy(4, 9), 2));
      const Attributions one = ExplainAll(*fresh, plan, std::span(x).subspan(r * 9, 9));
      EXPECT_TRUE(std::equal(one.phi.begin(), one.phi.end(), &all.phi[r * 18]));
    }
  }
}

TEST(Kernel, SelectsFeatures) {
  Random random(4, 0);
  constexpr int kPlayers = 15;
  Plan plan = KernelPlan(kPlayers, kPlayers, RandomValues(10 * kPlayers, random));
  const auto function = [](std::span<const double> x, std::span<double> out) {
    out[0] = 3 * x[2] - 2 * x[7] + x[11] + 0.01 * x[0] * x[1];
  };
  const std::vector<double> x(kPlayers, 0.9);
  plan.l1_reg = L1Reg::kNumFeatures;
  for (const int features : {1, 2, 3}) {
    plan.l1_features = features;
    const auto explainer = MakeSampledExplainer(plan, ModelOf(plan, function));
    const auto out = ExplainAll(*explainer, plan, x);
    EXPECT_EQ(std::ranges::count_if(out.phi, [](double phi) { return phi != 0; }), features);
    EXPECT_NEAR(std::accumulate(out.phi.begin(), out.phi.end(), 0.0),
                out.prediction[0] - explainer->base_value()[0], 1e-12);
  }
  plan.l1_reg = L1Reg::kBic;
  const auto bic = ExplainAll(*MakeSampledExplainer(plan, ModelOf(plan, function)), plan, x);
  plan.l1_reg = L1Reg::kNone;
  const auto none = ExplainAll(*MakeSampledExplainer(plan, ModelOf(plan, function)), plan, x);
  EXPECT_THAT(bic.phi, Pointwise(DoubleNear(0.01), none.phi));
  EXPECT_TRUE(bic.phi[2] != 0 && bic.phi[7] != 0 && bic.phi[11] != 0);
  EXPECT_GT(std::ranges::count(bic.phi, 0.0), 5);
}

TEST(Kernel, AFailedRowLeavesTheOthers) {
  Plan plan = KernelPlan(3, 3, {0, 0, 0, 1, 0, 0});
  plan.link = Link::kLogit;
  const auto function = [](std::span<const double> x, std::span<double> out) {
    out[0] = x[0] >= 5 ? 1.0 : 0.25 + 0.1 * x[0] + 0.1 * x[1] * x[2];
  };
  const auto out = ExplainAll(*MakeSampledExplainer(plan, ModelOf(plan, function)), plan,
                              std::vector<double>{1, 1, 1, 5, 1, 1});
  ASSERT_EQ(out.failures.size(), 1);
  EXPECT_EQ(out.failures[0].row, 1);
  EXPECT_TRUE(std::isfinite(out.phi[0]) && std::isnan(out.phi[3]));
}

class AdultJob : public ::testing::Test {
 protected:
  std::span<const double> first_rows(std::int64_t rows) const {
    return std::span(adult_.rows).first(rows * adult_.plan.columns);
  }
  Adult adult_;
};

TEST_F(AdultJob, ExactIsTheReference) {
  adult_.plan.method = Method::kExact;
  const auto explainer = MakeExactExplainer(adult_.plan, adult_.model());
  const auto out = ExplainAll(*explainer, adult_.plan, first_rows(64));
  const auto expected = adult_.Reference("exact");
  ASSERT_EQ(out.phi.size(), expected.size());
  EXPECT_THAT(out.phi, Pointwise(DoubleNear(1e-9), expected));
  EXPECT_NEAR(explainer->base_value()[0], -1.0899010173995544, 1e-12);
  std::printf("exact: %.0f model evaluations a row, largest error %.1e\n",
              static_cast<double>(out.model_evaluations) / 64, MaxDifference(out.phi, expected));
}

TEST_F(AdultJob, KernelIsNoLessAccurateThanShap) {
  adult_.plan.method = Method::kKernel;
  adult_.plan.nsamples = AutoSamples(Method::kKernel, 12);
  EXPECT_EQ(adult_.plan.nsamples, 2072);
  const auto exact = adult_.Reference("exact");
  const double shap = RmsDifference(adult_.Reference("shap"), exact);
  EXPECT_NEAR(MaxDifference(adult_.Reference("shap"), exact), 0.0198, 1e-4);
  double ours = 0;
  double most = 0;
  constexpr int kSeeds = 10;
  for (adult_.plan.seed = 0; adult_.plan.seed < kSeeds; ++adult_.plan.seed) {
    const auto out =
        ExplainAll(*MakeSampledExplainer(adult_.plan, adult_.model()), adult_.plan, first_rows(64));
    const double rms = RmsDifference(out.phi, exact);
    ours += rms * rms / kSeeds;
    most = std::max(most, MaxDifference(out.phi, exact));
    if (adult_.plan.seed == 0) {
      std::printf("kernel: %.0f model evaluations a row\n",
                  static_cast<double>(out.model_evaluations) / 64);
    }
  }
  ours = std::sqrt(ours);
  std::printf("kernel, %d seeds: RMS error %.2e, largest %.2e; shap: RMS error %.2e\n", kSeeds,
              ours, most, shap);
  EXPECT_LE(ours, shap);
}

}  // namespace
}  // namespace windlass::explain
