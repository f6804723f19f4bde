#include "windlass/explain/shapley.h"

#include <bit>
#include <cstddef>

namespace windlass::explain {

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
  const std::vector<double> weights = ShapleyWeights(players);
  for (int g = 0; g < players; ++g) {
    const std::size_t bit = std::size_t{1} << g;
    double sum = 0;
    for (std::size_t s = 0; s < v.size(); ++s) {
      if ((s & bit) == 0) sum += weights[std::popcount(s)] * (v[s | bit] - v[s]);
    }
    phi[g] = sum;
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

}  // namespace windlass::explain
