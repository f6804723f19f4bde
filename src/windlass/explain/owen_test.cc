#include "windlass/explain/owen.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <thread>

#include "windlass/base/error.h"
#include "windlass/explain/estimator_cache.h"
#include "windlass/explain/exact.h"
#include "windlass/explain/game_testing_internal.h"
#include "windlass/explain/node_importance.h"
#include "windlass/explain/random_games_testing_internal.h"
#include "windlass/explain/sampled.h"

namespace windlass::explain {
namespace {

using ::testing::DoubleNear;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Pointwise;

constexpr std::int32_t kAtTop = Hierarchy::kTop;

// Nodes of any depth; some have one member, some none.
Hierarchy RandomHierarchy(int players, int nodes, Random& random) {
  const auto any_before = [&](int n) { return static_cast<std::int32_t>(random.Below(n + 1)) - 1; };
  Hierarchy hierarchy;
  for (int n = 0; n < nodes; ++n) hierarchy.parents.push_back(any_before(n));
  for (int p = 0; p < players; ++p) hierarchy.homes.push_back(any_before(nodes));
  return hierarchy;
}

// Pairs of neighbours, pairs of pairs, ...; players is a power of two.
Hierarchy Binary(int players) {
  Hierarchy hierarchy;
  hierarchy.parents = {kAtTop, kAtTop};
  for (int n = 2; n < players - 2; ++n) hierarchy.parents.push_back(n / 2 - 1);
  for (int p = 0; p < players; ++p) hierarchy.homes.push_back((players + p) / 2 - 2);
  return hierarchy;
}

std::vector<std::int32_t> All(int players) {
  std::vector<std::int32_t> all(players);
  std::iota(all.begin(), all.end(), 0);
  return all;
}

// Whether the players of every node are neighbours in the ordering.
bool IsConsistent(const Hierarchy& hierarchy, const std::vector<std::int32_t>& order) {
  return std::ranges::all_of(PlayersOfNodes(hierarchy), [&](const auto& players) {
    const auto inside = [&](std::int32_t p) {
      return std::ranges::find(players, p) != players.end();
    };
    const auto first = std::ranges::find_if(order, inside);
    return std::count_if(first, first + std::min(order.end() - first, std::ssize(players)),
                         inside) == std::ssize(players);
  });
}

// The definition: the mean over all consistent orderings.
std::vector<double> NaiveOwen(std::span<const double> v, const Hierarchy& hierarchy) {
  std::vector<std::int32_t> order = All(hierarchy.players());
  std::vector<double> phi(order.size(), 0.0);
  double orderings = 0;
  do {
    if (!IsConsistent(hierarchy, order)) continue;
    ++orderings;
    std::size_t s = 0;
    for (const std::int32_t p : order) {
      phi[p] += v[s | std::size_t{1} << p] - v[s];
      s |= std::size_t{1} << p;
    }
  } while (std::ranges::next_permutation(order).found);
  for (double& value : phi) value /= orderings;
  return phi;
}

// Owen 1977: subsets of the other nodes, and of the node's other players.
std::vector<double> OwensFormula(std::span<const double> v, const std::vector<int>& node_of) {
  const int players = static_cast<int>(node_of.size());
  const int nodes = 1 + *std::ranges::max_element(node_of);
  std::vector<std::size_t> mask(nodes, 0);
  for (int p = 0; p < players; ++p) mask[node_of[p]] |= std::size_t{1} << p;
  const std::vector<double> of_nodes = ShapleyWeights(nodes);
  std::vector<double> phi(players, 0.0);
  for (int p = 0; p < players; ++p) {
    const std::size_t own = mask[node_of[p]], bit = std::size_t{1} << p;
    const std::vector<double> of_players = ShapleyWeights(std::popcount(own));
    for (std::size_t h = 0; h < std::size_t{1} << nodes; ++h) {
      if (h >> node_of[p] & 1) continue;
      std::size_t others = 0;
      for (int n = 0; n < nodes; ++n) others |= h >> n & 1 ? mask[n] : 0;
      for (std::size_t t = 0; t < v.size(); ++t) {
        if ((t & ~own) != 0 || (t & bit) != 0) continue;
        phi[p] += of_nodes[std::popcount(h)] * of_players[std::popcount(t)] *
                  (v[others | t | bit] - v[others | t]);
      }
    }
  }
  return phi;
}

// A game by its values on all coalitions.
Estimate RunOn(const Estimator& estimator, std::span<const double> v) {
  const CoalitionPairs pairs = estimator.coalitions();
  std::vector<double> inside, outside;
  for (std::int64_t i = 0; i < pairs.count; ++i) {
    inside.push_back(v[pairs.masks[i]] - v[0]);
    outside.push_back(v[v.size() - 1 - pairs.masks[i]] - v[0]);
  }
  Estimate estimate;
  estimator.Run(static_cast<int>(estimator.stages().size()) - 1, inside, outside, v.back() - v[0],
                estimate);
  return estimate;
}

std::vector<double> ExactOwen(std::span<const double> v, const Hierarchy& hierarchy) {
  return RunOn(*MakeExactOwenEstimator(hierarchy), v).phi;
}

double Sum(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

Plan OwenPlan(Hierarchy hierarchy, std::vector<double> background, Method method) {
  const int players = hierarchy.players();
  Plan plan = PlanOf(players, players, std::move(background), method);
  plan.hierarchy = std::move(hierarchy);
  plan.nsamples = method == Method::kPermutation ? AutoSamples(plan) : 0;
  return plan;
}

TEST(Owen, IsTheMeanOverAllConsistentOrderings) {
  for (std::uint64_t seed = 0; seed < 120; ++seed) {
    Random random(seed, 1);
    const int players = 2 + static_cast<int>(random.Below(6));
    const auto hierarchy = RandomHierarchy(players, static_cast<int>(random.Below(6)), random);
    const auto v = RandomValues(std::size_t{1} << players, random, 4, 6);
    const auto phi = ExactOwen(v, hierarchy);
    EXPECT_THAT(phi, Pointwise(DoubleNear(1e-13), NaiveOwen(v, hierarchy))) << seed;
    EXPECT_NEAR(Sum(phi), v.back() - v[0], 1e-13);
  }
}

TEST(Owen, LooksAtEachConsistentCoalitionOnce) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    Random random(seed, 2);
    const int players = 2 + static_cast<int>(random.Below(9));
    const auto hierarchy = RandomHierarchy(players, static_cast<int>(random.Below(6)), random);
    const auto estimator = MakeExactOwenEstimator(hierarchy);
    std::set<std::uint64_t> seen;
    const std::uint64_t all = (std::uint64_t{1} << players) - 1;
    for (std::int64_t i = 0; i < estimator->coalitions().count; ++i) {
      seen.insert(estimator->coalitions().masks[i]);
      seen.insert(all ^ estimator->coalitions().masks[i]);
    }
    EXPECT_FALSE(seen.contains(0) || seen.contains(all));
    EXPECT_EQ(std::ssize(seen), 2 * estimator->coalitions().count);
    EXPECT_EQ(std::ssize(seen) + 2, ConsistentCoalitions(hierarchy)) << seed;
  }
}

TEST(Owen, WithOneLevelIsOwensFormula) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    Random random(seed, 3);
    const int players = 3 + static_cast<int>(random.Below(7));
    const int nodes = 2 + static_cast<int>(random.Below(2));
    Hierarchy hierarchy{std::vector<std::int32_t>(nodes, kAtTop), {}};
    std::vector<int> node_of;
    for (int p = 0; p < players; ++p) {
      node_of.push_back(static_cast<int>(p < nodes ? p : random.Below(nodes)));
      hierarchy.homes.push_back(node_of[p]);
    }
    const auto v = RandomValues(std::size_t{1} << players, random);
    EXPECT_THAT(ExactOwen(v, hierarchy), Pointwise(DoubleNear(1e-13), OwensFormula(v, node_of)));
  }
}

TEST(Owen, IsShapleysWhereNoOrderingIsLeftOut) {
  for (int players = 2; players <= 10; ++players) {
    Random random(4, players);
    const auto v = RandomValues(std::size_t{1} << players, random);
    const auto shapley = NaiveShapley(v, players);
    Hierarchy alone{{kAtTop, 0}, std::vector<std::int32_t>(players, kAtTop)};
    EXPECT_THAT(ExactOwen(v, alone), Pointwise(DoubleNear(1e-13), shapley));
    alone.homes[0] = 1;  // a node of one within a node of one
    EXPECT_THAT(ExactOwen(v, alone), Pointwise(DoubleNear(1e-13), shapley));
    const Hierarchy together{{kAtTop, 0}, std::vector<std::int32_t>(players, 1)};
    EXPECT_THAT(ExactOwen(v, together), Pointwise(DoubleNear(1e-13), shapley));
    EXPECT_EQ(2 * MakeExactOwenEstimator(together)->coalitions().count,
              (std::int64_t{1} << players) - 2);
  }
}

// What the members of a node at the top have together is what the node has in the game of those.
TEST(Owen, HasTheQuotientGamesShapleyValues) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    Random random(seed, 5);
    constexpr int kPlayers = 9;
    auto hierarchy = RandomHierarchy(kPlayers, 6, random);
    hierarchy.parents = {kAtTop, kAtTop, kAtTop, 0, 1, 3};
    for (int n = 0; n < 3; ++n) hierarchy.homes[n] = n;  // none is empty
    const auto v = RandomValues(std::size_t{1} << kPlayers, random);
    const auto phi = ExactOwen(v, hierarchy);
    std::vector<std::size_t> masks;
    std::vector<double> sums;
    const auto members = Members(hierarchy);
    for (const std::int32_t member : members[0]) {
      masks.push_back(0);
      sums.push_back(0);
      for (int p = 0; p < kPlayers; ++p) {
        std::int32_t n = hierarchy.homes[p];
        while (n >= 3) n = hierarchy.parents[n];
        if (member >= 0 ? p != member : n != ~member) continue;
        masks.back() |= std::size_t{1} << p;
        sums.back() += phi[p];
      }
    }
    std::vector<double> quotient(std::size_t{1} << masks.size());
    for (std::size_t s = 0; s < quotient.size(); ++s) {
      std::size_t coalition = 0;
      for (std::size_t i = 0; i < masks.size(); ++i) coalition |= s >> i & 1 ? masks[i] : 0;
      quotient[s] = v[coalition];
    }
    EXPECT_THAT(
        sums, Pointwise(DoubleNear(1e-13), NaiveShapley(quotient, static_cast<int>(masks.size()))));
  }
}

// Dummies may be left out of the game and of the hierarchy.
TEST(Owen, DummiesChangeNothing) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    Random random(seed, 6);
    const int players = 3 + static_cast<int>(random.Below(6));
    const auto hierarchy = RandomHierarchy(players, static_cast<int>(random.Below(6)), random);
    std::vector<std::int32_t> varying;
    for (int p = 0; p < players; ++p) {
      if (p < 2 || random.Below(2) == 0) varying.push_back(p);
    }
    const auto v = RandomValues(std::size_t{1} << varying.size(), random);
    std::vector<double> whole(std::size_t{1} << players);
    for (std::size_t s = 0; s < whole.size(); ++s) {
      std::size_t own = 0;
      for (std::size_t i = 0; i < varying.size(); ++i) own |= (s >> varying[i] & 1) << i;
      whole[s] = v[own];
    }
    const auto phi = ExactOwen(v, Prune(hierarchy, varying));
    std::vector<double> expected(players, 0.0);
    for (std::size_t i = 0; i < varying.size(); ++i) expected[varying[i]] = phi[i];
    EXPECT_THAT(ExactOwen(whole, hierarchy), Pointwise(DoubleNear(1e-13), expected)) << seed;
  }
}

// 128 players, two words: a binary hierarchy has about 2 / 3 players^2 coalitions.
TEST(Owen, TakesManyPlayers) {
  constexpr int kPlayers = 128;
  const Hierarchy hierarchy = Binary(kPlayers);
  ASSERT_TRUE(hierarchy.Fits(kPlayers));
  EXPECT_LT(ConsistentCoalitions(hierarchy), kPlayers * kPlayers);
  Random random(1, 7);
  Plan plan = OwenPlan(hierarchy, RandomValues(2 * kPlayers, random), Method::kExact);
  const auto c = RandomValues(kPlayers, random);
  // Each pair of neighbours multiplies, within a node (0, 1), ... and across (1, 2), ...: the
  // partner joins before or after with equal chances, whatever the hierarchy.
  const auto model = [&](std::span<const double> x, std::span<double> out) {
    out[0] = 0;
    for (int p = 0; p + 1 < kPlayers; ++p) out[0] += c[p] * x[p] * x[p + 1];
  };
  const auto x = RandomValues(kPlayers, random);
  const auto explainer = MakeSampledExplainer(plan, ModelOf(plan, model));
  const Attributions out = ExplainAll(*explainer, plan, x);
  std::vector<double> expected(kPlayers, 0.0);
  for (int p = 0; p + 1 < kPlayers; ++p) {
    for (int b = 0; b < 2; ++b) {
      const double* z = &plan.background[b * kPlayers + p];
      expected[p] += 0.25 * c[p] * (x[p] - z[0]) * (x[p + 1] + z[1]);
      expected[p + 1] += 0.25 * c[p] * (x[p + 1] - z[1]) * (x[p] + z[0]);
    }
  }
  EXPECT_THAT(out.phi, Pointwise(DoubleNear(1e-12), expected));
}

class OwenMethods : public ::testing::TestWithParam<Method> {};
INSTANTIATE_TEST_SUITE_P(Methods, OwenMethods,
                         ::testing::Values(Method::kExact, Method::kPermutation),
                         [](const auto& info) { return std::string(MethodName(info.param)); });

// Random models, rows that share values with the background, several outputs.
TEST_P(OwenMethods, WithAllCoalitionsIsBruteForce) {
  for (std::uint64_t seed = 0; seed < 25; ++seed) {
    Random random(seed, 8);
    const int players = 2 + static_cast<int>(random.Below(5));
    const auto hierarchy = RandomHierarchy(players, static_cast<int>(random.Below(5)), random);
    Plan plan = OwenPlan(hierarchy, CoarseValues(3 * players, random), GetParam());
    plan.link = seed % 2 == 0 ? Link::kLogit : Link::kIdentity;
    plan.outputs = {1, 0};
    const auto function = Wavy(seed, players);
    const auto x = CoarseValues(4 * players, random);
    const auto explainer = MakeSampledExplainer(plan, ModelOf(plan, function, 2));
    const Attributions out = ExplainAll(*explainer, plan, x);
    EXPECT_EQ(out.half_width.empty(), GetParam() == Method::kExact);
    EXPECT_THAT(out.half_width, Each(0.0));
    for (int r = 0; r < 4; ++r) {
      for (int k = 0; k < 2; ++k) {
        const auto v = NaiveGame(plan, function, 2, plan.outputs[k],
                                 std::span(x).subspan(r * players, players));
        EXPECT_THAT(std::span(out.phi).subspan((r * 2 + k) * players, players),
                    Pointwise(DoubleNear(1e-12), NaiveOwen(v, hierarchy)))
            << seed;
      }
    }
  }
}

// Also after so many other rows that estimators were forgotten, and by several threads at once.
TEST_P(OwenMethods, ARowAloneGivesTheBytesItHasAmongOthers) {
  Random random(9, 9);
  constexpr int kPlayers = 14, kRows = 40;
  Hierarchy hierarchy{{kAtTop, kAtTop, 1}, {0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2}};
  Plan plan = OwenPlan(hierarchy, CoarseValues(2 * kPlayers, random), GetParam());
  plan.nsamples = 300;
  plan.outputs = {0, 1};
  const auto model = [&] { return ModelOf(plan, Wavy(4, kPlayers), 2); };
  const auto x = CoarseValues(kRows * kPlayers, random);
  const auto explainer = MakeSampledExplainer(plan, model());
  std::vector<Attributions> all(4);
  std::vector<std::jthread> threads;
  for (std::size_t t = 0; t < all.size(); ++t) {
    threads.emplace_back([&, t] { all[t] = ExplainAll(*explainer, plan, x); });
  }
  threads.clear();
  for (const Attributions& out : all) EXPECT_EQ(out.phi, all[0].phi);
  for (int r = 0; r < kRows; ++r) {
    const Attributions one = ExplainAll(*MakeSampledExplainer(plan, model()), plan,
                                        std::span(x).subspan(r * kPlayers, kPlayers));
    EXPECT_TRUE(std::equal(one.phi.begin(), one.phi.end(), &all[0].phi[r * 2 * kPlayers])) << r;
  }
}

TEST(EstimatorCache, AreForgottenWhereRoomEndsAndMadeAnewTheSame) {
  constexpr int kPlayers = 9;
  Plan plan;
  plan.hierarchy = {{kAtTop}, std::vector<std::int32_t>(kPlayers, 0)};
  plan.hierarchy.homes[0] = kAtTop;
  const auto all = All(kPlayers), fewer = All(kPlayers - 1), fewest = All(kPlayers - 2);
  std::vector<std::int32_t> others = All(kPlayers);
  others.erase(others.begin() + 4);
  for (const Method method : {Method::kExact, Method::kPermutation}) {
    plan.method = method;
    plan.nsamples = 40;
    const EstimatorCache wide(plan);
    const auto kept = wide.Of(all);
    EXPECT_EQ(wide.Of(fewer), wide.Of(others));  // alike once pruned
    EXPECT_EQ(wide.Of(all), kept);
    const std::size_t bytes = kept->bytes();
    const EstimatorCache narrow(plan, bytes + 8);
    const auto first = narrow.Of(all);
    EXPECT_EQ(narrow.Of(all), first);
    narrow.Of(fewest);
    const auto again = narrow.Of(all);
    EXPECT_NE(again, first);
    for (const auto& estimator : {first, again}) {
      const CoalitionPairs pairs = estimator->coalitions();
      ASSERT_EQ(pairs.count, kept->coalitions().count);
      EXPECT_TRUE(std::equal(pairs.masks, pairs.masks + pairs.count, kept->coalitions().masks));
    }
  }
}

// Orderings are consistent, their mean is unbiased and intervals hold as often as they say.
TEST(OwenPermutations, AreCentredOnTheExactValuesWithHonestIntervals) {
  constexpr int kPlayers = 16;
  const Hierarchy hierarchy{{kAtTop, kAtTop, 0, 2, 1},
                            {0, 0, 2, 2, 3, 3, 3, 1, 1, 1, 4, 4, 4, 4, kAtTop, kAtTop}};
  const auto exactly = MakeExactOwenEstimator(hierarchy);
  double held = 0, intervals = 0;
  for (std::uint64_t g = 0; g < 8; ++g) {
    const TreeGame game(kPlayers, 10, 5, 4, g);
    std::vector<double> v(std::size_t{1} << kPlayers);
    for (std::size_t s = 0; s < v.size(); ++s) v[s] = game.Value(s);
    const auto exact = RunOn(*exactly, v).phi;
    std::vector<double> mean(kPlayers, 0.0);
    double squares = 0;
    constexpr int kSeeds = 60;
    for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
      Plan plan;
      plan.method = Method::kPermutation;
      plan.nsamples = 20 * kPlayers;
      plan.seed = seed;
      plan.hierarchy = hierarchy;
      const auto estimator = MakeOwenEstimator(plan, hierarchy);
      EXPECT_LE(2 * estimator->coalitions().count, plan.nsamples);
      const Estimate estimate = RunOn(*estimator, v);
      EXPECT_NEAR(Sum(estimate.phi), Sum(exact), 1e-12);
      for (int i = 0; i < kPlayers; ++i) {
        const double off = estimate.phi[i] - exact[i];
        mean[i] += off / kSeeds;
        squares += off * off / kPlayers / kSeeds;
        held += std::abs(off) <= estimate.half_width[i] ? 1 : 0;
        ++intervals;
      }
    }
    double off = 0;
    for (const double value : mean) off += value * value / kPlayers;
    EXPECT_GT(squares, 0);
    EXPECT_LT(std::sqrt(off), 0.25 * std::sqrt(squares)) << g;  // 0.13 is what 60 draws have
  }
  EXPECT_GE(held / intervals, 0.93);
  EXPECT_LE(held / intervals, 0.98);
}

TEST(OwenPermutations, AreConsistent) {
  const Hierarchy hierarchy{{kAtTop, 0, kAtTop}, {0, 0, 1, 1, 1, 2, 2, kAtTop}};
  Plan plan;
  plan.method = Method::kPermutation;
  plan.nsamples = 70;  // of 78 + ...
  plan.hierarchy = hierarchy;
  ASSERT_GT(ConsistentCoalitions(hierarchy) - 2, plan.nsamples);
  const auto estimator = MakeOwenEstimator(plan, hierarchy);
  ASSERT_EQ(estimator->coalitions().count, 5 * 7);
  for (int draw = 0; draw < 5; ++draw) {
    std::vector<std::int32_t> order;
    std::uint64_t before = 0;
    for (int i = 0; i < 7; ++i) {
      const std::uint64_t mask = estimator->coalitions().masks[draw * 7 + i];
      order.push_back(std::countr_zero(mask ^ before));
      before = mask;
    }
    order.push_back(std::countr_zero(~before));
    EXPECT_TRUE(IsConsistent(hierarchy, order));
  }
}

TEST(OwenPermutations, StopAtATolerance) {
  Random random(3, 10);
  Hierarchy hierarchy{std::vector<std::int32_t>(4, kAtTop), {}};
  for (int p = 0; p < 16; ++p) hierarchy.homes.push_back(p / 4);
  ASSERT_EQ(ConsistentCoalitions(hierarchy), 16 + 4 * 8 * 14);
  Plan plan = OwenPlan(hierarchy, RandomValues(2 * 16, random), Method::kPermutation);
  plan.nsamples = 450;
  const auto x = RandomValues(16, random);
  const auto run = [&] {
    return ExplainAll(*MakeSampledExplainer(plan, ModelOf(plan, Wavy(2, 16))), plan, x);
  };
  const std::vector<double> half_width = run().half_width;
  const double widest = *std::ranges::max_element(half_width);
  EXPECT_GT(widest, 0);
  plan.tolerance = 4 * widest;
  EXPECT_GT(run().coalitions_saved, 0);
  plan.tolerance = widest / 4;
  EXPECT_EQ(run().rows_above_tolerance, 1);
}

TEST(Owen, RowsThatDoNotVary) {
  Plan plan = OwenPlan({{kAtTop}, {0, 0, kAtTop}}, {1, 2, 3}, Method::kExact);
  const auto function = [](std::span<const double> x, std::span<double> out) {
    out[0] = x[0] * x[1] + x[2];
  };
  const Attributions out = ExplainAll(*MakeSampledExplainer(plan, ModelOf(plan, function)), plan,
                                      std::vector<double>{1, 2, 3, 1, 5, 3, 2, 3, 3});
  EXPECT_THAT(out.phi, ::testing::ElementsAre(0, 0, 0, 0, 3, 0, 2.5, 1.5, 0));
}

TEST(Owen, AFailedOutputSaysWhy) {
  Plan plan = OwenPlan({{kAtTop}, {0, 0, kAtTop}}, {0, 0, 0}, Method::kExact);
  plan.link = Link::kLogit;
  plan.outputs = {0, 1};
  const auto function = [](std::span<const double> x, std::span<double> out) {
    out[0] = x[0] >= 5 && x[1] < 1 ? 1.0 : 0.25 + 0.1 * x[1] * x[2];
    out[1] = 0.5;
  };
  const auto out = ExplainAll(*MakeSampledExplainer(plan, ModelOf(plan, function, 2)), plan,
                              std::vector<double>{5, 1, 1});
  ASSERT_EQ(out.failures.size(), 1);
  EXPECT_THAT(out.failures[0].why, HasSubstr("--clip"));
  EXPECT_TRUE(std::isnan(out.phi[0]) && std::isnan(out.prediction[0]));
  EXPECT_EQ(out.phi[3], 0);
  NodeImportance nodes({plan.hierarchy, {"a"}}, 2);
  nodes.Append(out);
  EXPECT_THAT(nodes.MeanAbs(), Each(0.0));
}

TEST(NodeImportance, IsOfSumsOverRows) {
  Attributions out;
  out.Resize(2, 2, 3);
  out.phi = {1, -3, 5, 0, 1, 1, /* second row */ 4, 2, 2, 0, 0, -1};
  NodeImportance nodes({{{kAtTop, 0}, {0, 1, kAtTop}}, {"a", "b"}}, 2);
  nodes.Append(out);
  EXPECT_THAT(nodes.MeanAbs(), ::testing::ElementsAre(4, 2.5, 0.5, 0.5));
}

TEST(OwenPlan, SurvivesEncoding) {
  Random random(1, 11);
  Plan plan = OwenPlan(RandomHierarchy(6, 4, random), RandomValues(6, random), Method::kExact);
  EXPECT_EQ(Plan::Decode(plan.Encode()).hierarchy, plan.hierarchy);
  const Bytes with = plan.Encode();
  plan.hierarchy.homes[0] = 7;
  EXPECT_THROW(Plan::Decode(plan.Encode()), Error);
  plan.hierarchy = {};
  EXPECT_TRUE(Plan::Decode(plan.Encode()).hierarchy.empty());
  EXPECT_NE(plan.Encode().view(), with.view());
}

std::string ChoiceOf(const char* wanted, bool closed, const Plan& plan, std::int64_t allowed,
                     bool trees = false) {
  try {
    const auto [method, reason] = ChooseOwenMethod(wanted, closed, trees, plan, allowed);
    return std::string(MethodName(method)) + ": " + reason;
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(OwenChoice, TakesWhatAppliesAndSaysWhatDoes) {
  Plan plan;
  plan.hierarchy = Binary(8);
  const std::string count = "44 coalitions consistent with the hierarchy";
  ASSERT_EQ(ConsistentCoalitions(plan.hierarchy), 44);
  EXPECT_EQ(ChoiceOf("auto", false, plan, 44), "exact: exact Owen values: " + count);
  EXPECT_EQ(ChoiceOf("exact", false, plan, 44), "exact: asked for; exact Owen values: " + count);
  EXPECT_EQ(ChoiceOf("auto", false, plan, 43),
            "permutation: sampled Owen values: " + count + " are more than the 43 allowed");
  EXPECT_THAT(ChoiceOf("exact", false, plan, 43),
              HasSubstr("needs " + count + " a row, more than"));
  EXPECT_THAT(ChoiceOf("auto", true, plan, 43), HasSubstr("linear: exact, in closed form"));
  EXPECT_THAT(ChoiceOf("linear", true, plan, 43), HasSubstr("linear: asked for; exact"));
  EXPECT_THAT(ChoiceOf("linear", false, plan, 44), HasSubstr("use --method exact or permutation"));
  EXPECT_THAT(ChoiceOf("exact", true, plan, 44), HasSubstr("exact: asked for"));
  EXPECT_THAT(ChoiceOf("permutation", true, plan, 44), HasSubstr("permutation: asked for"));
  for (const char* method : {"kernel", "leverage", "msr"}) {
    EXPECT_THAT(ChoiceOf(method, true, plan, 44), HasSubstr("use --method exact (up to"));
  }
  EXPECT_THAT(ChoiceOf("tree", false, plan, 44), HasSubstr("use --method exact or permutation"));
  EXPECT_THAT(ChoiceOf("tree", false, plan, 1, true), HasSubstr("tree: asked for; exact Owen"));
  EXPECT_THAT(ChoiceOf("auto", false, plan, 1, true),
              HasSubstr("tree: exact Owen values, leaf by"));
  plan.tree_path = true;
  EXPECT_THAT(ChoiceOf("tree", false, plan, 1, true), HasSubstr("for trees, path dependent"));
  EXPECT_THAT(ChoiceOf("tree", false, plan, 1), HasSubstr("that shows its trees"));
  plan.l1_reg = L1Reg::kAic;
  EXPECT_THAT(ChoiceOf("auto", false, plan, 44), HasSubstr("--l1-reg"));
  plan.interactions = true;
  EXPECT_THAT(ChoiceOf("auto", false, plan, 44), HasSubstr("--interactions"));
  plan = {};
  plan.hierarchy = {{}, std::vector<std::int32_t>(300, kAtTop)};
  EXPECT_THAT(ChoiceOf("exact", false, plan, kUncountable), HasSubstr("needs 2^62 or more coalit"));
}

TEST(OwenSamples, AreAtMostTheConsistentCoalitions) {
  Plan plan;
  plan.method = Method::kPermutation;
  plan.hierarchy = Binary(8);
  plan.groups.resize(8);
  EXPECT_EQ(plan.nsamples = AutoSamples(plan), 42);
  CheckSamples(plan);
  plan.nsamples = 27;
  EXPECT_THROW(CheckSamples(plan), Error);
  plan.nsamples = 28;
  CheckSamples(plan);
  plan.method = Method::kMsr;
  EXPECT_THROW(CheckSamples(plan), Error);
  plan.method = Method::kExact;
  CheckSamples(plan);
  plan.groups.resize(40);
  plan.hierarchy = {{}, std::vector<std::int32_t>(40, kAtTop)};
  EXPECT_THROW(CheckSamples(plan), Error);
}

}  // namespace
}  // namespace windlass::explain
