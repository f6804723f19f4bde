// Shapley values of a game that is known on every coalition.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace windlass::explain {

// Weights of marginal contributions: entry s is s! (players - s - 1)! / players!, for a coalition
// of s others (Shapley 1953). Shape [players].
std::vector<double> ShapleyWeights(int players);

// v: the game's values, indexed by coalition (bit g set: player g is in), [2^players].
// phi: [players]. Every group's sum runs over the coalitions in a fixed order; O(2^players).
void ShapleyValues(std::span<const double> v, int players, std::span<double> phi);

// Pairs i < j of players, in the order (0, 1), (0, 2), ..., (1, 2), ...
constexpr std::int64_t Pairs(std::int64_t players) { return players * (players - 1) / 2; }
constexpr std::int64_t PairIndex(std::int64_t i, std::int64_t j, std::int64_t players) {
  return i * (2 * players - i - 1) / 2 + (j - i - 1);
}

// Shapley interaction indices (Grabisch & Roubens 1999, order 2): for each pair the mean, with
// Shapley weights over coalitions S of the other players, of v(S+i+j) - v(S+i) - v(S+j) + v(S).
// What is left to a player alone is phi_i less half of its pairs, so that all of them sum to
// v(all) - v(nobody) (Lundberg et al. 2020, whose matrix has half of a pair on each side).
// v: [2^players]; pairs: [Pairs(players)]. O(2^players players^2).
void ShapleyInteractions(std::span<const double> v, int players, std::span<double> pairs);

// Adds the same to every varying player so that phi sums to `total` exactly up to rounding, and
// sets players that do not vary to 0 (as shap does). `varying`: [players].
void CloseToTotal(double total, std::span<const bool> varying, std::span<double> phi);

// The same where every player varies; phi must not be empty.
void CloseToTotal(double total, std::span<double> phi);

}  // namespace windlass::explain
