#include "windlass/explain/exact.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "windlass/base/error.h"
#include "windlass/explain/game_testing_internal.h"
#include "windlass/explain/linear.h"
#include "windlass/model/linear.h"

namespace windlass::explain {
namespace {

using ::testing::DoubleNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::string ErrorOf(const Plan& plan, std::unique_ptr<model::Model> model) {
  try {
    MakeExactExplainer(plan, std::move(model));
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(ShapleyValues, FoldedSumsAreThoseOfTheFormula) {
  for (int players = 1; players <= 13; ++players) {
    Random random(1, players);
    const std::vector<double> v = RandomValues(std::size_t{1} << players, random, -50, 50);
    std::vector<double> phi(players);
    ShapleyValues(v, players, phi);
    EXPECT_THAT(phi, Pointwise(DoubleNear(2e-12), NaiveShapley(v, players))) << players;
  }
}

TEST(ShapleyValues, KeepTheAxiomsOnRandomGames) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Random random(seed, 0);
    const int players = 2 + static_cast<int>(random.Below(8));
    const std::size_t size = std::size_t{1} << players;
    std::vector<double> v = RandomValues(size, random);
    const std::vector<double> other = RandomValues(size, random);
    const int dummy = static_cast<int>(random.Below(players));
    const int twin = (dummy + 1) % players;
    // The dummy adds 0.25 to whomever it joins.
    for (std::size_t s = 0; s < size; ++s) {
      if (s >> dummy & 1) v[s] = v[s ^ (std::size_t{1} << dummy)] + 0.25;
    }
    std::vector<double> phi(players), phi_other(players), phi_sum(players), phi_twins(players);
    ShapleyValues(v, players, phi);
    EXPECT_NEAR(phi[dummy], 0.25, 1e-13);
    EXPECT_NEAR(std::accumulate(phi.begin(), phi.end(), 0.0), v[size - 1] - v[0], 1e-12);

    std::vector<double> sum(size), twins(size);
    for (std::size_t s = 0; s < size; ++s) {
      sum[s] = 2 * v[s] - 3 * other[s];
      // The dummy and its twin trade places: the mean of both games treats them alike.
      std::size_t swapped = s & ~(std::size_t{1} << dummy | std::size_t{1} << twin);
      swapped |= (s >> dummy & 1) << twin | (s >> twin & 1) << dummy;
      twins[s] = other[s] + other[swapped];
    }
    ShapleyValues(other, players, phi_other);
    ShapleyValues(sum, players, phi_sum);
    ShapleyValues(twins, players, phi_twins);
    EXPECT_NEAR(phi_twins[dummy], phi_twins[twin], 1e-12);
    for (int g = 0; g < players; ++g) EXPECT_NEAR(phi_sum[g], 2 * phi[g] - 3 * phi_other[g], 1e-12);
  }
}

class ExactOverLinks : public ::testing::TestWithParam<Link> {};
INSTANTIATE_TEST_SUITE_P(Links, ExactOverLinks, ::testing::Values(Link::kIdentity, Link::kLogit));

// Random models, groups, weights and several outputs against every term of the definition.
TEST_P(ExactOverLinks, IsBruteForce) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    Random random(seed, 1);
    const int players = 1 + static_cast<int>(random.Below(8));
    const std::int64_t columns = players + static_cast<std::int64_t>(random.Below(4));
    const std::int64_t rows = 1 + static_cast<std::int64_t>(random.Below(12));
    const bool coarse = seed % 3 != 0;
    Plan plan =
        PlanOf(columns, players,
               coarse ? CoarseValues(rows * columns, random) : RandomValues(rows * columns, random),
               Method::kExact);
    plan.link = GetParam();
    plan.outputs = {2, 0};
    plan.weights = RandomValues(rows, random, 0.1, 1);
    const double total = std::accumulate(plan.weights.begin(), plan.weights.end(), 0.0);
    for (double& weight : plan.weights) weight /= total;
    const auto function = Wavy(seed, columns);
    const auto explainer = MakeExactExplainer(plan, ModelOf(plan, function, 3));
    const std::vector<double> x =
        coarse ? CoarseValues(5 * columns, random) : RandomValues(5 * columns, random);
    const Attributions out = ExplainAll(*explainer, plan, x);
    for (int r = 0; r < 5; ++r) {
      for (int k = 0; k < 2; ++k) {
        const auto v = NaiveGame(plan, function, 3, plan.outputs[k],
                                 std::span(x).subspan(r * columns, columns));
        const std::span phi = std::span(out.phi).subspan((r * 2 + k) * players, players);
        EXPECT_THAT(phi, Pointwise(DoubleNear(1e-12), NaiveShapley(v, players))) << seed;
        EXPECT_NEAR(out.prediction[r * 2 + k], v.back(), 1e-12);
        EXPECT_NEAR(explainer->base_value()[k], v.front(), 1e-12);
      }
    }
  }
}

TEST(Exact, AgreesWithTheLinearExplainer) {
  Random random(5, 0);
  constexpr int kPlayers = 7;
  Plan plan = PlanOf(10, kPlayers, RandomValues(20 * 10, random), Method::kExact);
  plan.link = Link::kLogit;
  model::LinearStructure structure;
  structure.coef = RandomValues(10, random, -2, 2);
  structure.intercept = {0.3};
  structure.activation = model::Activation::kSigmoid;
  const auto linear = MakeLinearExplainer(plan, structure);
  const auto exact = MakeExactExplainer(plan, model::MakeLinearModel(structure, {}, {}));
  const std::vector<double> x = RandomValues(30 * 10, random);
  const Attributions one = ExplainAll(*linear, plan, x);
  const Attributions two = ExplainAll(*exact, plan, x);
  EXPECT_THAT(two.phi, Pointwise(DoubleNear(1e-10), one.phi));
  EXPECT_THAT(two.prediction, Pointwise(DoubleNear(1e-10), one.prediction));
}

TEST(Exact, ExplainsTheMarginWhereTheModelShowsIt) {
  Random random(6, 0);
  Plan plan = PlanOf(4, 4, RandomValues(5 * 4, random), Method::kExact);
  plan.margin = true;
  model::LinearStructure structure{RandomValues(4, random), {0.5}, model::Activation::kSigmoid};
  const auto exact = MakeExactExplainer(plan, model::MakeLinearModel(structure, {}, {}));
  const auto linear = MakeLinearExplainer(plan, structure);
  const std::vector<double> x = RandomValues(3 * 4, random);
  EXPECT_THAT(ExplainAll(*exact, plan, x).phi,
              Pointwise(DoubleNear(1e-13), ExplainAll(*linear, plan, x).phi));
  EXPECT_THAT(ErrorOf(plan, ModelOf(plan, Wavy(0, 4))), HasSubstr("the margin is asked for"));
}

TEST(Exact, PlayersThatDoNotVaryGetExactlyNothing) {
  Random random(7, 0);
  constexpr int kPlayers = 6;
  std::vector<double> background = RandomValues(9 * kPlayers, random);
  for (int b = 0; b < 9; ++b) {
    background[b * kPlayers + 1] = 0.5;
    background[b * kPlayers + 4] = kNaN;  // missing everywhere, as in the row
  }
  Plan plan = PlanOf(kPlayers, kPlayers, background, Method::kExact);
  const auto wavy = Wavy(3, kPlayers);
  const auto function = [wavy](std::span<const double> x, std::span<double> out) {
    std::vector<double> filled(x.begin(), x.end());
    for (double& value : filled) value = std::isnan(value) ? 9 : value;
    wavy(filled, out);
  };
  std::vector<double> x = RandomValues(kPlayers, random);
  x[1] = 0.5;
  x[4] = kNaN;
  const auto explainer = MakeExactExplainer(plan, ModelOf(plan, function));
  const Attributions out = ExplainAll(*explainer, plan, x);
  EXPECT_EQ(out.phi[1], 0);
  EXPECT_EQ(out.phi[4], 0);
  EXPECT_THAT(out.phi, Pointwise(DoubleNear(1e-13),
                                 NaiveShapley(NaiveGame(plan, function, 1, 0, x), kPlayers)));
  // A row that is the whole background.
  plan.background.resize(kPlayers);
  plan.weights = {1.0};
  const auto same = MakeExactExplainer(plan, ModelOf(plan, function));
  const Attributions nothing = ExplainAll(*same, plan, plan.background);
  EXPECT_THAT(nothing.phi, ::testing::Each(0.0));
  EXPECT_EQ(nothing.prediction[0], same->base_value()[0]);
}

// Counts by brute force how many different mixed rows there are, background rows apart.
std::int64_t DistinctMixedRows(const Plan& plan, std::span<const double> x) {
  std::set<std::vector<double>> rows;
  for (std::int64_t b = 0; b < plan.background_rows(); ++b) {
    for (std::uint64_t s = 0; s < std::uint64_t{1} << plan.players(); ++s) {
      std::vector<double> row(&plan.background[b * plan.columns],
                              plan.background.data() + (b + 1) * plan.columns);
      for (int g = 0; g < plan.players(); ++g) {
        for (const auto c : plan.groups[g]) {
          if (s >> g & 1) row[c] = x[c];
        }
      }
      rows.insert(row);
    }
  }
  for (std::int64_t b = 0; b < plan.background_rows(); ++b) {
    rows.erase(std::vector<double>(&plan.background[b * plan.columns],
                                   plan.background.data() + (b + 1) * plan.columns));
  }
  rows.insert(std::vector<double>(x.begin(), x.end()));
  return std::ssize(rows);
}

TEST(Exact, PredictsEveryDifferentMixedRowOnce) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    Random random(seed, 2);
    Plan plan = PlanOf(6, 6, CoarseValues(15 * 6, random), Method::kExact);
    const std::vector<double> x = CoarseValues(6, random);
    auto model = ModelOf(plan, Wavy(1, 6));
    const FunctionModel* seen = model.get();
    const auto explainer = MakeExactExplainer(plan, std::move(model));
    const std::size_t before = seen->calls.size();
    const Attributions out = ExplainAll(*explainer, plan, x);
    EXPECT_EQ(out.model_evaluations, DistinctMixedRows(plan, x));
    // All calls have one shape, and no more of them were made than are needed.
    EXPECT_THAT(seen->calls, ::testing::Each(seen->calls[0]));
    EXPECT_EQ(static_cast<std::int64_t>(seen->calls.size() - before),
              (out.model_evaluations + seen->calls[0] - 1) / seen->calls[0]);
  }
}

TEST(Exact, ManyPlayersWithoutTables) {
  // Too many players for tables of background classes, and sums larger than a block.
  Random random(8, 0);
  constexpr int kPlayers = 18;
  Plan plan = PlanOf(kPlayers, kPlayers, RandomValues(40 * kPlayers, random), Method::kExact);
  for (int b = 0; b < 40; ++b) {  // all but nine players are as in the row, differing by row
    for (int g = 0; g < kPlayers; ++g) {
      if ((g + b) % 2 == 0) plan.background[b * kPlayers + g] = 0.75;
    }
  }
  const std::vector<double> x(kPlayers, 0.75);
  // Additive, so that the answer is known.
  const auto function = [](std::span<const double> row, std::span<double> out) {
    out[0] = 0;
    for (std::size_t c = 0; c < row.size(); ++c) out[0] += static_cast<double>(c) * row[c];
  };
  const Attributions out = ExplainAll(*MakeExactExplainer(plan, ModelOf(plan, function)), plan, x);
  for (int g = 0; g < kPlayers; ++g) {
    double mean = 0;
    for (int b = 0; b < 40; ++b) mean += plan.background[b * kPlayers + g] / 40;
    EXPECT_NEAR(out.phi[g], g * (0.75 - mean), 1e-11);
  }
}

TEST(Exact, ARowAloneGivesTheBytesItHasAmongOthers) {
  Random random(9, 0);
  Plan plan = PlanOf(8, 5, CoarseValues(20 * 8, random), Method::kExact);
  plan.link = Link::kLogit;
  const auto explainer = MakeExactExplainer(plan, ModelOf(plan, Wavy(4, 8)));
  const std::vector<double> x = CoarseValues(12 * 8, random, 5);
  const Attributions all = ExplainAll(*explainer, plan, x);
  std::int64_t evaluations = 0;
  for (int r = 0; r < 12; ++r) {
    const Attributions one = ExplainAll(*explainer, plan, std::span(x).subspan(r * 8, 8));
    EXPECT_TRUE(std::equal(one.phi.begin(), one.phi.end(), &all.phi[r * 5]));
    EXPECT_EQ(one.prediction[0], all.prediction[r]);
    evaluations += one.model_evaluations;
  }
  EXPECT_EQ(evaluations, all.model_evaluations);
}

TEST(Exact, EqualBackgroundRowsAreMergedAndWeightlessOnesLeftOut) {
  Random random(10, 0);
  const std::vector<double> rows = RandomValues(3 * 4, random);
  Plan plan = PlanOf(4, 4, rows, Method::kExact);
  plan.weights = {0.5, 0.25, 0.25};
  Plan repeated = plan;
  repeated.background.clear();
  for (const int b : {0, 1, 0, 2, 1}) {
    repeated.background.insert(repeated.background.end(), &rows[b * 4], &rows[b * 4] + 4);
  }
  repeated.background.insert(repeated.background.end(), 4, 1e9);
  repeated.weights = {0.25, 0.125, 0.25, 0.25, 0.125, 0};
  const std::vector<double> x = RandomValues(4, random);
  const auto one = ExplainAll(*MakeExactExplainer(plan, ModelOf(plan, Wavy(1, 4))), plan, x);
  const auto two =
      ExplainAll(*MakeExactExplainer(repeated, ModelOf(plan, Wavy(1, 4))), repeated, x);
  EXPECT_EQ(one.phi, two.phi);
  EXPECT_EQ(one.model_evaluations, two.model_evaluations);
}

TEST(Exact, ASaturatedProbabilityFailsItsRowOnlyUnlessClipped) {
  Plan plan = PlanOf(2, 2, {0, 0, 1, 0}, Method::kExact);
  plan.link = Link::kLogit;
  const auto function = [](std::span<const double> x, std::span<double> out) {
    out[0] = x[0] >= 5 ? 1.0 : 0.25 + 0.1 * x[0] + 0.1 * x[1];
  };
  const std::vector<double> x = {1, 1, 5, 1, 0, 1};
  const auto explainer = MakeExactExplainer(plan, ModelOf(plan, function));
  const Attributions out = ExplainAll(*explainer, plan, x);
  ASSERT_EQ(out.failures.size(), 1);
  EXPECT_EQ(out.failures[0].row, 1);
  EXPECT_THAT(out.failures[0].why, HasSubstr("no finite log-odds; --clip"));
  EXPECT_TRUE(std::isnan(out.phi[2]) && std::isnan(out.phi[3]) && std::isnan(out.prediction[1]));
  EXPECT_TRUE(std::isfinite(out.phi[0]) && std::isfinite(out.phi[5]));

  plan.clip = 1e-6;
  const Attributions clipped =
      ExplainAll(*MakeExactExplainer(plan, ModelOf(plan, function)), plan, x);
  EXPECT_TRUE(clipped.failures.empty());
  EXPECT_NEAR(clipped.prediction[1], std::log((1 - 1e-6) / 1e-6), 1e-9);
  EXPECT_EQ(clipped.prediction[0], out.prediction[0]);
}

TEST(Exact, KeepsTheDigitsOfSaturatedProbabilitiesWhereOutputsSumToOne) {
  Plan plan = PlanOf(1, 1, {0, 1}, Method::kExact);
  plan.link = Link::kLogit;
  plan.outputs = {1, 0};
  const auto function = [](std::span<const double> x, std::span<double> out) {
    out[1] = 1 / (1 + std::exp(-x[0]));
    out[0] = 1 / (1 + std::exp(x[0]));
  };
  const std::vector<double> x = {45.0};  // 1 - p is 0 in double precision
  const auto out = ExplainAll(*MakeExactExplainer(plan, ModelOf(plan, function, 2)), plan, x);
  EXPECT_NEAR(out.prediction[0], 45, 1e-12);
  EXPECT_NEAR(out.prediction[1], -45, 1e-12);
  // Labels that are independent of each other do not sum to one on the background, so that no
  // digits are made up when they happen to.
  const auto labels = [](std::span<const double> x, std::span<double> out) {
    out[1] = 1 / (1 + std::exp(-x[0]));
    out[0] = x[0] > 40 ? 1e-30 : 0.25;
  };
  EXPECT_EQ(
      ExplainAll(*MakeExactExplainer(plan, ModelOf(plan, labels, 2)), plan, x).failures.size(), 1);
}

TEST(Exact, SaysWhatDoesNotFit) {
  Plan plan = PlanOf(2, 2, {0, 0, 1, 0}, Method::kExact);
  plan.link = Link::kLogit;
  const auto large = [](std::span<const double> x, std::span<double> out) { out[0] = 2 * x[0]; };
  EXPECT_THAT(ErrorOf(plan, ModelOf(plan, large)),
              HasSubstr("on the background, the model's output 0 is 2, but link logit needs"));
  const auto one = [](std::span<const double>, std::span<double> out) { out[0] = 1; };
  EXPECT_THAT(ErrorOf(plan, ModelOf(plan, one)), HasSubstr("expected output 0 is inf under link"));
  plan.outputs = {1};
  EXPECT_THAT(ErrorOf(plan, ModelOf(plan, one)), HasSubstr("output 1 is asked for, but the model"));
  plan.outputs = {0};
  EXPECT_THAT(ErrorOf(plan, std::make_unique<FunctionModel>(3, 1, one)),
              HasSubstr("the model takes 3 columns, but the data has 2"));
  const Plan wide = PlanOf(25, 25, std::vector<double>(25, 0.0), Method::kExact);
  EXPECT_THAT(ErrorOf(wide, ModelOf(wide, one)), HasSubstr("at most 24 players"));

  // On a row, it is the row's failure.
  const auto later = [](std::span<const double> x, std::span<double> out) {
    out[0] = x[1] > 0 ? 3.5 : 0.5;
  };
  const auto explainer = MakeExactExplainer(plan, ModelOf(plan, later));
  const Attributions out = ExplainAll(*explainer, plan, std::vector<double>{1, 0, 1, 1});
  ASSERT_EQ(out.failures.size(), 1);
  EXPECT_EQ(out.failures[0].row, 1);
  EXPECT_THAT(out.failures[0].why, HasSubstr("the model's output 0 is 3.5"));
}

TEST(Exact, StopsBetweenCalls) {
  Random random(11, 0);
  Plan plan = PlanOf(12, 12, RandomValues(30 * 12, random), Method::kExact);
  const auto explainer = MakeExactExplainer(plan, ModelOf(plan, Wavy(0, 12)));
  int left = 3;
  Attributions out;
  const std::vector<double> x = RandomValues(12, random);
  EXPECT_THROW(explainer->Explain(
                   x, 1,
                   [&] {
                     if (left-- == 0) throw Error(ErrorCode::kCancelled, "stop");
                   },
                   out),
               Error);
}

}  // namespace
}  // namespace windlass::explain
