// Interactions of pairs of groups from a sample of coalitions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "windlass/explain/design.h"

namespace windlass::explain {

// Shapley interaction indices (see ShapleyInteractions) of a game over one design, as one linear
// map that is made once for all rows.
//
// Only the even part of a game, e(S) = (v(S) + v(complement)) / 2, has such interactions: the
// weights of S and its complement are the same. It is modelled by sums over pairs of players,
//
//   e(S) - e(nobody) = sum over pairs that S parts of beta_ij
//
// whose interactions are -2 beta, fitted to the design with its weights (a ridge regression); what
// the fit leaves of the game adds its own interactions, estimated size by size: the mean over the
// sampled coalitions of a size stands for all of that size. That keeps the estimate unbiased but
// for the fit's looking at the same coalitions, and exact where all are there: regression
// adjustment (Witter, Liu & Musco 2025) of SHAP-IQ's estimator (Fumagalli, Muschalik, Kolpaczki,
// Huellermeier & Hammer 2023), with the kernel regression of KernelSHAP-IQ (Fumagalli, Muschalik,
// Kolpaczki, Huellermeier & Hammer 2024) for a model.
class PairRegression {
 public:
  explicit PairRegression(const Design& design);

  // About how much memory it takes.
  std::size_t bytes() const { return (map_.size() + inverse_.size()) * sizeof(double); }

  // even: [design.pairs()], e(S) - e(nobody) of the design's coalitions in their order.
  // interactions, half_width: [Pairs(players)], the latter half the width of 95 % intervals: robust
  // variances (HC2) of single coalitions and of their sizes, in equal parts.
  void Run(std::span<const double> even, std::span<double> interactions,
           std::span<double> half_width) const;

 private:
  // The coalitions of one size (or their complements), at places begin, ..., end - 1.
  struct Stratum {
    std::int64_t begin = 0, end = 0;
    std::int64_t first_word = 0, end_word = 0;  // in bits of places
    double weight = 0;
    double left_out = 0;
    // What e(S) - fit counts for in the interaction of two players that S parts, holds, lacks.
    double parted = 0, both = 0, neither = 0;
    double divisor = 1;  // 1 less the mean leverage
  };
  using Bits = std::vector<std::uint64_t>;  // a bit a coalition, each size from a new word on

  void Sort(const Design& design);
  std::vector<double> Normal(const std::vector<Bits>& parted) const;
  std::vector<double> Adjustment(const std::vector<Bits>& parted) const;
  void SetLeverages(const std::vector<Bits>& parted);
  void MakeMap(std::span<const double> adjusted, const std::vector<Bits>& parted);
  std::vector<double> Fit(std::span<const double> sorted) const;
  std::vector<double> Residuals(std::span<const double> sorted, std::span<const double> beta) const;

  int players_;
  std::int64_t coalitions_;
  std::vector<std::int64_t> order_;  // [coalitions], which of the design's stands at each place
  std::vector<Stratum> strata_;
  std::vector<Bits> has_;              // [players], coalitions that have the player
  std::vector<std::int32_t> members_;  // of all coalitions, one after the other
  std::vector<std::int64_t> member_begin_;
  std::vector<double> inverse_;  // [pairs, pairs], of the normal equations
  std::vector<double> map_;      // [pairs, coalitions], from e to interactions
  std::vector<double> alike_;    // [pairs, strata], sums of squares of map
  std::vector<double> t_;        // [pairs], Student's t
};

// Most players of whom pairs are sampled, and most numbers in the map.
inline constexpr int kMaxPairPlayers = 64;
inline constexpr std::int64_t kMaxPairMap = std::int64_t{1} << 25;

}  // namespace windlass::explain
