#include "windlass/explain/tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <numeric>

#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/base/json.h"
#include "windlass/base/random.h"
#include "windlass/explain/exact.h"
#include "windlass/explain/owen.h"
#include "windlass/explain/sampled.h"
#include "windlass/explain/shapley.h"
#include "windlass/explain/tree_game.h"
#include "windlass/explain/tree_leaf_internal.h"
#include "windlass/model/trees.h"
#include "windlass/model/xgboost.h"

namespace windlass::explain {
namespace {

using model::TreeBuilder;
using model::TreeEnsemble;
using model::TreeNode;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Shape {
  std::int64_t columns = 6;
  int trees = 5;
  int depth = 4;
  int outputs = 1;
  double stop = 0.15;  // chance of a leaf above the greatest depth
};

// Random trees with every kind of split, on values that are multiples of 1/4 within (-2, 2).
TreeEnsemble RandomTrees(const Shape& shape, std::uint64_t seed) {
  Random random(seed, 1);
  TreeEnsemble ensemble;
  ensemble.columns = shape.columns;
  for (int k = 0; k < shape.outputs; ++k) ensemble.base.push_back(random.Uniform());
  TreeBuilder builder(ensemble);
  for (int t = 0; t < shape.trees; ++t) {
    struct Made {
      TreeNode node;
      std::int32_t left = -1, right = -1;
      double cover = 0;
    };
    std::vector<Made> nodes(1);
    std::vector<std::pair<std::int32_t, int>> open = {{0, 0}};
    nodes[0].cover = 1000;
    while (!open.empty()) {
      const auto [at, depth] = open.back();
      open.pop_back();
      if (depth == shape.depth || (depth > 0 && random.Uniform() < shape.stop)) {
        nodes[at].node.number = random.Uniform() * 2 - 1;
        continue;
      }
      TreeNode node;
      node.column = static_cast<std::int32_t>(random.Below(shape.columns));
      node.missing_left = random.Below(2) == 0;
      node.number = 0.25 * (static_cast<double>(random.Below(12)) - 6);
      const auto kind = random.Below(10);
      if (kind == 0) node.equal = true;
      if (kind == 1) node.zero_is_missing = true;
      if (kind == 2) {
        const std::int32_t categories[] = {0, 2};
        node.categories = builder.AddCategories(categories);
      }
      nodes[at].node = node;
      const double share = random.Below(8) == 0 ? 0.0 : random.Uniform();
      for (const double part : {share, 1 - share}) {
        (part == share && nodes[at].left < 0 ? nodes[at].left : nodes[at].right) =
            static_cast<std::int32_t>(nodes.size());
        open.emplace_back(static_cast<std::int32_t>(nodes.size()), depth + 1);
        const double cover = nodes[at].cover * part;
        nodes.emplace_back();
        nodes.back().cover = cover;
      }
    }
    builder.Begin(std::ssize(nodes));
    for (std::int32_t i = 0; i < std::ssize(nodes); ++i) {
      builder.SetCover(i, nodes[i].cover);
      if (nodes[i].node.leaf()) {
        builder.SetLeaf(i, nodes[i].node.number);
      } else {
        builder.SetSplit(i, nodes[i].node, nodes[i].left, nodes[i].right);
      }
    }
    builder.Finish(t % shape.outputs);
  }
  return ensemble;
}

std::vector<double> RandomRows(std::int64_t rows, std::int64_t columns, std::uint64_t seed) {
  Random random(seed, 2);
  std::vector<double> x(rows * columns);
  for (double& value : x) {
    value = random.Below(12) == 0 ? kNaN : 0.25 * (static_cast<double>(random.Below(15)) - 7);
  }
  return x;
}

Plan MakeTreePlan(const Shape& shape, std::uint64_t seed, std::int64_t background_rows) {
  Plan plan;
  plan.margin = true;
  plan.columns = shape.columns;
  for (int k = 0; k < shape.outputs; ++k) plan.outputs.push_back(k);
  plan.background = RandomRows(background_rows, shape.columns, seed + 100);
  Random random(seed, 3);
  double total = 0;
  for (std::int64_t b = 0; b < background_rows; ++b) {
    plan.weights.push_back(b == 1 ? 0.0 : random.Uniform());
    total += plan.weights.back();
  }
  for (double& weight : plan.weights) weight /= total;
  for (std::int32_t c = 0; c < shape.columns; ++c) plan.groups.push_back({c});
  plan.method = Method::kTree;
  return plan;
}

std::unique_ptr<model::Model> ModelOf(const TreeEnsemble& ensemble) {
  return model::MakeTreeModel(ensemble, model::Activation::kIdentity);
}

void ExpectSame(const Attributions& a, const Attributions& b, double tolerance) {
  ASSERT_EQ(a.phi.size(), b.phi.size());
  for (std::size_t i = 0; i < a.phi.size(); ++i) {
    ASSERT_NEAR(a.phi[i], b.phi[i], tolerance) << "number " << i;
  }
  for (std::size_t i = 0; i < a.prediction.size(); ++i) {
    ASSERT_NEAR(a.prediction[i], b.prediction[i], tolerance);
  }
}

Attributions Explained(const Explainer& explainer, std::span<const double> x, std::int64_t rows) {
  Attributions out;
  explainer.Explain(
      x, rows, [] {}, out);
  return out;
}

void ExpectExact(const Shape& shape, Plan plan, std::uint64_t seed) {
  const TreeEnsemble ensemble = RandomTrees(shape, seed);
  const std::int64_t rows = 37;
  const std::vector<double> x = RandomRows(rows, shape.columns, seed + 200);
  const auto tree = MakeTreeExplainer(plan, ModelOf(ensemble));
  plan.method = Method::kExact;
  const auto exact = plan.hierarchy.empty() ? MakeExactExplainer(plan, ModelOf(ensemble))
                                            : MakeSampledExplainer(plan, ModelOf(ensemble));
  ExpectSame(Explained(*tree, x, rows), Explained(*exact, x, rows), 1e-12);
  for (std::size_t k = 0; k < plan.outputs.size(); ++k) {
    EXPECT_NEAR(tree->base_value()[k], exact->base_value()[k], 1e-13);
  }
}

TEST(Tree, EqualsEnumerationOnRandomTrees) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    Shape shape;
    shape.depth = 1 + static_cast<int>(seed % 7);
    shape.columns = 2 + static_cast<std::int64_t>(seed % 6);
    shape.outputs = 1 + static_cast<int>(seed % 3);
    ExpectExact(shape, MakeTreePlan(shape, seed, 9), seed);
  }
}

TEST(Tree, EqualsEnumerationWithGroups) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    SCOPED_TRACE(seed);
    Shape shape;
    shape.depth = 6;
    shape.columns = 9;
    Plan plan = MakeTreePlan(shape, seed, 12);
    plan.groups = {{0, 4}, {1}, {2, 3, 8}, {5, 6}, {7}};
    ExpectExact(shape, plan, seed);
  }
}

Hierarchy RandomHierarchyOf(int players, std::uint64_t seed) {
  Random random(seed, 4);
  const auto any_before = [&](int n) { return static_cast<std::int32_t>(random.Below(n + 1)) - 1; };
  Hierarchy hierarchy;
  for (int n = 0; n < 5; ++n) hierarchy.parents.push_back(any_before(n));
  for (int p = 0; p < players; ++p) hierarchy.homes.push_back(any_before(5));
  return hierarchy;
}

// Of a game by its values on all coalitions.
std::vector<double> OwenValues(std::span<const double> v, const Hierarchy& hierarchy) {
  const auto estimator = MakeExactOwenEstimator(hierarchy);
  const CoalitionPairs pairs = estimator->coalitions();
  std::vector<double> inside, outside;
  for (std::int64_t i = 0; i < pairs.count; ++i) {
    inside.push_back(v[pairs.masks[i]] - v[0]);
    outside.push_back(v[v.size() - 1 - pairs.masks[i]] - v[0]);
  }
  Estimate estimate;
  estimator->Run(0, inside, outside, v.back() - v[0], estimate);
  return estimate.phi;
}

TEST(Tree, OwenValuesEqualEnumeration) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(seed);
    Shape shape;
    shape.depth = 1 + static_cast<int>(seed % 8);
    shape.columns = 2 + static_cast<std::int64_t>(seed % 9);
    shape.outputs = 1 + static_cast<int>(seed % 3);
    Plan plan = MakeTreePlan(shape, seed, 9);
    if (seed % 4 == 3 && shape.columns > 5) {
      for (; plan.groups.size() > 5; plan.groups.pop_back()) {
        plan.groups[seed % 3].push_back(plan.groups.back()[0]);
      }
    }
    plan.hierarchy = RandomHierarchyOf(plan.players(), seed);
    ExpectExact(shape, plan, seed);
  }
}

TEST(Tree, OwenValuesOfDeepLeaves) {
  Shape shape;
  shape.columns = 13;
  shape.depth = 14;
  shape.trees = 2;
  shape.stop = 0.35;
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    SCOPED_TRACE(seed);
    Plan plan = MakeTreePlan(shape, seed, 5);
    plan.hierarchy = RandomHierarchyOf(plan.players(), seed);
    ExpectExact(shape, plan, seed);
  }
}

// Leaves of few players as they would be with many, and as tables have them.
TEST(WideLeaf, OwenValuesEqualTheGames) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    Random random(seed, 5);
    const int players = 2 + static_cast<int>(random.Below(7));
    const std::size_t size = std::size_t{1} << players;
    const Hierarchy hierarchy = RandomHierarchyOf(players, seed);
    constexpr int kRows = 6;
    std::vector<double> ratio(players), weights(kRows, 1.0 / kRows), q(size, 0.0);
    std::vector<std::uint8_t> patterns(kRows * players), c(players);
    for (double& r : ratio) r = random.Uniform();
    for (auto& bit : patterns) bit = random.Below(3) > 0 ? 1 : 0;
    const bool path = seed % 2 == 0;
    for (std::size_t t = 0; t < size; ++t) {
      double product = 1;
      for (int j = 0; j < players; ++j) product *= t >> j & 1 ? ratio[j] : 1.0;
      if (path) q[t] = product;
      for (int b = 0; b < kRows && !path; ++b) {
        bool passed = true;
        for (int j = 0; j < players; ++j) passed &= (t >> j & 1) == 0 || patterns[b * players + j];
        q[t] += passed ? weights[b] : 0.0;
      }
    }
    WideLeaf leaf = path ? WideLeaf(0.5, ratio) : WideLeaf(0.5, players, patterns, weights);
    leaf.Use(hierarchy);
    std::vector<std::int32_t> to(players);
    std::iota(to.begin(), to.end(), 0);
    std::vector<double> table(size * players, 0.0), v(size), phi(players);
    TabulateOwenLeaf(hierarchy, 0.5, q, to, players, table);
    for (std::size_t pattern = 0; pattern < size; ++pattern) {
      for (int j = 0; j < players; ++j) c[j] = pattern >> j & 1;
      for (std::size_t t = 0; t < size; ++t) v[t] = (t & ~pattern) == 0 ? 0.5 * q[size - 1 - t] : 0;
      const std::vector<double> wanted = OwenValues(v, hierarchy);
      phi.assign(players, 0.0);
      leaf.Add(Order::kValues, c.data(), phi.data());
      for (int j = 0; j < players; ++j) {
        EXPECT_NEAR(phi[j], wanted[j], 1e-14) << seed;
        EXPECT_NEAR(table[pattern * players + j], wanted[j], 1e-14) << seed;
      }
    }
  }
}

// Without nodes that matter, the bytes are those of Shapley values.
TEST(Tree, OwenValuesWithoutNodesAreShapleys) {
  Shape shape;
  const TreeEnsemble ensemble = RandomTrees(shape, 1);
  Plan plan = MakeTreePlan(shape, 1, 9);
  const std::vector<double> x = RandomRows(20, shape.columns, 3);
  const auto shapley = Explained(*MakeTreeExplainer(plan, ModelOf(ensemble)), x, 20);
  plan.hierarchy = {{Hierarchy::kTop}, std::vector<std::int32_t>(6, 0)};
  EXPECT_EQ(Explained(*MakeTreeExplainer(plan, ModelOf(ensemble)), x, 20).phi, shapley.phi);
  plan.hierarchy.homes[2] = Hierarchy::kTop;
  EXPECT_NE(Explained(*MakeTreeExplainer(plan, ModelOf(ensemble)), x, 20).phi, shapley.phi);
}

TEST(Tree, DeepLeavesAreEvaluatedRowByRow) {
  Shape shape;
  shape.columns = 13;
  shape.depth = 14;
  shape.trees = 2;
  shape.stop = 0.35;
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    SCOPED_TRACE(seed);
    ExpectExact(shape, MakeTreePlan(shape, seed, 5), seed);
  }
}

TEST(Tree, ManyPlayers) {
  // More than a table's row holds; only some of them are asked about.
  Shape shape;
  shape.columns = 12;
  shape.depth = 5;
  const TreeEnsemble narrow = RandomTrees(shape, 5);
  TreeEnsemble wide = narrow;
  wide.columns = 40;
  for (TreeNode& node : wide.nodes) node.column *= node.leaf() ? 1 : 3;
  Plan plan = MakeTreePlan(shape, 5, 8);
  Plan wide_plan = plan;
  const std::int64_t rows = 20;
  const std::vector<double> x = RandomRows(rows, shape.columns, 6);
  const auto widened = [&](const std::vector<double>& from) {
    std::vector<double> to(from.size() / 12 * 40, 0.5);
    for (std::size_t i = 0; i < from.size(); ++i) to[i / 12 * 40 + i % 12 * 3] = from[i];
    return to;
  };
  wide_plan.columns = 40;
  wide_plan.background = widened(plan.background);
  wide_plan.groups.clear();
  for (std::int32_t c = 0; c < 40; ++c) wide_plan.groups.push_back({c});
  const auto a = Explained(*MakeTreeExplainer(plan, ModelOf(narrow)), x, rows);
  const auto b = Explained(*MakeTreeExplainer(wide_plan, ModelOf(wide)), widened(x), rows);
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t g = 0; g < 40; ++g) {
      const double wanted = g % 3 == 0 && g < 36 ? a.phi[r * 12 + g / 3] : 0.0;
      EXPECT_NEAR(b.phi[r * 40 + g], wanted, 1e-13) << r << " " << g;
    }
  }
}

// The path dependent game by its definition.
double PathGame(const TreeEnsemble& ensemble, std::int32_t at, const double* x,
                const std::vector<std::int32_t>& player, std::uint32_t known) {
  const TreeNode& node = ensemble.nodes[at];
  if (node.leaf()) return node.number;
  if (known >> player[node.column] & 1) {
    const bool left = ensemble.GoesLeft(node, x[node.column]);
    return PathGame(ensemble, node.left + (left ? 0 : 1), x, player, known);
  }
  double sum = 0;
  for (const std::int32_t child : {node.left, node.left + 1}) {
    const double share = ensemble.cover[at] > 0 ? ensemble.cover[child] / ensemble.cover[at] : 0.5;
    sum += share * PathGame(ensemble, child, x, player, known);
  }
  return sum;
}

TEST(Tree, PathDependentEqualsItsDefinition) {
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE(seed);
    Shape shape;
    shape.columns = seed < 9 ? 6 : 13;
    shape.depth = seed < 9 ? 1 + static_cast<int>(seed % 7) : 12;
    shape.trees = seed < 9 ? 4 : 1;
    shape.stop = seed < 9 ? 0.15 : 0.4;
    const TreeEnsemble ensemble = RandomTrees(shape, seed);
    Plan plan = MakeTreePlan(shape, seed, 1);
    plan.background.clear();
    plan.weights.clear();
    plan.tree_path = true;
    if (seed % 2 == 0 && seed < 9) plan.groups = {{0, 3}, {1}, {2, 5}, {4}};
    const int players = plan.players();
    std::vector<std::int32_t> player(shape.columns);
    for (int g = 0; g < players; ++g) {
      for (const std::int32_t c : plan.groups[g]) player[c] = g;
    }
    const std::int64_t rows = seed < 9 ? 20 : 3;
    const std::vector<double> x = RandomRows(rows, shape.columns, seed);
    const auto tree = MakeTreeExplainer(plan, ModelOf(ensemble));
    const Attributions got = Explained(*tree, x, rows);
    Plan with_hierarchy = plan;
    with_hierarchy.hierarchy = RandomHierarchyOf(players, seed);
    const Attributions got_owen =
        Explained(*MakeTreeExplainer(with_hierarchy, ModelOf(ensemble)), x, rows);
    std::vector<double> v(std::size_t{1} << players), phi(players);
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::size_t s = 0; s < v.size(); ++s) {
        v[s] = ensemble.base[0];
        for (const std::int32_t root : ensemble.roots) {
          v[s] += PathGame(ensemble, root, &x[r * shape.columns], player,
                           static_cast<std::uint32_t>(s));
        }
      }
      ShapleyValues(v, players, phi);
      EXPECT_NEAR(tree->base_value()[0], v[0], 1e-12);
      const std::vector<double> owen = OwenValues(v, with_hierarchy.hierarchy);
      for (int g = 0; g < players; ++g) {
        EXPECT_NEAR(got.phi[r * players + g], phi[g], 1e-12);
        EXPECT_NEAR(got_owen.phi[r * players + g], owen[g], 1e-12);
      }
    }
  }
}

TEST(Tree, RowsDoNotDependOnTheirCompany) {
  Shape shape;
  shape.depth = 7;
  shape.columns = 20;
  const auto tree = MakeTreeExplainer(MakeTreePlan(shape, 1, 10), ModelOf(RandomTrees(shape, 1)));
  const std::int64_t rows = 2100;  // more than are computed together
  const std::vector<double> x = RandomRows(rows, shape.columns, 9);
  const Attributions all = Explained(*tree, x, rows);
  for (const std::int64_t r : {0, 1, 17, 2047, 2048, 2099}) {
    const Attributions alone =
        Explained(*tree, std::span(x).subspan(r * shape.columns, shape.columns), 1);
    for (std::int64_t g = 0; g < shape.columns; ++g) {
      EXPECT_EQ(alone.phi[g], all.phi[r * shape.columns + g]);
    }
  }
}

TEST(Tree, LocalAccuracyAndDummies) {
  Shape shape;
  shape.columns = 8;
  Plan plan = MakeTreePlan(shape, 4, 10);
  for (std::int64_t b = 0; b < 10; ++b) plan.background[b * 8 + 3] = 0.5;
  const auto tree = MakeTreeExplainer(plan, ModelOf(RandomTrees(shape, 4)));
  std::vector<double> x = RandomRows(50, 8, 3);
  for (std::int64_t r = 0; r < 50; ++r) x[r * 8 + 3] = 0.5;
  const Attributions got = Explained(*tree, x, 50);
  for (std::int64_t r = 0; r < 50; ++r) {
    const auto phi = std::span(got.phi).subspan(r * 8, 8);
    EXPECT_EQ(phi[3], 0.0);
    EXPECT_NEAR(std::accumulate(phi.begin(), phi.end(), tree->base_value()[0]), got.prediction[r],
                1e-13);
  }
}

// --- functions of the sum ---

TEST(TreeGame, EqualsEnumeration) {
  for (std::uint64_t seed = 0; seed < 24; ++seed) {
    SCOPED_TRACE(seed);
    Shape shape;
    shape.columns = 1 + static_cast<std::int64_t>(seed % 8);
    shape.depth = 1 + static_cast<int>(seed % 6);
    const auto activation = std::array{model::Activation::kSigmoid, model::Activation::kSoftmax,
                                       model::Activation::kExp}[seed % 3];
    shape.outputs = activation == model::Activation::kSoftmax ? 3 : 1 + static_cast<int>(seed % 2);
    const TreeEnsemble ensemble = RandomTrees(shape, seed);
    Plan plan = MakeTreePlan(shape, seed, 7);
    plan.margin = false;
    plan.interactions = true;
    if (activation != model::Activation::kExp && seed % 2 == 0) plan.link = Link::kLogit;
    if (activation == model::Activation::kSoftmax && seed % 4 < 2) plan.outputs = {2};
    if (shape.columns == 7) plan.groups = {{0, 4}, {1}, {2, 3}, {5, 6}};
    const std::int64_t rows = 15;
    const std::vector<double> x = RandomRows(rows, shape.columns, seed);
    const auto model = [&] { return model::MakeTreeModel(ensemble, activation); };
    const auto game = MakeTreeGameExplainer(plan, model());
    const auto exact = MakeExactExplainer(plan, model());
    const Attributions got = Explained(*game, x, rows), wanted = Explained(*exact, x, rows);
    ExpectSame(got, wanted, 1e-12);
    for (std::size_t i = 0; i < got.interactions.size(); ++i) {
      ASSERT_NEAR(got.interactions[i], wanted.interactions[i], 1e-11);
    }
    for (std::size_t k = 0; k < plan.outputs.size(); ++k) {
      EXPECT_NEAR(game->base_value()[k], exact->base_value()[k], 1e-13);
    }
  }
}

// Margins of hundreds: 1 - p has no digits of its own in double precision, the log-odds do.
TEST(TreeGame, LogOddsOfSaturatedProbabilities) {
  Shape shape;
  shape.columns = 4;
  TreeEnsemble ensemble = RandomTrees(shape, 3);
  for (TreeNode& node : ensemble.nodes) {
    if (node.leaf()) node.number = 60 + node.number;
  }
  Plan plan = MakeTreePlan(shape, 3, 5);
  plan.margin = false;
  plan.link = Link::kLogit;
  const std::vector<double> x = RandomRows(10, 4, 3);
  const auto game =
      MakeTreeGameExplainer(plan, model::MakeTreeModel(ensemble, model::Activation::kSigmoid));
  const Attributions got = Explained(*game, x, 10);
  std::vector<double> margins(10);
  ModelOf(ensemble)->Predict(x, 10, margins);
  EXPECT_TRUE(got.failures.empty());
  for (int r = 0; r < 10; ++r) EXPECT_NEAR(got.prediction[r], margins[r], 1e-10);
}

// --- interactions ---

// By the definition, with weights s! (p - s - 2)! / (p - 1)! from factorials.
double Interaction(const std::vector<double>& v, int players, int i, int j) {
  double sum = 0;
  for (std::size_t s = 0; s < v.size(); ++s) {
    const std::size_t bi = std::size_t{1} << i, bj = std::size_t{1} << j;
    if ((s & bi) != 0 || (s & bj) != 0) continue;
    const int size = std::popcount(s);
    const double weight =
        std::tgamma(size + 1) * std::tgamma(players - size - 1) / std::tgamma(players);
    sum += weight * (v[s + bi + bj] - v[s + bi] - v[s + bj] + v[s]);
  }
  return sum;
}

TEST(Interactions, OfAGameEqualTheirDefinition) {
  Random random(3, 3);
  for (int players = 2; players <= 7; ++players) {
    std::vector<double> v(std::size_t{1} << players), pairs(Pairs(players)), phi(players);
    for (double& value : v) value = random.Uniform();
    ShapleyInteractions(v, players, pairs);
    ShapleyValues(v, players, phi);
    double total = 0;
    for (int i = 0; i < players; ++i) {
      total += phi[i];
      for (int j = i + 1; j < players; ++j) {
        EXPECT_NEAR(pairs[PairIndex(i, j, players)], Interaction(v, players, i, j), 1e-13);
      }
    }
    EXPECT_NEAR(total, v.back() - v.front(), 1e-13);
  }
}

TEST(Interactions, OfTreesEqualEnumeration) {
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE(seed);
    Shape shape;
    shape.columns = seed < 10 ? 7 : 13;
    shape.depth = seed < 10 ? 1 + static_cast<int>(seed % 7) : 14;
    shape.stop = seed < 10 ? 0.15 : 0.35;
    shape.trees = seed < 10 ? 4 : 2;
    shape.outputs = 1 + static_cast<int>(seed % 2);
    const TreeEnsemble ensemble = RandomTrees(shape, seed);
    Plan plan = MakeTreePlan(shape, seed, 6);
    plan.interactions = true;
    if (seed % 3 == 1 && seed < 10) plan.groups = {{0, 4}, {1}, {2, 3}, {5, 6}};
    const std::int64_t rows = 18;
    const std::vector<double> x = RandomRows(rows, shape.columns, seed);
    const Attributions tree = Explained(*MakeTreeExplainer(plan, ModelOf(ensemble)), x, rows);
    const Attributions exact = Explained(*MakeExactExplainer(plan, ModelOf(ensemble)), x, rows);
    ASSERT_EQ(std::ssize(tree.interactions), rows * shape.outputs * Pairs(plan.players()));
    ASSERT_EQ(tree.interactions.size(), exact.interactions.size());
    for (std::size_t i = 0; i < tree.interactions.size(); ++i) {
      ASSERT_NEAR(tree.interactions[i], exact.interactions[i], 1e-12) << i;
    }
  }
}

TEST(Interactions, PathDependentEqualTheirDefinition) {
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    SCOPED_TRACE(seed);
    Shape shape;
    shape.columns = seed < 6 ? 6 : 12;
    shape.depth = seed < 6 ? 5 : 13;
    shape.trees = seed < 6 ? 3 : 1;
    shape.stop = seed < 6 ? 0.15 : 0.35;
    const TreeEnsemble ensemble = RandomTrees(shape, seed);
    Plan plan = MakeTreePlan(shape, seed, 1);
    plan.background.clear();
    plan.weights.clear();
    plan.tree_path = plan.interactions = true;
    const int players = plan.players();
    std::vector<std::int32_t> player(players);
    std::iota(player.begin(), player.end(), 0);
    const std::vector<double> x = RandomRows(2, shape.columns, seed);
    const Attributions got = Explained(*MakeTreeExplainer(plan, ModelOf(ensemble)), x, 2);
    std::vector<double> v(std::size_t{1} << players), pairs(Pairs(players));
    for (std::int64_t r = 0; r < 2; ++r) {
      for (std::size_t s = 0; s < v.size(); ++s) {
        v[s] = 0;
        for (const std::int32_t root : ensemble.roots) {
          v[s] += PathGame(ensemble, root, &x[r * shape.columns], player,
                           static_cast<std::uint32_t>(s));
        }
      }
      ShapleyInteractions(v, players, pairs);
      for (std::int64_t i = 0; i < Pairs(players); ++i) {
        EXPECT_NEAR(got.interactions[r * Pairs(players) + i], pairs[i], 1e-12) << i;
      }
    }
  }
}

// --- XGBoost's own pred_contribs (path dependent) ---

TEST(Tree, PathDependentEqualsPredContribs) {
  const char* source = std::getenv("WINDLASS_SOURCE");
  const auto folder = std::filesystem::path(source == nullptr ? "." : source) /
                      "src/windlass/model/testdata/xgboost";
  const Json expected = ParseJson(ReadFile(folder / "expected.json"), "expected.json");
  for (const auto& [name, one] : expected.items()) {
    if (!one.contains("contributions")) continue;  // XGBoost has none of leaves of several numbers
    SCOPED_TRACE(name);
    auto model = model::ReadXGBoostModel(ReadFile(folder / (name + ".ubj")), 0);
    Plan plan;
    plan.margin = true;
    plan.tree_path = true;
    plan.method = Method::kTree;
    plan.columns = model->columns();
    for (std::int32_t k = 0; k < model->outputs(); ++k) plan.outputs.push_back(k);
    for (std::int32_t c = 0; c < plan.columns; ++c) plan.groups.push_back({c});
    std::vector<double> x;
    for (const auto& row : one.at("x")) {
      for (const auto& value : row) x.push_back(value.is_null() ? kNaN : value.get<double>());
    }
    const auto outputs = std::ssize(plan.outputs);
    const auto tree = MakeTreeExplainer(plan, std::move(model));
    const auto rows = std::ssize(one.at("x"));
    const Attributions got = Explained(*tree, x, rows);
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t k = 0; k < outputs; ++k) {
        const Json& wanted = one.at("contributions")[r][k];
        for (std::int64_t c = 0; c < plan.columns; ++c) {
          const double value = wanted[c];
          EXPECT_NEAR(got.phi[(r * outputs + k) * plan.columns + c], value,
                      1e-5 * std::max(1.0, std::abs(value)));
        }
        const double base = wanted[plan.columns];
        EXPECT_NEAR(tree->base_value()[k], base, 1e-5 * std::max(1.0, std::abs(base)));
      }
    }
  }
}

}  // namespace
}  // namespace windlass::explain
