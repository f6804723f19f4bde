// Every method that samples: against brute force, against games of many players whose values are
// known, and whether its intervals hold as often as they say.
#include "windlass/explain/estimator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <set>

#include "windlass/base/error.h"
#include "windlass/base/student.h"
#include "windlass/explain/design.h"
#include "windlass/explain/exact.h"
#include "windlass/explain/game_testing_internal.h"
#include "windlass/explain/random_games_testing_internal.h"
#include "windlass/explain/sampled.h"
#include "windlass/explain/task.h"

namespace windlass::explain {
namespace {

using ::testing::DoubleNear;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Pointwise;

Plan SampledPlan(Method method, std::int64_t columns, int players, std::vector<double> background) {
  Plan plan = PlanOf(columns, players, std::move(background), method);
  plan.nsamples = AutoSamples(method, players);
  return plan;
}

Plan EstimatorPlan(Method method, std::int64_t nsamples, std::uint64_t seed) {
  Plan plan;
  plan.method = method;
  plan.nsamples = nsamples;
  plan.seed = seed;
  return plan;
}

Estimate RunLast(const Estimator& estimator, const RandomGame& game, int players) {
  const CoalitionPairs pairs = estimator.coalitions();
  const GameValues values(game, pairs.masks, pairs.count, players);
  Estimate estimate;
  estimator.Run(static_cast<int>(estimator.stages().size()) - 1, values.inside, values.outside,
                values.total, estimate);
  return estimate;
}

double SumOf(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

TEST(Student, HasTheQuantilesOfTables) {
  EXPECT_NEAR(Student95(1), 12.7062, 1e-3);
  EXPECT_NEAR(Student95(2), 4.30265, 1e-4);
  EXPECT_NEAR(Student95(3), 3.18245, 0.005);
  EXPECT_NEAR(Student95(5), 2.57058, 1e-3);
  EXPECT_NEAR(Student95(10), 2.22814, 1e-4);
  EXPECT_NEAR(Student95(30), 2.04227, 1e-5);
  EXPECT_NEAR(Student95(1e9), 1.95996, 1e-5);
  EXPECT_GE(Student95(1.5), 6.2);  // by interpolation of tables, about 6.2
  EXPECT_TRUE(std::isinf(Student95(0.99)));
  EXPECT_TRUE(std::isinf(Student95(std::nan(""))));
  for (double freedom = 1; freedom < 20; freedom += 0.01) {
    EXPECT_GT(Student95(freedom), Student95(freedom + 0.01)) << freedom;
  }
}

// The games themselves: their closed forms against every term of the definition.
TEST(RandomGames, KnowTheirShapleyValues) {
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    const int players = 3 + static_cast<int>(seed);
    const TreeGame trees(players, 5, 4, 3, seed);
    const NetworkGame network(players, 4, 2, seed);
    for (const RandomGame* game :
         {static_cast<const RandomGame*>(&trees), static_cast<const RandomGame*>(&network)}) {
      std::vector<double> v(std::size_t{1} << players);
      for (std::size_t s = 0; s < v.size(); ++s) v[s] = game->Value(s);
      EXPECT_THAT(game->ShapleyValues(), Pointwise(DoubleNear(1e-10), NaiveShapley(v, players)));
      std::vector<double> pairs(Pairs(players));
      ShapleyInteractions(v, players, pairs);
      EXPECT_THAT(game->Interactions(), Pointwise(DoubleNear(1e-10), pairs));
    }
  }
}

TEST(Designs, GrowByAddingPairs) {
  for (const Allocation allocation : {Allocation::kKernel, Allocation::kLeverage}) {
    for (const int players : {6, 13, 40, 70}) {
      std::vector<std::int64_t> budgets;
      for (std::int64_t budget = 4 * players; budget < 40 * players; budget *= 2) {
        budgets.push_back(budget);
      }
      const auto designs = MakeDesigns(players, budgets, 5, allocation);
      for (std::size_t k = 0; k < designs.size(); ++k) {
        const Design& design = designs[k];
        EXPECT_LE(design.pairs(), budgets[k] / 2);
        std::set<std::vector<std::uint64_t>> seen;
        double weight = 0;
        for (std::int64_t i = 0; i < design.pairs(); ++i) {
          EXPECT_TRUE(seen.insert({&design.masks[i * design.words],
                                   &design.masks[i * design.words] + design.words})
                          .second);
          weight += 2 * design.weights[i];
          EXPECT_GE(design.left_out[i], 0);
          EXPECT_LE(design.left_out[i], 1);  // 1: too little for a double to tell
        }
        EXPECT_NEAR(weight, 1, 1e-12);
        if (k == 0) continue;
        const Design& before = designs[k - 1];
        EXPECT_TRUE(before.complete || before.pairs() < design.pairs());
        EXPECT_TRUE(std::equal(before.masks.begin(), before.masks.end(), design.masks.begin()));
      }
      // The last one has as many as its budget alone.
      const Design alone = MakeDesign(players, budgets.back(), 5, allocation);
      EXPECT_EQ(alone.pairs(), designs.back().pairs());
    }
  }
}

class EveryMethod : public ::testing::TestWithParam<Method> {};
INSTANTIATE_TEST_SUITE_P(Methods, EveryMethod,
                         ::testing::Values(Method::kKernel, Method::kPermutation, Method::kLeverage,
                                           Method::kMsr),
                         [](const auto& info) { return std::string(MethodName(info.param)); });

TEST_P(EveryMethod, WithAllCoalitionsIsExact) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Random random(seed, 0);
    const int players = 1 + static_cast<int>(random.Below(9));
    const std::int64_t columns = players + static_cast<std::int64_t>(random.Below(3));
    Plan plan = SampledPlan(GetParam(), columns, players, RandomValues(5 * columns, random));
    plan.link = seed % 3 == 0 ? Link::kLogit : Link::kIdentity;
    plan.outputs = {1, 0};
    plan.weights = {0.4, 0.2, 0.2, 0.1, 0.1};
    const auto function = Wavy(seed, columns);
    const std::vector<double> x = RandomValues(3 * columns, random);
    const auto sampled =
        ExplainAll(*MakeSampledExplainer(plan, ModelOf(plan, function, 2)), plan, x);
    const auto exact = ExplainAll(*MakeExactExplainer(plan, ModelOf(plan, function, 2)), plan, x);
    EXPECT_THAT(sampled.phi, Pointwise(DoubleNear(1e-9), exact.phi)) << seed;
    EXPECT_THAT(sampled.half_width, Each(0.0));
    EXPECT_THAT(sampled.ranked, Each(players));
  }
}

// The mean over seeds comes as near to the truth as its own error allows, and the error falls.
TEST_P(EveryMethod, IsCentredAndConverges) {
  constexpr int kPlayers = 12;
  const TreeGame game(kPlayers, 10, 5, 4, 3);
  const std::vector<double> exact = game.ShapleyValues();
  double before = 1e9;
  for (const std::int64_t nsamples : {60, 300, 1500}) {
    constexpr int kSeeds = 60;
    std::vector<double> mean(kPlayers, 0.0);
    double squares = 0;
    for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
      const auto estimator = MakeEstimator(EstimatorPlan(GetParam(), nsamples, seed), kPlayers);
      EXPECT_LE(2 * estimator->coalitions().count, nsamples);
      const Estimate estimate = RunLast(*estimator, game, kPlayers);
      EXPECT_NEAR(SumOf(estimate.phi), SumOf(exact), 1e-12);
      for (int i = 0; i < kPlayers; ++i) {
        mean[i] += estimate.phi[i] / kSeeds;
        squares += std::pow(estimate.phi[i] - exact[i], 2) / (kSeeds * kPlayers);
      }
    }
    const double error = std::sqrt(squares);
    EXPECT_LT(error, 0.6 * before) << nsamples;
    double off = 0;
    for (int i = 0; i < kPlayers; ++i) off += std::pow(mean[i] - exact[i], 2) / kPlayers;
    // An eighth of the error is what the mean of 60 draws has; ridge and sizes without samples add.
    EXPECT_LT(std::sqrt(off), 0.3 * error) << nsamples;
    before = error;
  }
}

TEST_P(EveryMethod, ManyPlayersOfWhichSomeDoNotVary) {
  Random random(2, 0);
  constexpr int kPlayers = 200;
  Plan plan = SampledPlan(GetParam(), kPlayers, kPlayers, RandomValues(3 * kPlayers, random));
  plan.weights = {0.5, 0.3, 0.2};
  const std::vector<double> x = RandomValues(kPlayers, random);
  std::vector<double> coef = RandomValues(kPlayers, random);
  for (int g = 0; g < kPlayers; g += 3) {
    for (int b = 0; b < 3; ++b) plan.background[b * kPlayers + g] = x[g];
  }
  const auto additive = [&](std::span<const double> row, std::span<double> out) {
    out[0] = 0.25;
    for (int g = 0; g < kPlayers; ++g) out[0] += coef[g] * row[g];
  };
  const auto explainer = MakeSampledExplainer(plan, ModelOf(plan, additive));
  const Attributions out = ExplainAll(*explainer, plan, x);
  EXPECT_NEAR(SumOf(out.phi), out.prediction[0] - explainer->base_value()[0], 1e-11);
  for (int g = 0; g < kPlayers; ++g) {
    double mean = 0;
    for (int b = 0; b < 3; ++b) mean += plan.weights[b] * plan.background[b * kPlayers + g];
    EXPECT_NEAR(out.phi[g], coef[g] * (x[g] - mean), 1e-10);
    EXPECT_LT(out.half_width[g], 1e-10);
    if (g % 3 == 0) {
      EXPECT_EQ(out.phi[g], 0);
      EXPECT_EQ(out.half_width[g], 0);
    }
  }
}

TEST_P(EveryMethod, ARowAloneGivesTheBytesItHasAmongOthers) {
  Random random(9, 0);
  Plan plan = SampledPlan(GetParam(), 14, 14, CoarseValues(10 * 14, random));
  plan.nsamples = 400;
  plan.outputs = {0, 1};
  for (const double tolerance : {0.0, 0.02}) {
    plan.tolerance = tolerance;
    const auto explainer = MakeSampledExplainer(plan, ModelOf(plan, Wavy(4, 14), 2));
    const std::vector<double> x = CoarseValues(8 * 14, random, 5);
    const Attributions all = ExplainAll(*explainer, plan, x);
    std::int64_t coalitions = 0;
    for (int r = 0; r < 8; ++r) {
      const auto fresh = MakeSampledExplainer(plan, ModelOf(plan, Wavy(4, 14), 2));
      const Attributions one = ExplainAll(*fresh, plan, std::span(x).subspan(r * 14, 14));
      EXPECT_TRUE(std::equal(one.phi.begin(), one.phi.end(), &all.phi[r * 28]));
      EXPECT_TRUE(
          std::equal(one.half_width.begin(), one.half_width.end(), &all.half_width[r * 28]));
      EXPECT_TRUE(std::equal(one.ranked.begin(), one.ranked.end(), &all.ranked[r * 2]));
      coalitions += one.coalitions;
    }
    EXPECT_EQ(coalitions, all.coalitions);
  }
}

// A row stops at the first of its budgets that is enough for all of its intervals.
TEST_P(EveryMethod, StopsWhenIntervalsAreNarrowEnough) {
  Random random(11, 0);
  constexpr int kPlayers = 20;
  Plan plan = SampledPlan(GetParam(), kPlayers, kPlayers, RandomValues(2 * kPlayers, random));
  plan.nsamples = 4000;
  const std::vector<double> x = RandomValues(3 * kPlayers, random);
  const auto function = Wavy(3, kPlayers);
  const auto model = [&] { return ModelOf(plan, function); };
  const Attributions whole = ExplainAll(*MakeSampledExplainer(plan, model()), plan, x);
  const double widest = *std::ranges::max_element(whole.half_width);
  EXPECT_EQ(whole.coalitions_saved, 0);
  EXPECT_EQ(whole.rows_above_tolerance, 0);

  plan.tolerance = 4 * widest;
  const Attributions early = ExplainAll(*MakeSampledExplainer(plan, model()), plan, x);
  EXPECT_THAT(early.half_width, Each(::testing::Le(plan.tolerance)));
  EXPECT_EQ(early.rows_above_tolerance, 0);
  EXPECT_GT(early.coalitions_saved, whole.coalitions / 2);
  EXPECT_LT(early.model_evaluations, whole.model_evaluations / 2);

  plan.tolerance = widest / 4;
  const Attributions never = ExplainAll(*MakeSampledExplainer(plan, model()), plan, x);
  EXPECT_EQ(never.rows_above_tolerance, 3);
  EXPECT_EQ(never.coalitions_saved, 0);
  EXPECT_GE(never.coalitions, whole.coalitions * 9 / 10);
}

// Over many games, groups and seeds 95 % of the intervals hold the true value: 93 to 97 %.
TEST_P(EveryMethod, IntervalsHoldAsOftenAsTheySay) {
  constexpr int kPlayers = 24;
  double intervals = 0;
  double held = 0;
  double half_squares = 0;
  double error_squares = 0;
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    for (const std::int64_t budget : {10, 20, 40}) {
      const auto estimator =
          MakeEstimator(EstimatorPlan(GetParam(), budget * kPlayers, seed), kPlayers);
      for (std::uint64_t g = 0; g < 4; ++g) {
        const TreeGame trees(kPlayers, 10, 6, 4, 10 * seed + g);
        const NetworkGame network(kPlayers, 4, 2, 10 * seed + g);
        for (const RandomGame* game :
             {static_cast<const RandomGame*>(&trees), static_cast<const RandomGame*>(&network)}) {
          const std::vector<double> exact = game->ShapleyValues();
          const Estimate estimate = RunLast(*estimator, *game, kPlayers);
          for (int i = 0; i < kPlayers; ++i) {
            const double off = estimate.phi[i] - exact[i];
            held += std::abs(off) <= estimate.half_width[i] ? 1 : 0;
            ++intervals;
            half_squares += estimate.half_width[i] * estimate.half_width[i];
            error_squares += off * off;
          }
        }
      }
    }
  }
  std::printf("%s: %.1f %% of %.0f intervals hold, half width %.2f times the error\n",
              std::string(MethodName(GetParam())).c_str(), 100 * held / intervals, intervals,
              std::sqrt(half_squares / error_squares));
  EXPECT_GE(held / intervals, 0.93);
  EXPECT_LE(held / intervals, 0.97);
  EXPECT_LT(std::sqrt(half_squares / error_squares), 2.6);  // not by width alone
}

// Of the orders that Estimate::ranked calls certain, few are wrong.
TEST_P(EveryMethod, RankedGroupsStandInTheirTrueOrder) {
  constexpr int kPlayers = 24;
  double steps = 0;
  double wrong = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const auto estimator = MakeEstimator(EstimatorPlan(GetParam(), 40 * kPlayers, seed), kPlayers);
    const TreeGame game(kPlayers, 10, 5, 4, seed);
    const std::vector<double> exact = game.ShapleyValues();
    const Estimate estimate = RunLast(*estimator, game, kPlayers);
    std::vector<int> order(kPlayers);
    std::iota(order.begin(), order.end(), 0);
    std::ranges::sort(
        order, [&](int a, int b) { return std::abs(estimate.phi[a]) > std::abs(estimate.phi[b]); });
    for (int k = 0; k + 1 < kPlayers && k < estimate.ranked; ++k) {
      ++steps;
      wrong += std::abs(exact[order[k]]) <= std::abs(exact[order[k + 1]]) ? 1 : 0;
    }
  }
  EXPECT_GT(steps, 60);  // two or three groups a game
  EXPECT_LE(wrong, 0.05 * steps);
}

TEST_P(EveryMethod, SaysHowManySamplesAreNeeded) {
  const std::int64_t least = MinimumSamples(GetParam(), 20);
  EXPECT_EQ(least, GetParam() == Method::kKernel        ? 40
                   : GetParam() == Method::kPermutation ? 76
                                                        : 80);
  CheckSamples(GetParam(), least, 20);
  EXPECT_THROW(CheckSamples(GetParam(), least - 1, 20), Error);
  EXPECT_THROW(CheckSamples(GetParam(), (std::int64_t{1} << 24) + 1, 30), Error);
  EXPECT_EQ(MinimumSamples(GetParam(), 2), 2);
  EXPECT_EQ(MinimumSamples(GetParam(), 1), 0);
  EXPECT_EQ(AutoSamples(GetParam(), 40), 2128);
  EXPECT_EQ(AutoSamples(GetParam(), 8), 254);
  EXPECT_GE(AutoSamples(GetParam(), 2000), MinimumSamples(GetParam(), 2000));
  // At the minimum there are intervals, if wide ones, but for the kernel's, which has no pair left.
  const TreeGame game(20, 10, 5, 4, 1);
  const auto estimator = MakeEstimator(EstimatorPlan(GetParam(), least, 1), 20);
  const Estimate estimate = RunLast(*estimator, game, 20);
  for (const double half : estimate.half_width) {
    EXPECT_EQ(std::isinf(half), GetParam() == Method::kKernel);
    EXPECT_GT(half, 0);
  }
}

TEST_P(EveryMethod, AFailedOutputHasNoInterval) {
  Plan plan = SampledPlan(GetParam(), 3, 3, {0, 0, 0, 1, 0, 0});
  plan.link = Link::kLogit;
  plan.outputs = {0, 1};
  const auto function = [](std::span<const double> x, std::span<double> out) {
    out[0] = x[0] >= 5 ? 1.0 : 0.25 + 0.1 * x[0] + 0.1 * x[1] * x[2];
    out[1] = 0.5;
  };
  const auto out = ExplainAll(*MakeSampledExplainer(plan, ModelOf(plan, function, 2)), plan,
                              std::vector<double>{5, 1, 1});
  ASSERT_EQ(out.failures.size(), 1);
  EXPECT_TRUE(std::isnan(out.phi[0]) && std::isnan(out.half_width[0]));
  EXPECT_TRUE(std::isnan(out.prediction[0]));
  EXPECT_EQ(out.ranked[0], 0);
  EXPECT_EQ(out.half_width[3], 0);
  EXPECT_EQ(out.prediction[1], 0);
}

// The slopes that change with size are fitted where a game has them: the error of kMsr vanishes for
// h = c_i g, which kLeverage leaves an error on.
TEST(Msr, IsNearlyExactWhereSlopesChangeWithSize) {
  class CurvedGame final : public RandomGame {
   public:
    double Value(std::uint64_t s) const override {
      const double m = std::popcount(s) / 10.0 - 1;
      double sum = 0;
      for (int i = 0; i < 20; ++i) sum += (s >> i & 1 ? 0.5 : -0.5) * i;
      return sum * (1 + 3 * m * m);
    }
    std::vector<double> Interactions() const override { return {}; }  // not asked for
    std::vector<double> ShapleyValues() const override {
      // E.g. by sizes: player i adds i times the mean over sizes of 1 + 3 m^2 before and after, and
      // each other one the same amount less, so that the sum is what it has to be.
      double own = 0;
      for (int s = 0; s < 20; ++s) {
        own += (2 + 3 * (std::pow(s / 10.0 - 1, 2) + std::pow((s + 1) / 10.0 - 1, 2))) / 40;
      }
      std::vector<double> phi(20);
      for (int i = 0; i < 20; ++i) phi[i] = own * i + (4 - own) / 19 * (190 - i);
      return phi;
    }
  };
  const CurvedGame game;
  const std::vector<double> exact = game.ShapleyValues();
  EXPECT_NEAR(SumOf(exact), game.Value((1 << 20) - 1) - game.Value(0), 1e-9);
  const auto error = [&](Method method) {
    const auto estimator = MakeEstimator(EstimatorPlan(method, 800, 1), 20);
    const Estimate estimate = RunLast(*estimator, game, 20);
    double squares = 0;
    for (int i = 0; i < 20; ++i) squares += std::pow(estimate.phi[i] - exact[i], 2) / 20;
    return std::sqrt(squares);
  };
  EXPECT_LT(error(Method::kMsr), 0.15 * error(Method::kLeverage));
}

TEST(SampledTask, CarriesIntervals) {
  Attributions out;
  out.Resize(2, 1, 3);
  EXPECT_TRUE(DecodeAttributions(EncodeAttributions(out)).half_width.empty());
  out.AddIntervals();
  out.half_width = {1, 2, 3, 4, 5, 6};
  out.ranked = {2, 3};
  out.coalitions = 70;
  out.coalitions_saved = 30;
  out.rows_above_tolerance = 1;
  const Attributions back = DecodeAttributions(EncodeAttributions(out));
  EXPECT_EQ(back.half_width, out.half_width);
  EXPECT_EQ(back.ranked, out.ranked);
  EXPECT_EQ(back.coalitions, 70);
  EXPECT_EQ(back.coalitions_saved, 30);
  EXPECT_EQ(back.rows_above_tolerance, 1);
}

}  // namespace
}  // namespace windlass::explain
