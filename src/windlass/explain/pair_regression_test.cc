// Interactions from a sample of coalitions: exact where all are there, unbiased and with intervals
// that hold where not.
#include "windlass/explain/pair_regression.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "windlass/base/error.h"
#include "windlass/explain/dense.h"
#include "windlass/explain/estimator.h"
#include "windlass/explain/exact.h"
#include "windlass/explain/game_testing_internal.h"
#include "windlass/explain/random_games_testing_internal.h"
#include "windlass/explain/sampled.h"
#include "windlass/explain/shapley.h"

namespace windlass::explain {
namespace {

using ::testing::DoubleNear;
using ::testing::Each;
using ::testing::Pointwise;

struct PairEstimate {
  std::vector<double> interactions, half_width;
};

PairEstimate RunPairs(const PairRegression& regression, const Design& design,
                      const RandomGame& game) {
  const GameValues values(game, design.masks.data(), design.pairs(), design.players);
  std::vector<double> even(design.pairs());
  for (std::size_t i = 0; i < even.size(); ++i) {
    even[i] = 0.5 * (values.inside[i] + values.outside[i] - values.total);
  }
  PairEstimate out;
  out.interactions.resize(Pairs(design.players));
  out.half_width.resize(Pairs(design.players));
  regression.Run(even, out.interactions, out.half_width);
  return out;
}

TEST(PairRegression, WithAllCoalitionsIsExact) {
  for (int players = 2; players <= 11; ++players) {
    const Design design = MakeDesign(players, std::int64_t{1} << players, 0, Allocation::kLeverage);
    ASSERT_TRUE(design.complete);
    const PairRegression regression(design);
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
      const TreeGame trees(players, 5, 5, 3, seed);
      const NetworkGame network(players, 4, 2, seed);
      for (const RandomGame* game :
           {static_cast<const RandomGame*>(&trees), static_cast<const RandomGame*>(&network)}) {
        const PairEstimate got = RunPairs(regression, design, *game);
        EXPECT_THAT(got.interactions, Pointwise(DoubleNear(1e-10), game->Interactions()));
        EXPECT_THAT(got.half_width, Each(0.0));
      }
    }
  }
}

// A game that is a sum of functions of one player or two is fitted but for the ridge's share of
// nothing: the adjustment takes that back.
TEST(PairRegression, IsNearlyExactWithoutHigherOrders) {
  class Quadratic final : public RandomGame {
   public:
    explicit Quadratic(int players) : players_(players) {
      Random random(1, 0);
      one_ = RandomValues(players, random);
      two_ = RandomValues(Pairs(players), random);
    }
    double Value(std::uint64_t coalition) const override {
      double sum = 3;
      for (int i = 0; i < players_; ++i) {
        if ((coalition >> i & 1) == 0) continue;
        sum += one_[i];
        for (int j = i + 1; j < players_; ++j) {
          if (coalition >> j & 1) sum += two_[PairIndex(i, j, players_)];
        }
      }
      return sum;
    }
    std::vector<double> ShapleyValues() const override { return one_; }
    std::vector<double> Interactions() const override { return two_; }

   private:
    int players_;
    std::vector<double> one_, two_;
  };
  constexpr int kPlayers = 20;
  const Quadratic game(kPlayers);
  const Design design = MakeDesign(kPlayers, 8 * Pairs(kPlayers), 0, Allocation::kLeverage);
  const PairEstimate got = RunPairs(PairRegression(design), design, game);
  EXPECT_THAT(got.interactions, Pointwise(DoubleNear(0.003), game.Interactions()));
}

class EveryAllocation : public ::testing::TestWithParam<Allocation> {};
INSTANTIATE_TEST_SUITE_P(Allocations, EveryAllocation,
                         ::testing::Values(Allocation::kKernel, Allocation::kLeverage),
                         [](const auto& info) {
                           return info.param == Allocation::kKernel ? "kernel" : "leverage";
                         });

TEST_P(EveryAllocation, IsCentredAndConverges) {
  constexpr int kPlayers = 12;
  const TreeGame game(kPlayers, 10, 6, 4, 3);
  const std::vector<double> exact = game.Interactions();
  double before = 1e9;
  for (const std::int64_t nsamples : {4 * 66, 12 * 66, 36 * 66}) {
    constexpr int kSeeds = 40;
    std::vector<double> mean(exact.size(), 0.0);
    double squares = 0;
    for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
      const Design design = MakeDesign(kPlayers, nsamples, seed, GetParam());
      const PairEstimate got = RunPairs(PairRegression(design), design, game);
      for (std::size_t a = 0; a < exact.size(); ++a) {
        mean[a] += got.interactions[a] / kSeeds;
        squares += std::pow(got.interactions[a] - exact[a], 2) / (kSeeds * exact.size());
      }
    }
    const double error = std::sqrt(squares);
    EXPECT_LT(error, 0.7 * before) << nsamples;
    double off = 0;
    for (std::size_t a = 0; a < exact.size(); ++a) {
      off += std::pow(mean[a] - exact[a], 2) / exact.size();
    }
    // A sixth of the error is what the mean of 40 draws has; the ridge adds at the least budget.
    EXPECT_LT(std::sqrt(off), 0.4 * error) << nsamples;
    before = error;
  }
}

// Over many games, pairs and seeds 95 % of the intervals hold the true value: 93 to 97 %.
TEST_P(EveryAllocation, IntervalsHoldAsOftenAsTheySay) {
  double intervals = 0, held = 0, half_squares = 0, error_squares = 0;
  for (const int players : {12, 20}) {
    for (const std::int64_t budget : {4, 8, 16}) {
      for (std::uint64_t seed = 0; seed < 3; ++seed) {
        const Design design =
            MakeDesign(players, budget * Pairs(players), 100 * seed + budget, GetParam());
        const PairRegression regression(design);
        for (std::uint64_t g = 0; g < 4; ++g) {
          const TreeGame trees(players, 10, 6, 4, 10 * seed + g);
          const NetworkGame network(players, 4, 2, 10 * seed + g);
          for (const RandomGame* game :
               {static_cast<const RandomGame*>(&trees), static_cast<const RandomGame*>(&network)}) {
            const std::vector<double> exact = game->Interactions();
            const PairEstimate got = RunPairs(regression, design, *game);
            for (std::size_t a = 0; a < exact.size(); ++a) {
              const double off = got.interactions[a] - exact[a];
              held += std::abs(off) <= got.half_width[a] + 1e-12 ? 1 : 0;
              ++intervals;
              half_squares += got.half_width[a] * got.half_width[a];
              error_squares += off * off;
            }
          }
        }
      }
    }
  }
  std::printf("%.1f %% of %.0f intervals hold, half width %.2f times the error\n",
              100 * held / intervals, intervals, std::sqrt(half_squares / error_squares));
  EXPECT_GE(held / intervals, 0.93);
  EXPECT_LE(held / intervals, 0.97);
  EXPECT_LT(std::sqrt(half_squares / error_squares), 2.6);
}

class EverySampler : public ::testing::TestWithParam<Method> {};
INSTANTIATE_TEST_SUITE_P(Methods, EverySampler,
                         ::testing::Values(Method::kKernel, Method::kLeverage, Method::kMsr),
                         [](const auto& info) { return std::string(MethodName(info.param)); });

// Rows in which some groups do not vary, two outputs, a logit: against enumeration.
TEST_P(EverySampler, OfRowsWithAllCoalitionsIsExact) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    Random random(seed, 0);
    const int players = 2 + static_cast<int>(random.Below(8));
    Plan plan = PlanOf(players, players, CoarseValues(2 * players, random), GetParam());
    plan.link = seed % 3 == 0 ? Link::kLogit : Link::kIdentity;
    plan.outputs = {1, 0};
    plan.interactions = true;
    plan.nsamples = AutoSamples(GetParam(), players, true);
    const auto function = Wavy(seed, players);
    const std::vector<double> x = CoarseValues(6 * players, random);
    const auto sampled =
        ExplainAll(*MakeSampledExplainer(plan, ModelOf(plan, function, 2)), plan, x);
    const auto exact = ExplainAll(*MakeExactExplainer(plan, ModelOf(plan, function, 2)), plan, x);
    EXPECT_THAT(sampled.interactions, Pointwise(DoubleNear(1e-9), exact.interactions)) << seed;
    EXPECT_THAT(sampled.interactions_half_width, Each(0.0));
  }
}

TEST_P(EverySampler, ARowAloneGivesTheBytesItHasAmongOthers) {
  Random random(9, 0);
  Plan plan = PlanOf(14, 14, CoarseValues(4 * 14, random), GetParam());
  plan.interactions = true;
  plan.nsamples = 1600;
  for (const double tolerance : {0.0, 0.02}) {
    plan.tolerance = tolerance;
    const std::vector<double> x = CoarseValues(5 * 14, random, 5);
    const auto make = [&] { return MakeSampledExplainer(plan, ModelOf(plan, Wavy(4, 14))); };
    const Attributions all = ExplainAll(*make(), plan, x);
    const std::int64_t pairs = Pairs(14);
    for (int r = 0; r < 5; ++r) {
      const Attributions one = ExplainAll(*make(), plan, std::span(x).subspan(r * 14, 14));
      EXPECT_TRUE(std::equal(one.interactions.begin(), one.interactions.end(),
                             &all.interactions[r * pairs]));
      EXPECT_TRUE(std::equal(one.interactions_half_width.begin(), one.interactions_half_width.end(),
                             &all.interactions_half_width[r * pairs]));
    }
  }
}

TEST(PairSamples, AreBoundedBothWays) {
  EXPECT_EQ(MinimumSamples(Method::kMsr, 20, true), 4 * 190);
  EXPECT_EQ(AutoSamples(Method::kMsr, 40, true), 8 * 780);
  EXPECT_EQ(AutoSamples(Method::kMsr, 20, true), 2088);
  CheckSamples(Method::kMsr, 4 * 190, 20, true);
  CheckSamples(Method::kMsr, 0, 1, true);  // a single player has no pairs
  EXPECT_THROW(CheckSamples(Method::kMsr, 4 * 190 - 1, 20, true), Error);
  EXPECT_THROW(CheckSamples(Method::kMsr, 100'000, 65, true), Error);
  EXPECT_THROW(CheckSamples(Method::kMsr, 2 * (kMaxPairMap / 2016) + 2, 64, true), Error);
}

TEST(Dense, InvertsAndMultiplies) {
  constexpr int kSize = 75;
  Random random(5, 0);
  const std::vector<double> root = RandomValues(kSize * kSize, random);
  std::vector<double> matrix(kSize * kSize);
  for (int i = 0; i < kSize; ++i) {
    for (int j = 0; j < kSize; ++j) {
      matrix[i * kSize + j] = Dot(&root[i * kSize], &root[j * kSize], kSize) + (i == j ? 1 : 0);
    }
  }
  std::vector<double> factor = matrix;
  ASSERT_TRUE(Cholesky(factor, kSize));
  const std::vector<double> inverse = CholeskyInverse(factor, kSize);
  std::vector<double> tile(kSize * kTileColumns), out(kSize * kTileColumns);
  for (int begin = 0; begin + kTileColumns <= kSize; begin += kTileColumns) {
    for (int k = 0; k < kSize; ++k) {
      std::copy_n(&inverse[k * kSize + begin], kTileColumns, &tile[k * kTileColumns]);
    }
    MultiplyTile(matrix, kSize, kSize, tile, out);
    for (int i = 0; i < kSize; ++i) {
      for (int c = 0; c < kTileColumns; ++c) {
        EXPECT_NEAR(out[i * kTileColumns + c], i == begin + c ? 1 : 0, 1e-10);
      }
    }
  }
  std::vector<double> b = RandomValues(kSize, random), x = b;
  CholeskySolve(factor, kSize, x);
  for (int i = 0; i < kSize; ++i)
    EXPECT_NEAR(Dot(&matrix[i * kSize], x.data(), kSize), b[i], 1e-10);
  std::vector<double> bad = {1, 2, 2, 1};
  EXPECT_FALSE(Cholesky(bad, 2));
}

}  // namespace
}  // namespace windlass::explain
