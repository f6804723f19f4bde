#include "windlass/explain/shapley.h"

#include <bit>
#include <cstddef>

namespace windlass::explain {
namespace {

// The sum of 2^n values, which are overwritten: halves are added until one number is left, so that
// the order is fixed and errors grow with n only.
double SumInHalves(std::span<double> values) {
  for (std::size_t half = values.size() / 2; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) values[i] += values[half + i];
  }
  return values[0];
}

}  // namespace

std::vector<double> ShapleyWeights(int players) {
  std::vector<double> weights(static_cast<std::size_t>(players));
  // s! (p - s - 1)! / p! = 1 / (p * binomial(p - 1, s)); the binomials are exact up to 2^53
  double binomial = 1;
  for (int s = 0; s < players; ++s) {
    weights[s] = 1.0 / (players * binomial);
    binomial = binomial * (players - 1 - s) / (s + 1);
  }
  return weights;
}

void ShapleyValues(std::span<const double> v, int players, std::span<double> phi) {
  // phi_g = sum over S without g of w(|S|) (v(S + g) - v(S))
  //       = sum over S with g of (w(|S| - 1) + w(|S|)) v(S)  -  sum over all S of w(|S|) v(S),
  // with w(-1) = w(players) = 0. The first sums of all players come from one array, folded in half
  // player by player: O(2^players) instead of O(players 2^players). Differences to v(nobody) are
  // taken so that nothing large cancels.
  const std::vector<double> weights = ShapleyWeights(players);
  std::vector<double> with(static_cast<std::size_t>(players) + 1, 0.0);
  std::vector<double> without(weights);
  without.push_back(0.0);
  for (int s = 0; s <= players; ++s) with[s] = (s > 0 ? weights[s - 1] : 0.0) + without[s];
  std::vector<double> folded(v.size());
  std::vector<double> terms(v.size());
  for (std::size_t s = 0; s < v.size(); ++s) {
    const double gain = v[s] - v[0];
    folded[s] = with[std::popcount(s)] * gain;
    terms[s] = without[std::popcount(s)] * gain;
  }
  const double common = SumInHalves(terms);
  for (int g = players - 1; g >= 0; --g) {
    const std::size_t half = std::size_t{1} << g;
    for (std::size_t s = 0; s < half; ++s) terms[s] = folded[half + s];
    phi[g] = SumInHalves(std::span(terms).first(half)) - common;
    for (std::size_t s = 0; s < half; ++s) folded[s] += folded[half + s];
  }
}

void ShapleyInteractions(std::span<const double> v, int players, std::span<double> pairs) {
  if (players < 2) return;
  const std::vector<double> weights = ShapleyWeights(players - 1);
  std::vector<double> terms(v.size() / 4);
  for (int i = 0; i < players; ++i) {
    for (int j = i + 1; j < players; ++j) {
      const std::size_t bit_i = std::size_t{1} << i, bit_j = std::size_t{1} << j;
      for (std::size_t k = 0; k < terms.size(); ++k) {
        // k without players i and j: room is made for their bits.
        std::size_t s = (k & (bit_i - 1)) | (k & ~(bit_i - 1)) << 1;
        s = (s & (bit_j - 1)) | (s & ~(bit_j - 1)) << 1;
        terms[k] = weights[std::popcount(s)] *
                   ((v[s + bit_i + bit_j] - v[s + bit_i]) - (v[s + bit_j] - v[s]));
      }
      pairs[PairIndex(i, j, players)] = SumInHalves(terms);
    }
  }
}

void CloseToTotal(double total, std::span<const bool> varying, std::span<double> phi) {
  double sum = 0;
  int count = 0;
  for (std::size_t g = 0; g < phi.size(); ++g) {
    if (!varying[g]) phi[g] = 0;
    sum += phi[g];
    count += varying[g] ? 1 : 0;
  }
  if (count == 0) return;
  const double share = (total - sum) / count;
  for (std::size_t g = 0; g < phi.size(); ++g) {
    if (varying[g]) phi[g] += share;
  }
}

void CloseToTotal(double total, std::span<double> phi) {
  double sum = 0;
  for (const double value : phi) sum += value;
  const double share = (total - sum) / static_cast<double>(phi.size());
  for (double& value : phi) value += share;
}

}  // namespace windlass::explain
