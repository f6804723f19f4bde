// Owen values: attributions over orderings in which the members of every node of a hierarchy stand
// together (hierarchy.h).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "windlass/explain/estimator.h"
#include "windlass/explain/hierarchy.h"
#include "windlass/explain/plan.h"

namespace windlass::explain {

// Most consistent coalitions that are enumerated: a row's values on all of them are held in memory.
inline constexpr std::int64_t kMaxConsistent = std::int64_t{1} << 24;

// Exact values of the level structure (Winter 1989; Owen 1977 where no node is within another),
// from all coalitions consistent with the hierarchy, of at least two players.
//
// At every node the members play a game of their own: what is expected of the whole game when a
// subset of them is in and, at each node around it, a subset of the other members, with Shapley's
// weights. Its Shapley values are those of the members; a node's is the total of its own members'
// game. O(coalitions) a row.
std::unique_ptr<const Estimator> MakeExactOwenEstimator(const Hierarchy& hierarchy);

// The estimator of a plan with a hierarchy, for a row whose varying players have `pruned`:
// orderings that are consistent with it for method permutation, unless nsamples has all coalitions;
// else exact.
std::unique_ptr<const Estimator> MakeOwenEstimator(const Plan& plan, const Hierarchy& pruned);

struct MethodChoice {
  Method method;
  std::string reason;
};

// The method for a plan with a hierarchy. `wanted`: as a spec has it; closed: whether the game is
// linear in the columns, so that Owen values are Shapley values; trees: whether it is a sum of
// trees (IsTreeSum); allowed: --max-coalitions. Throws Error{kInvalidInput, kUnsupported} where the
// plan's wishes cannot be, saying what can.
MethodChoice ChooseOwenMethod(std::string_view wanted, bool closed, bool trees, const Plan& plan,
                              std::int64_t allowed);

}  // namespace windlass::explain
