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

// Adds the same to every varying player so that phi sums to `total` exactly up to rounding, and
// sets players that do not vary to 0 (as shap does). `varying`: [players].
void CloseToTotal(double total, std::span<const bool> varying, std::span<double> phi);

// The same where every player varies; phi must not be empty.
void CloseToTotal(double total, std::span<double> phi);

}  // namespace windlass::explain
