#include "windlass/explain/linear.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "windlass/base/random.h"
#include "windlass/explain/shapley.h"
#include "windlass/explain/sigmoid_game.h"

namespace windlass::explain {
namespace {

using model::Activation;
using model::LinearStructure;

struct Case {
  Plan plan;
  LinearStructure structure;
  std::vector<double> x;  // [rows, columns]
  std::int64_t rows = 0;
};

double Normal(Random& random) {  // near enough for tests: a sum of uniforms
  double sum = -6;
  for (int i = 0; i < 12; ++i) sum += random.Uniform();
  return sum;
}

// `players` groups of one or two columns each, random everything.
Case RandomCase(std::uint64_t seed, int players, int outputs, Activation activation, Link link,
                double scale, std::int64_t rows) {
  Random random(seed, 0);
  Case c;
  std::int32_t column = 0;
  for (int g = 0; g < players; ++g) {
    std::vector<std::int32_t> group = {column++};
    if (random.Below(2) == 1) group.push_back(column++);
    c.plan.groups.push_back(group);
  }
  const int background = 3 + static_cast<int>(random.Below(20));
  c.plan.columns = column;
  c.plan.link = link;
  double total = 0;
  for (int b = 0; b < background; ++b) {
    c.plan.weights.push_back(0.1 + random.Uniform());
    total += c.plan.weights.back();
    for (int k = 0; k < column; ++k) c.plan.background.push_back(Normal(random));
  }
  for (double& w : c.plan.weights) w /= total;
  c.structure.activation = activation;
  for (int j = 0; j < outputs; ++j) {
    c.plan.outputs.push_back(j);
    c.structure.intercept.push_back(Normal(random));
    for (int k = 0; k < column; ++k) c.structure.coef.push_back(scale * Normal(random));
  }
  c.rows = rows;
  for (std::int64_t i = 0; i < rows * column; ++i) c.x.push_back(Normal(random));
  return c;
}

// v(S) straight from the definition, in long double.
long double BruteValue(const Case& c, const double* row, std::uint32_t coalition, int output) {
  const auto columns = c.plan.columns;
  long double p = 0, q = 0;
  for (std::int64_t b = 0; b < c.plan.background_rows(); ++b) {
    std::vector<long double> x(columns);
    for (int g = 0; g < c.plan.players(); ++g) {
      for (const auto k : c.plan.groups[g]) {
        x[k] = coalition >> g & 1 ? row[k] : c.plan.background[b * columns + k];
      }
    }
    std::vector<long double> z(c.structure.outputs());
    for (std::int64_t j = 0; j < c.structure.outputs(); ++j) {
      z[j] = c.structure.intercept[j];
      for (std::int64_t k = 0; k < columns; ++k) z[j] += c.structure.coef[j * columns + k] * x[k];
    }
    const long double w = c.plan.weights[b];
    switch (c.plan.margin ? Activation::kIdentity : c.structure.activation) {
      case Activation::kExp: ADD_FAILURE() << "no linear model has it"; break;
      case Activation::kIdentity: p += w * z[output]; break;
      case Activation::kSigmoid:
        p += w / (1 + std::exp(-z[output]));
        q += w / (1 + std::exp(z[output]));
        break;
      case Activation::kSoftmax: {
        long double sum = 0, others = 0;
        for (std::size_t j = 0; j < z.size(); ++j) {
          sum += std::exp(z[j] - z[output]);
          if (static_cast<int>(j) != output) others += std::exp(z[j] - z[output]);
        }
        p += w / sum;
        q += w * others / sum;
      }
    }
  }
  return c.plan.link == Link::kLogit ? std::log(p) - std::log(q) : p;
}

void ExpectEqualsBruteForce(const Case& c, double tolerance) {
  const auto explainer = MakeLinearExplainer(c.plan, c.structure);
  Attributions got;
  explainer->Explain(
      c.x, c.rows, [] {}, got);
  const int players = c.plan.players();
  const auto outputs = static_cast<std::int64_t>(c.plan.outputs.size());
  ASSERT_TRUE(got.failures.empty());
  for (std::int64_t r = 0; r < c.rows; ++r) {
    for (std::int64_t k = 0; k < outputs; ++k) {
      std::vector<double> v(std::size_t{1} << players), phi(players);
      for (std::uint32_t s = 0; s < v.size(); ++s) {
        v[s] = static_cast<double>(BruteValue(c, &c.x[r * c.plan.columns], s, static_cast<int>(k)));
      }
      ShapleyValues(v, players, phi);
      double sum = explainer->base_value()[k];
      for (int g = 0; g < players; ++g) {
        const double mine = got.phi[(r * outputs + k) * players + g];
        EXPECT_NEAR(mine, phi[g], tolerance) << "row " << r << " output " << k << " player " << g;
        sum += mine;
      }
      EXPECT_NEAR(explainer->base_value()[k], v[0], 1e-12);
      EXPECT_NEAR(got.prediction[r * outputs + k], v.back(), 1e-11);
      EXPECT_NEAR(sum, got.prediction[r * outputs + k], 1e-12 * (1 + std::abs(sum)));
    }
  }
}

TEST(Linear, EqualsBruteForceForEveryActivationAndLink) {
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    const int players = 1 + static_cast<int>(seed);
    for (const Link link : {Link::kIdentity, Link::kLogit}) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << " link " << LinkName(link));
      ExpectEqualsBruteForce(RandomCase(seed, players, 1, Activation::kSigmoid, link, 1, 5), 1e-10);
      ExpectEqualsBruteForce(RandomCase(seed, players, 2, Activation::kSigmoid, link, 1, 3), 1e-10);
      ExpectEqualsBruteForce(RandomCase(seed, players, 2, Activation::kSoftmax, link, 1, 3), 1e-10);
      ExpectEqualsBruteForce(RandomCase(seed, players, 4, Activation::kSoftmax, link, 1, 3), 1e-10);
    }
    ExpectEqualsBruteForce(
        RandomCase(seed, players, 3, Activation::kIdentity, Link::kIdentity, 1, 5), 1e-12);
  }
}

// Margins of a hundred: most rows lie off the grid, and probabilities are 0 and 1 to rounding.
TEST(Linear, IsStableWhereMarginsAreLarge) {
  for (std::uint64_t seed = 20; seed < 24; ++seed) {
    ExpectEqualsBruteForce(RandomCase(seed, 6, 1, Activation::kSigmoid, Link::kLogit, 15, 5), 1e-9);
    ExpectEqualsBruteForce(RandomCase(seed, 5, 1, Activation::kSigmoid, Link::kLogit, 200, 3),
                           1e-7);
  }
}

TEST(Linear, ARowsResultDoesNotDependOnItsCompany) {
  const Case c = RandomCase(7, 9, 1, Activation::kSigmoid, Link::kLogit, 2, 300);
  const auto together = MakeLinearExplainer(c.plan, c.structure);
  Attributions all;
  together->Explain(
      c.x, c.rows, [] {}, all);
  const auto alone = MakeLinearExplainer(c.plan, c.structure);  // another order of filling cells
  for (std::int64_t r = c.rows - 1; r >= 0; r -= 7) {
    Attributions one;
    alone->Explain(
        std::span(c.x).subspan(r * c.plan.columns, c.plan.columns), 1, [] {}, one);
    for (int g = 0; g < 9; ++g) ASSERT_EQ(one.phi[g], all.phi[r * 9 + g]);
    ASSERT_EQ(one.prediction[0], all.prediction[r]);
  }
}

TEST(Linear, AGroupThatDoesNotVaryGetsExactlyZero) {
  Case c = RandomCase(3, 6, 1, Activation::kSigmoid, Link::kLogit, 1, 4);
  for (const auto k : c.plan.groups[2]) {
    for (std::int64_t b = 0; b < c.plan.background_rows(); ++b) {
      c.plan.background[b * c.plan.columns + k] = 0.5;
    }
    for (std::int64_t r = 0; r < 2; ++r) c.x[r * c.plan.columns + k] = 0.5;
  }
  const auto explainer = MakeLinearExplainer(c.plan, c.structure);
  Attributions got;
  explainer->Explain(
      c.x, c.rows, [] {}, got);
  for (int r = 0; r < 2; ++r) {
    EXPECT_EQ(got.phi[r * 6 + 2], 0.0);
    double sum = explainer->base_value()[0];
    for (int g = 0; g < 6; ++g) sum += got.phi[r * 6 + g];
    EXPECT_NEAR(sum, got.prediction[r], 1e-13 * (1 + std::abs(sum)));
  }
  EXPECT_NE(got.phi[2 * 6 + 2], 0.0);
}

// [sigmoid(-z), sigmoid(z)], as a binary classifier's two outputs are read.
TEST(Linear, MirroredOutputsShareAGame) {
  Case c = RandomCase(13, 6, 1, Activation::kSigmoid, Link::kLogit, 1, 4);
  const std::vector<double> coef = c.structure.coef;
  c.structure.coef.clear();
  for (const double x : coef) c.structure.coef.push_back(-x);
  c.structure.coef.insert(c.structure.coef.end(), coef.begin(), coef.end());
  c.structure.intercept = {-c.structure.intercept[0], c.structure.intercept[0]};
  c.plan.outputs = {0, 1};
  const auto explainer = MakeLinearExplainer(c.plan, c.structure);
  Attributions got;
  explainer->Explain(
      c.x, c.rows, [] {}, got);
  EXPECT_EQ(got.model_evaluations, c.rows);
  for (int g = 0; g < 6; ++g) EXPECT_EQ(got.phi[g], -got.phi[6 + g]);
  for (const Link link : {Link::kIdentity, Link::kLogit}) {
    c.plan.link = link;
    ExpectEqualsBruteForce(c, 1e-10);
  }
}

TEST(Linear, TheInterpolationKeepsToTheDirectValues) {
  const Case c = RandomCase(11, 8, 1, Activation::kSigmoid, Link::kLogit, 2, 64);
  const auto explainer = MakeLinearExplainer(c.plan, c.structure);
  Attributions got;
  explainer->Explain(
      c.x, c.rows, [] {}, got);
  ExpectEqualsBruteForce(c, 1e-10);
}

// Most of the background, and half of the rows, have the common value of some groups; `far` of the
// rows lie off the middle piece, or off all of them.
Case CommonCase(std::uint64_t seed, int players, int common, Link link, std::int64_t rows) {
  Case c = RandomCase(seed, players, 1, Activation::kSigmoid, link, 1, rows);
  Random random(seed, 1);
  const std::int64_t columns = c.plan.columns;
  for (int g = 0; g < common; ++g) {
    for (const auto k : c.plan.groups[g]) {
      const double value = Normal(random);
      for (std::int64_t b = 0; b < c.plan.background_rows(); ++b) {
        if (b % 5 != g % 5) c.plan.background[b * columns + k] = value;
      }
      for (std::int64_t r = 0; r < rows; ++r) {
        if ((r >> g & 1) == 0) c.x[r * columns + k] = value;
        if (r % 8 == 7 && g == 0) c.x[r * columns + k] *= r % 16 == 7 ? 12 : -60;
      }
    }
  }
  return c;
}

TEST(Linear, CommonValuesAreFoldedRightly) {
  for (const Link link : {Link::kIdentity, Link::kLogit}) {
    for (int common = 1; common <= 7; ++common) {
      SCOPED_TRACE(testing::Message() << common << " common, link " << LinkName(link));
      ExpectEqualsBruteForce(CommonCase(30 + common, 7, common, link, 40), 1e-10);
    }
    ExpectEqualsBruteForce(CommonCase(40, 9, 6, link, 64), 1e-10);
  }
}

TEST(Linear, ARowAloneHasTheBytesOfItsCommonValues) {
  const Case c = CommonCase(41, 8, 5, Link::kLogit, 300);
  const auto together = MakeLinearExplainer(c.plan, c.structure);
  Attributions all;
  together->Explain(
      c.x, c.rows, [] {}, all);
  const auto alone = MakeLinearExplainer(c.plan, c.structure);
  for (std::int64_t r = c.rows - 1; r >= 0; r -= 3) {
    Attributions one;
    alone->Explain(
        std::span(c.x).subspan(r * c.plan.columns, c.plan.columns), 1, [] {}, one);
    for (int g = 0; g < 8; ++g) ASSERT_EQ(one.phi[g], all.phi[r * 8 + g]);
  }
}

TEST(Linear, ThreadsShareTables) {
  const Case c = CommonCase(43, 10, 4, Link::kLogit, 64);
  Attributions alone;
  MakeLinearExplainer(c.plan, c.structure)
      ->Explain(
          c.x, c.rows, [] {}, alone);
  const auto explainer = MakeLinearExplainer(c.plan, c.structure);
  std::vector<Attributions> got(4);
  {
    std::vector<std::jthread> threads;
    for (Attributions& own : got) {
      threads.emplace_back([&] {
        explainer->Explain(
            c.x, c.rows, [] {}, own);
      });
    }
  }
  for (const Attributions& own : got) EXPECT_EQ(own.phi, alone.phi);
}

// What was begun when `check` threw is finished by the next call.
TEST(Linear, StopsWhereItIsAskedTo) {
  const Case c = CommonCase(42, 10, 3, Link::kLogit, 5);
  const auto explainer = MakeLinearExplainer(c.plan, c.structure);
  Attributions got, again;
  for (int left = 0; left < 4; ++left) {
    int calls = left;
    EXPECT_THROW(explainer->Explain(
                     c.x, c.rows,
                     [&] {
                       if (calls-- == 0) throw 1;
                     },
                     got),
                 int);
  }
  explainer->Explain(
      c.x, c.rows, [] {}, got);
  MakeLinearExplainer(c.plan, c.structure)
      ->Explain(
          c.x, c.rows, [] {}, again);
  EXPECT_EQ(got.phi, again.phi);
}

TEST(Linear, ARowWhoseMarginOverflowsFails) {
  Case c = RandomCase(5, 4, 1, Activation::kSigmoid, Link::kLogit, 1, 3);
  c.x[c.plan.columns] = 1e308;
  c.structure.coef[0] = 1e10;
  const auto explainer = MakeLinearExplainer(c.plan, c.structure);
  Attributions got;
  explainer->Explain(
      c.x, c.rows, [] {}, got);
  ASSERT_EQ(got.failures.size(), 1u);
  EXPECT_EQ(got.failures[0].row, 1);
  EXPECT_TRUE(std::isnan(got.phi[4]));
  EXPECT_FALSE(std::isnan(got.phi[0]));
}

TEST(Shapley, WeightsSumToOneOverAllOrders) {
  for (int players = 1; players <= 24; ++players) {
    const auto weights = ShapleyWeights(players);
    double sum = 0, binomial = 1;
    for (int s = 0; s < players; ++s) {
      sum += weights[s] * binomial;
      binomial = binomial * (players - 1 - s) / (s + 1);
    }
    EXPECT_NEAR(sum, 1, 1e-13);
  }
}

// Efficiency, symmetry, dummy, linearity on random games.
TEST(Shapley, Axioms) {
  Random random(9, 0);
  for (int trial = 0; trial < 20; ++trial) {
    const int players = 2 + static_cast<int>(random.Below(7));
    const std::size_t size = std::size_t{1} << players;
    std::vector<double> v(size), w(size), sum(size), phi_v(players), phi_w(players), phi(players);
    for (std::size_t s = 0; s < size; ++s) {
      // players 0 and 1 are interchangeable in v; the last player adds nothing in w
      const std::size_t swapped = (s & ~std::size_t{3}) | (s & 1) << 1 | (s >> 1 & 1);
      v[s] = swapped < s ? v[swapped] : Normal(random);
      const std::size_t without = s & ~(size >> 1);
      w[s] = without < s ? w[without] : Normal(random);
      sum[s] = 2 * v[s] - 3 * w[s];
    }
    ShapleyValues(v, players, phi_v);
    ShapleyValues(w, players, phi_w);
    ShapleyValues(sum, players, phi);
    EXPECT_NEAR(phi_v[0], phi_v[1], 1e-12);
    EXPECT_NEAR(phi_w[players - 1], 0.0, 1e-14);
    double total = 0;
    for (int g = 0; g < players; ++g) {
      total += phi_v[g];
      EXPECT_NEAR(phi[g], 2 * phi_v[g] - 3 * phi_w[g], 1e-12);
    }
    EXPECT_NEAR(total, v.back() - v.front(), 1e-12);
  }
}

}  // namespace
}  // namespace windlass::explain
