// Games of many players whose Shapley values are known, for tests and benchmarks of estimators.
#pragma once

#include <bit>
#include <cmath>
#include <complex>
#include <cstdint>
#include <memory>
#include <numbers>
#include <span>
#include <vector>

#include "windlass/base/random.h"
#include "windlass/explain/shapley.h"

namespace windlass::explain {

// Up to 64 players; coalitions are bits.
class RandomGame {
 public:
  virtual ~RandomGame() = default;
  virtual double Value(std::uint64_t coalition) const = 0;
  virtual std::vector<double> ShapleyValues() const = 0;
  virtual std::vector<double> Interactions() const = 0;  // as ShapleyInteractions has them
};

inline double Normal(Random& random) {
  double sum = -6;
  for (int i = 0; i < 12; ++i) sum += random.Uniform();
  return sum;
}

// An ensemble of regression trees that explains one row against some background rows: the mean over
// trees and background rows of the leaf that a mixed row reaches. Which player a node asks falls
// off as 1 / rank, as importances of real data do.
class TreeGame final : public RandomGame {
 public:
  TreeGame(int players, int trees, int depth, int background, std::uint64_t seed)
      : players_(players) {
    Random random(seed, 0x74726565);
    std::vector<double> cumulated(players);
    double sum = 0;
    for (int i = 0; i < players; ++i) cumulated[i] = sum += 1.0 / (i + 1);
    std::vector<double> x(players);
    for (double& value : x) value = random.Uniform();
    std::vector<std::vector<double>> rows(background, std::vector<double>(players));
    for (auto& row : rows) {
      for (double& value : row) value = random.Uniform();
    }
    const std::size_t nodes = (std::size_t{1} << depth) - 1;
    for (int tree = 0; tree < trees; ++tree) {
      std::vector<int> player(nodes);
      std::vector<double> threshold(nodes);
      for (std::size_t n = 0; n < nodes; ++n) {
        const double at = random.Uniform() * sum;
        player[n] = 0;
        while (player[n] + 1 < players && cumulated[player[n]] < at) ++player[n];
        threshold[n] = 0.2 + 0.6 * random.Uniform();
      }
      // Splits near the root matter more: a leaf is a sum of steps on its way.
      std::vector<double> value(2 * nodes + 1, 0.0);
      for (std::size_t n = 1; n < value.size(); ++n) {
        const int level = static_cast<int>(std::log2(static_cast<double>(n + 1)));
        value[n] = value[(n - 1) / 2] + Normal(random) / std::sqrt(1.0 + level);
      }
      for (const auto& row : rows) {
        AddLeaves(player, threshold, value, x, row, 0, 0, 0, 1.0 / (trees * background));
      }
    }
  }

  // The game is a sum of values that coalitions get which have all of `in` and none of `out`.
  struct Leaf {
    std::uint64_t in, out;
    double value;
  };
  const std::vector<Leaf>& leaves() const { return leaves_; }

  double Value(std::uint64_t coalition) const override {
    double sum = 0;
    for (const Leaf& leaf : leaves_) {
      if ((coalition & leaf.in) == leaf.in && (coalition & leaf.out) == 0) sum += leaf.value;
    }
    return sum;
  }

  // A leaf that needs a players in and b out is a game with (a - 1)! b! / (a + b)! for each of the
  // former and -a! (b - 1)! / (a + b)! for each of the latter.
  std::vector<double> ShapleyValues() const override {
    std::vector<double> phi(players_, 0.0);
    for (const Leaf& leaf : leaves_) {
      const int a = std::popcount(leaf.in);
      const int b = std::popcount(leaf.out);
      double binomial = 1;  // (a + b)! / (a! b!)
      for (int i = 1; i <= b; ++i) binomial = binomial * (a + i) / i;
      for (int p = 0; p < players_; ++p) {
        if (leaf.in >> p & 1) phi[p] += leaf.value / (a * binomial);
        if (leaf.out >> p & 1) phi[p] -= leaf.value / (b * binomial);
      }
    }
    return phi;
  }

  // The mean of a leaf over coalitions of the others, drawn with probability t for all t alike, is
  // the integral of t^a (1 - t)^b = a! b! / (a + b + 1)!, a and b counted without the pair.
  std::vector<double> Interactions() const override {
    const auto integral = [](int a, int b) {
      return std::exp(std::lgamma(a + 1) + std::lgamma(b + 1) - std::lgamma(a + b + 2));
    };
    std::vector<double> pairs(Pairs(players_), 0.0);
    for (const Leaf& leaf : leaves_) {
      const int a = std::popcount(leaf.in);
      const int b = std::popcount(leaf.out);
      const double both_in = a >= 2 ? leaf.value * integral(a - 2, b) : 0;
      const double both_out = b >= 2 ? leaf.value * integral(a, b - 2) : 0;
      const double mixed = a >= 1 && b >= 1 ? -leaf.value * integral(a - 1, b - 1) : 0;
      for (std::uint64_t left = leaf.in | leaf.out; left != 0; left &= left - 1) {
        const int i = std::countr_zero(left);
        for (std::uint64_t more = left & (left - 1); more != 0; more &= more - 1) {
          const int j = std::countr_zero(more);
          const bool in_i = leaf.in >> i & 1, in_j = leaf.in >> j & 1;
          pairs[PairIndex(i, j, players_)] += in_i != in_j ? mixed : in_i ? both_in : both_out;
        }
      }
    }
    return pairs;
  }

 private:
  void AddLeaves(const std::vector<int>& player, const std::vector<double>& threshold,
                 const std::vector<double>& value, const std::vector<double>& x,
                 const std::vector<double>& row, std::size_t node, std::uint64_t in,
                 std::uint64_t out, double weight) {
    if (node >= player.size()) {
      leaves_.push_back({in, out, weight * value[node]});
      return;
    }
    const int p = player[node];
    const std::uint64_t bit = std::uint64_t{1} << p;
    const std::size_t of_x = 2 * node + (x[p] < threshold[node] ? 1 : 2);
    const std::size_t of_row = 2 * node + (row[p] < threshold[node] ? 1 : 2);
    const auto go = [&](std::size_t to, std::uint64_t more_in, std::uint64_t more_out) {
      AddLeaves(player, threshold, value, x, row, to, in | more_in, out | more_out, weight);
    };
    if (of_x == of_row || (in & bit)) return go(of_x, 0, 0);
    if (out & bit) return go(of_row, 0, 0);
    go(of_x, bit, 0);
    go(of_row, 0, bit);
  }

  int players_;
  std::vector<Leaf> leaves_;
};

// A network of one hidden layer of error functions, every unit connected to every player, averaged
// over background rows.
class NetworkGame final : public RandomGame {
 public:
  NetworkGame(int players, int hidden, int background, std::uint64_t seed) : players_(players) {
    Random random(seed, 0x6e6574);
    std::vector<double> scale(players);
    double squares = 0;
    for (int i = 0; i < players; ++i) {
      scale[i] = 1.0 / std::sqrt(i + 1.0);
      squares += scale[i] * scale[i];
    }
    std::vector<double> x(players);
    for (double& value : x) value = Normal(random);
    std::vector<std::vector<double>> rows(background, std::vector<double>(players));
    for (auto& row : rows) {
      for (double& value : row) value = Normal(random);
    }
    for (int u = 0; u < hidden; ++u) {
      std::vector<double> weight(players);
      for (int i = 0; i < players; ++i) {
        weight[i] = 1.5 * Normal(random) * scale[i] / std::sqrt(squares);
      }
      const double bias = Normal(random);
      const double out = Normal(random) / std::sqrt(hidden) / background;
      for (const auto& row : rows) {
        Unit unit{out, bias, std::vector<double>(players)};
        for (int i = 0; i < players; ++i) {
          unit.at_nobody += weight[i] * row[i];
          unit.step[i] = weight[i] * (x[i] - row[i]);
        }
        units_.push_back(unit);
      }
    }
  }

  double Value(std::uint64_t coalition) const override {
    double sum = 0;
    for (const Unit& unit : units_) {
      double u = unit.at_nobody;
      for (std::uint64_t left = coalition; left != 0; left &= left - 1) {
        u += unit.step[std::countr_zero(left)];
      }
      sum += unit.weight * std::erf(u);
    }
    return sum;
  }

  // phi_i is the integral over t in [0, 1] of the mean of v(S + i) - v(S) when everyone else is in
  // S with probability t (Owen 1972), a polynomial in t of degree players - 1 that Gauss's rule
  // integrates exactly. erf(u) is a sum of sines, (2 / pi) sum_k sin(w_k u) exp(-w_k^2 / 4) / w_k
  // dw at odd multiples of dw / 2 (right to rounding for |u| < pi / dw - 6), and the mean of exp(i
  // w u) over S is a product over players.
  std::vector<double> ShapleyValues() const override {
    std::vector<double> phi(players_, 0.0);
    Integrate([&](double amplitude, Complex all, std::span<const Complex> step) {
      for (int i = 0; i < players_; ++i) phi[i] += amplitude * (all * step[i]).imag();
    });
    return phi;
  }

  // The same of v(S + i + j) - v(S + i) - v(S + j) + v(S).
  std::vector<double> Interactions() const override {
    std::vector<double> pairs(Pairs(players_), 0.0);
    Integrate([&](double amplitude, Complex all, std::span<const Complex> step) {
      for (int i = 0, pair = 0; i < players_; ++i) {
        const Complex with_i = amplitude * all * step[i];
        for (int j = i + 1; j < players_; ++j, ++pair) pairs[pair] += (with_i * step[j]).imag();
      }
    });
    return pairs;
  }

 private:
  using Complex = std::complex<double>;

  // Calls visit(amplitude, product of all players' factors, [players] (turn - 1) / factor) for all
  // terms of the integral: a factor is 1 - t + t turn, and is not near zero as long as steps are
  // small beside a half turn at the frequencies that count.
  template <typename Visit>
  void Integrate(Visit visit) const {
    constexpr double kStep = 0.16;
    constexpr int kTerms = 76;
    const auto [nodes, weights] = Gauss(players_ / 2 + 1);
    for (const Unit& unit : units_) {
      for (int k = 0; k < kTerms; ++k) {
        const double w = (k + 0.5) * kStep;
        const double amplitude =
            unit.weight * 2 / std::numbers::pi * std::exp(-w * w / 4) / w * kStep;
        if (std::abs(amplitude) < 1e-14) break;
        std::vector<Complex> turn(players_), step(players_);
        for (int i = 0; i < players_; ++i) turn[i] = std::polar(1.0, w * unit.step[i]);
        for (std::size_t q = 0; q < nodes.size(); ++q) {
          Complex all = std::polar(1.0, w * unit.at_nobody);
          for (int i = 0; i < players_; ++i) {
            const Complex factor = 1 - nodes[q] + nodes[q] * turn[i];
            all *= factor;
            step[i] = (turn[i] - 1.0) / factor;
          }
          visit(amplitude * weights[q], all, step);
        }
      }
    }
  }

  struct Unit {
    double weight;
    double at_nobody;
    std::vector<double> step;
  };

  // Gauss-Legendre nodes and weights on [0, 1].
  static std::pair<std::vector<double>, std::vector<double>> Gauss(int count) {
    std::vector<double> nodes(count), weights(count);
    for (int i = 0; i < count; ++i) {
      double x = std::cos(std::numbers::pi * (i + 0.75) / (count + 0.5));
      double slope = 0;
      for (int step = 0; step < 50; ++step) {
        double one = 1;
        double two = 0;
        for (int j = 0; j < count; ++j) {
          const double three = two;
          two = one;
          one = ((2 * j + 1) * x * two - j * three) / (j + 1);
        }
        slope = count * (x * one - two) / (x * x - 1);
        x -= one / slope;
      }
      nodes[i] = (1 - x) / 2;
      weights[i] = 1 / ((1 - x * x) * slope * slope);
    }
    return {nodes, weights};
  }

  int players_;
  std::vector<Unit> units_;
};

// A game's odd part on the pairs of an estimator's coalitions, as Estimator::Run takes them.
struct GameValues {
  GameValues(const RandomGame& game, const std::uint64_t* masks, std::int64_t pairs, int players)
      : inside(pairs), outside(pairs) {
    const std::uint64_t all = players == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << players) - 1;
    const double base = game.Value(0);
    total = game.Value(all) - base;
    for (std::int64_t i = 0; i < pairs; ++i) {
      inside[i] = game.Value(masks[i]) - base;
      outside[i] = game.Value(all & ~masks[i]) - base;
    }
  }

  double total = 0;
  std::vector<double> inside, outside;
};

}  // namespace windlass::explain
