#include "windlass/explain/estimator.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "windlass/base/error.h"
#include "windlass/explain/estimator_internal.h"
#include "windlass/explain/pair_regression.h"
#include "windlass/explain/shapley.h"

namespace windlass::explain {
namespace {

// More coalitions than can be counted where there are more players than bits.
constexpr int kCountable = 62;

std::int64_t AllCoalitions(int players) {
  return players > kCountable ? std::int64_t{1} << kCountable : (std::int64_t{1} << players) - 2;
}

std::string_view WhatNeeds(Method method) {
  switch (method) {
    case Method::kPermutation: return "method permutation";
    case Method::kLeverage: return "method leverage";
    case Method::kMsr: return "method msr";
    default: return "a regression";
  }
}

}  // namespace

std::int64_t MinimumSamples(Method method, int players, bool interactions) {
  if (players < 2) return 0;
  const std::int64_t m = players;
  std::int64_t wanted = method == Method::kPermutation ? 4 * (m - 1)
                        : method == Method::kKernel    ? 2 * m
                                                       : 4 * m;
  if (interactions) wanted = std::max(wanted, 4 * Pairs(m));
  return std::min(wanted, AllCoalitions(players));
}

std::int64_t AutoSamples(Method method, int players, bool interactions) {
  if (players < 2) return 0;
  std::int64_t samples = 2 * static_cast<std::int64_t>(players) + 2048;
  samples = std::max(samples, MinimumSamples(method, players));
  if (interactions) samples = std::max(samples, 8 * Pairs(players));
  return std::min(samples, AllCoalitions(players));
}

void CheckSamples(Method method, std::int64_t nsamples, int players, bool interactions) {
  if (interactions && players > kMaxPairPlayers) {
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("interactions of {} groups have {} pairs; they are sampled of at most {} "
                    "groups: group columns together, or leave --interactions out",
                    players, Pairs(players), kMaxPairPlayers));
  }
  if (interactions && players >= 2 && nsamples / 2 > kMaxPairMap / Pairs(players)) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("nsamples is {}, but with interactions of {} groups at most {} "
                            "coalitions are sampled; auto takes {}",
                            nsamples, players, 2 * (kMaxPairMap / Pairs(players)),
                            AutoSamples(method, players, interactions)));
  }
  // The design and every row's values over it are held in memory. No more are drawn than exist.
  constexpr int kMostLog2 = 24;
  if (players > kMostLog2 && nsamples > std::int64_t{1} << kMostLog2) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("nsamples is {}, but at most {} (2^{}) coalitions are sampled; auto "
                            "takes {}",
                            nsamples, std::int64_t{1} << kMostLog2, kMostLog2,
                            AutoSamples(method, players, interactions)));
  }
  const std::int64_t least = MinimumSamples(method, players, interactions);
  if (nsamples >= least) return;
  throw Error(
      ErrorCode::kInvalidInput,
      fmt::format("nsamples is {}, but {}{} over {} groups needs at least {} coalitions; auto "
                  "takes {}",
                  nsamples, WhatNeeds(method), interactions ? " with interactions" : "", players,
                  least, AutoSamples(method, players, interactions)));
}

bool IsComplete(const Plan& plan, int players) { return plan.nsamples >= AllCoalitions(players); }

std::vector<std::int64_t> HalvedBudgets(bool tolerance, std::int64_t largest,
                                        std::int64_t smallest) {
  std::vector<std::int64_t> budgets = {largest};
  while (tolerance && budgets.back() / 2 >= smallest) budgets.push_back(budgets.back() / 2);
  std::ranges::reverse(budgets);
  return budgets;
}

std::int32_t CountRanked(std::span<const double> phi,
                         const std::function<bool(int, int, double)>& differs) {
  std::vector<int> order(phi.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order,
                           [&](int a, int b) { return std::abs(phi[a]) > std::abs(phi[b]); });
  std::int32_t ranked = 0;
  for (std::size_t k = 0; k + 1 < order.size(); ++k, ++ranked) {
    // |phi_i| - |phi_j| is +-(phi_i + sign phi_j).
    const double sign = std::signbit(phi[order[k]]) == std::signbit(phi[order[k + 1]]) ? -1 : 1;
    if (!differs(order[k], order[k + 1], sign)) return ranked;
  }
  return ranked + 1;  // the last one has none to be mistaken for
}

std::unique_ptr<const Estimator> MakeEstimator(const Plan& plan, int players) {
  if (plan.method == Method::kPermutation && !IsComplete(plan, players)) {
    return MakePermutationEstimator(plan, players);
  }
  return MakeRegressionEstimator(plan, players);
}

}  // namespace windlass::explain
