// What the estimators share.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "windlass/explain/estimator.h"
#include "windlass/explain/hierarchy.h"

namespace windlass::explain {

// kKernel, kLeverage, kMsr; and any method where all coalitions are within the budget.
std::unique_ptr<const Estimator> MakeRegressionEstimator(const Plan& plan, int players);
// hierarchy: of the players, with which orderings are consistent; null: all orderings.
std::unique_ptr<const Estimator> MakePermutationEstimator(const Plan& plan, int players,
                                                          const Hierarchy* hierarchy = nullptr);

// Whether the budget has all coalitions of a game.
bool IsComplete(const Plan& plan, int players);

// `largest` and, where a tolerance is asked for, halves of it that are no smaller than `smallest`,
// ascending.
std::vector<std::int64_t> HalvedBudgets(bool tolerance, std::int64_t largest,
                                        std::int64_t smallest);

// Estimate::ranked. differs(i, j, sign): whether phi_i + sign phi_j is certainly not 0.
std::int32_t CountRanked(std::span<const double> phi,
                         const std::function<bool(int, int, double)>& differs);

}  // namespace windlass::explain
