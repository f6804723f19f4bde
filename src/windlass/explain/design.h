// Which coalitions KernelSHAP looks at, and with what weights.
#pragma once

#include <cstdint>
#include <vector>

#include "windlass/explain/masked.h"

namespace windlass::explain {

// Pairs of a coalition and its complement (neither empty), both with the same weight.
struct Design {
  int players = 0;
  int words = 1;                     // of 64 players
  std::vector<std::uint64_t> masks;  // [pairs, words]
  std::vector<double> weights;       // [pairs]; those of all coalitions sum to 1
  bool complete = false;             // all 2^players - 2 coalitions

  std::int64_t pairs() const { return std::ssize(weights); }
  bool contains(std::int64_t pair, int player) const {
    return masks[pair * words + player / 64] >> (player % 64) & 1;
  }
  CoalitionPairs coalitions() const { return {masks.data(), pairs()}; }
};

// Fewest coalitions with which the regression is determined: each player alone and each missing
// alone, 2 players; or all 2^players - 2 where that is less.
std::int64_t MinimumSamples(int players);

// What `--nsamples auto` is: 2 players + 2048 (as in shap), at most all 2^players - 2, with which
// the result is exact.
std::int64_t AutoSamples(int players);

// Throws Error{kInvalidInput} when `nsamples` is below the minimum.
void CheckSamples(std::int64_t nsamples, int players);

// The design of a game: a function of its arguments only. players >= 2; an odd budget loses one.
//
// Sizes of coalitions are taken in pairs s, players - s; the Shapley kernel gives such a pair the
// weight (players - 1) / (s (players - s)) for each of the two (Lundberg & Lee 2017, theorem 2).
// Sizes whose share of the budget, by weight, is at least all their coalitions are enumerated
// (sizes 1 and players - 1 always, so that the regression is determined); the others are sampled
// without replacement, each coalition with its complement (Covert & Lee 2021, section 4.2), in
// proportion to weight. Every size keeps its weight exactly, spread evenly over its sampled
// coalitions, where sampling with replacement would leave it to chance; a size too small for any
// sample leaves its weight to the next one.
Design MakeDesign(int players, std::int64_t nsamples, std::uint64_t seed);

}  // namespace windlass::explain
