// What methods that sample have in common: which coalitions they look at, and how the game's values
// there become attributions and intervals.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "windlass/explain/masked.h"
#include "windlass/explain/plan.h"

namespace windlass::explain {

// Attributions of one game.
struct Estimate {
  std::vector<double> phi;  // [players]; they sum to the total
  // [players], half the width of 95 % intervals: 0 where the answer is exact, infinite where there
  // is too little to tell; empty where the method has none.
  std::vector<double> half_width;
  // How many of the largest |phi| stand in a certain order: each differs from the next one by more
  // than the 95 % interval of their difference.
  std::int32_t ranked = 0;
};

// For games of one number of players, at least 2. All games of that number see the same coalitions,
// so that what follows from them is made once, and a row's result depends on that row alone.
class Estimator {
 public:
  virtual ~Estimator() = default;

  // Pairs of a coalition and its complement: only (v(S) - v(complement)) / 2, the odd part of the
  // game, tells of Shapley values (Fumagalli, Butler, Kang, Ramchandran & Witter 2026).
  virtual CoalitionPairs coalitions() const = 0;

  // Where sampling may stop: ascending numbers of pairs, the last one all. Just one without
  // Plan::tolerance.
  virtual std::span<const std::int64_t> stages() const = 0;

  // About how much memory it takes.
  virtual std::size_t bytes() const = 0;

  // inside, outside: [stages()[stage]], values of the first coalitions and their complements less
  // v(nobody); total: v(everyone) - v(nobody). Thread safe.
  virtual void Run(int stage, std::span<const double> inside, std::span<const double> outside,
                   double total, Estimate& out) const = 0;

  // Interactions of pairs of players from the same values, and half the widths of their 95 %
  // intervals: [Pairs(players)]. Only for plans with Plan::interactions. Thread safe.
  virtual void RunPairs(int stage, std::span<const double> inside, std::span<const double> outside,
                        double total, std::span<double> interactions,
                        std::span<double> half_width) const = 0;
};

// The estimator of the plan's method: of its nsamples, seed, tolerance and l1_reg.
std::unique_ptr<const Estimator> MakeEstimator(const Plan& plan, int players);

// Fewest coalitions that a method takes over so many players; all 2^players - 2 where that is less.
// kKernel: with which the regression is determined, each player alone and each missing alone.
// kLeverage, kMsr: twice as many. kPermutation: two pairs of orderings.
//
// With interactions: four times as many as pairs of players, so that twice as many pairs of
// coalitions determine them (see pair_regression.h).
std::int64_t MinimumSamples(Method method, int players, bool interactions = false);

// What `--nsamples auto` is: 2 players + 2048 (as in shap), with interactions at least eight times
// as many as pairs of players; at least the minimum, at most all 2^players - 2, with which every
// method is exact.
std::int64_t AutoSamples(Method method, int players, bool interactions = false);

// Throws Error{kInvalidInput} when `nsamples` is below the minimum, or beyond what is held in
// memory, or when interactions are asked for of more players than they are sampled for.
void CheckSamples(Method method, std::int64_t nsamples, int players, bool interactions = false);

// The same of a plan, which may have a hierarchy: fewer coalitions are all of them then.
std::int64_t AutoSamples(const Plan& plan);
void CheckSamples(const Plan& plan);

}  // namespace windlass::explain
