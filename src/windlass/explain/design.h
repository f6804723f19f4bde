// Which coalitions the methods that regress look at, and with what weights.
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
  std::vector<double> left_out;      // [pairs]; which part of its size was not sampled, 0 if none
  bool complete = false;             // all 2^players - 2 coalitions

  std::int64_t pairs() const { return std::ssize(weights); }
  bool contains(std::int64_t pair, int player) const {
    return masks[pair * words + player / 64] >> (player % 64) & 1;
  }
  CoalitionPairs coalitions() const { return {masks.data(), pairs(), true}; }
};

// How the budget is shared among sizes of coalitions. A pair of sizes s, players - s has the weight
// (players - 1) / (s (players - s)) for each of the two in the Shapley kernel (Lundberg & Lee 2017,
// theorem 2).
enum class Allocation {
  kKernel,    // in proportion to weight, as Lundberg & Lee sample
  kLeverage,  // alike: every size has the same leverage (Musco & Witter 2025, lemma 3.2)
};

// The design of a game: a function of its arguments only. players >= 2; an odd budget loses one.
//
// Sizes whose share of the budget is at least all their coalitions are enumerated (sizes 1 and
// players - 1 always, so that the regression is determined, but for kLeverage with two pairs a
// player); the others are sampled without
// replacement, each coalition with its complement (Covert & Lee 2021, section 4.2). Every size
// keeps its weight exactly, spread evenly over its sampled coalitions, where sampling with
// replacement would leave it to chance; a size too small for any sample leaves its weight to the
// next one.
Design MakeDesign(int players, std::int64_t nsamples, std::uint64_t seed,
                  Allocation allocation = Allocation::kKernel);

// Designs for ascending budgets, each of whose pairs are the first ones of the next: so that a game
// may be looked at with one budget after the other and no coalition twice.
std::vector<Design> MakeDesigns(int players, const std::vector<std::int64_t>& nsamples,
                                std::uint64_t seed, Allocation allocation);

}  // namespace windlass::explain
