// A leaf of a tree as a game: the players are those whose columns its path asks about.
//
// With x's pattern c (player j is in c when x passes all of j's questions on the path) and the
// background's patterns b, the leaf's game is v(S) = value * [S within c] * q(the others), where
// q(T) is the share of the background that passes the questions of all players of T. Interventional
// values take q from the background's rows; path dependent ones (Lundberg et al. 2020, algorithm 1)
// from covers, q(T) = product over T of r_j, as if players were independent. All other players are
// dummies, so that the game of d players gives the values of the whole one; trees and leaves add.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "windlass/explain/hierarchy.h"
#include "windlass/explain/shapley.h"

namespace windlass::explain {

// Shapley values, one number a player, or Shapley interaction indices, one a pair (shapley.h).
enum class Order : std::uint8_t { kValues = 1, kInteractions = 2 };

// Numbers that a game of `players` has.
constexpr std::int64_t Targets(Order order, std::int64_t players) {
  return order == Order::kValues ? players : Pairs(players);
}

// The most players for which a leaf's values are tabulated by pattern.
inline constexpr int kMaxTabulated = 10;

// After it, entry c of the 2^n is the sum over the subsets of c (Yates' algorithm), bit by bit from
// the lowest, so that every entry has its bytes whatever n.
void SumSubsets(std::span<double> sums);

// q: [2^players] before: the share of the background of exactly each pattern; after: q(T).
void SumSupersets(int players, std::span<double> q);

// Adds the leaf's numbers for every pattern c of x to table, [2^players, width]: number t to column
// to[t]; to: [Targets(order, players)]. O(2^players players) and what the table takes.
void TabulateLeaf(Order order, double value, int players, std::span<const double> q,
                  std::span<const std::int32_t> to, std::int64_t width, std::span<double> table);

// TabulateLeaf of Owen values, with the hierarchy of the leaf's players. O(2^players players^2).
void TabulateOwenLeaf(const Hierarchy& hierarchy, double value, std::span<const double> q,
                      std::span<const std::int32_t> to, std::int64_t width,
                      std::span<double> table);

// Owen values of games v(S) = product over S of in_j times the product over the others of out_j, as
// a leaf's is, for each pattern of the background or with shares r_j. What each node of the
// hierarchy multiplies is such a product, so that a player's gain in_j - out_j is weighed level by
// level.
class OwenProducts {
 public:
  explicit OwenProducts(const Hierarchy& hierarchy);

  // Adds value times the values of the game to phi. in, out, phi: [players].
  void Add(double value, std::span<const double> in, std::span<const double> out,
           double* phi) const;

 private:
  struct Game {
    std::vector<std::int32_t> members;   // as in Members()
    std::vector<double> nodes, weights;  // of Gauss-Legendre quadrature on [0, 1]
  };
  std::int32_t players_;
  std::vector<Game> games_;  // the top's, then those of nodes
};

// Gauss-Legendre nodes and weights on [0, 1], exact for polynomials up to degree 2 count - 1.
void GaussLegendre(int count, std::vector<double>& nodes, std::vector<double>& weights);

// A leaf of any number of players, evaluated row by row.
class WideLeaf {
 public:
  // Path dependent: ratio[j] is r_j.
  WideLeaf(double value, std::vector<double> ratio);
  // Interventional: the background's patterns, [rows, players] of 0 and 1, and its weights.
  WideLeaf(double value, int players, const std::vector<std::uint8_t>& patterns,
           std::span<const double> weights);

  int players() const { return players_; }

  // From now on Owen values instead of Shapley values: of Order::kValues alone.
  void Use(const Hierarchy& hierarchy) { owen_ = std::make_shared<OwenProducts>(hierarchy); }

  // Adds the numbers of pattern c, [players] of 0 and 1, to out, [Targets(order, players)].
  void Add(Order order, const std::uint8_t* c, double* out) const;

 private:
  void AddOwen(const std::uint8_t* c, double* out) const;
  void AddPath(Order order, const std::uint8_t* c, double* out) const;
  void AddInterventional(Order order, const std::uint8_t* c, double* out) const;

  double value_;
  int players_;
  std::vector<double> ratio_;            // path dependent
  std::vector<double> nodes_, weights_;  // of Gauss-Legendre quadrature on [0, 1]
  std::vector<std::uint8_t> patterns_;   // interventional: [distinct, players]
  std::vector<double> shares_;           // [distinct]
  std::shared_ptr<const OwenProducts> owen_;
  std::vector<double> beta_;  // [players + 1, players + 1]: B(m + 1, n + 1)
};

}  // namespace windlass::explain
