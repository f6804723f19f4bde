// The exact Shapley values of a sigmoid of a sum.
//
// The game: v(S) = link(sum_b w_b sigmoid(intercept + sum_{g in S} a_g + sum_{g not in S} c_bg))
// where a_g is what group g adds to a row's margin and c_bg what it adds to that of background row
// b. For one coalition S the value depends on the row through one number only, t = sum_{g in S}
// a_g, and is an analytic function of it in the strip |Im t| < pi: all terms 1 / (1 + q_b) lie in
// one half plane there, so neither their weighted mean nor one minus it can vanish. It is
// therefore interpolated by piecewise polynomials (sigmoid_table.h), whose pieces are computed when
// a row first falls on them; margins far from the background's are computed directly.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "windlass/explain/plan.h"

namespace windlass::explain {

class SigmoidArena;
class SigmoidTable;

class SigmoidGame {
 public:
  // contributions: [background rows, players]; weights: [background rows], sum 1.
  SigmoidGame(std::vector<double> contributions, std::vector<double> weights, int players,
              double intercept, Link link);
  ~SigmoidGame();

  int players() const { return players_; }

  // v(nobody).
  double base_value() const { return base_value_; }

  // Most rows that are explained together. Results do not depend on it. Large, so that enough rows
  // share a table.
  static constexpr int kBlock = 1000;

  // a: [players, kBlock]: what each group adds to each row's margin; rows from `rows` on are
  // ignored. prediction: [rows]; phi: [rows, players]. Finite margins give finite results. `check`
  // is called now and then, and throws to stop. Thread safe.
  void ExplainBlock(std::span<const double> a, int rows, const std::function<void()>& check,
                    std::span<double> prediction, std::span<double> phi) const;

  // v(coalition) at t = sum of a_g over the coalition, computed term by term, stable for every
  // finite margin.
  double ValueDirect(std::uint32_t coalition, double t) const;

  // The sum of the centres of the coalition's players: for each the value that most of the
  // background has, or the mean where no value is common.
  double Center(std::uint32_t coalition) const;

  // v(coalition) at t = Center(coalition) - log(scale), for every scale. Shapes [scales].
  void CenteredValues(std::uint32_t coalition, std::span<const double> scales,
                      std::span<double> out) const;

  // phi_g = sum over S with g in it of InWeight(|S|) v(S), up to what all players share.
  double InWeight(int size) const { return in_weights_[size]; }

 private:
  // exp(-(margin without the row's part)) exp(-Center(coalition)) of every background row. Shape
  // [padded_].
  void Factors(std::uint32_t coalition, std::span<double> out) const;

  // p = sum w / (1 + q_b) and, unless q is empty, q = sum w q_b / (1 + q_b), where q_b = factor_b
  // * scale, for every scale. Shapes [scales].
  void Means(std::span<const double> factors, std::span<const double> scales, std::span<double> p,
             std::span<double> q) const;

  double ValueByLogarithms(std::uint32_t coalition, double t) const;

  // The table in which these of `common_` are folded (bit i: the i-th); made when first wanted.
  const SigmoidTable& Table(std::uint32_t folded) const;

  void ExplainByTables(std::span<const double> a, int rows, const std::function<void()>& check,
                       std::span<const double> prediction, std::span<double> phi) const;

  std::vector<double> contributions_;  // [background rows, players]
  std::vector<double> weights_;        // [padded_], zeros at the end
  int players_;
  int rows_;
  int padded_;  // background rows, rounded up to whole groups of terms
  double intercept_;
  Link link_;
  double bound_;  // of |margin without the row's part|
  // exp(-(part of a coalition's outsiders)): outsiders split into low and high players.
  int low_players_;
  std::vector<double> low_factors_;   // [2^low, padded_]
  std::vector<double> high_factors_;  // [2^high, padded_]
  std::vector<double> low_center_;    // [2^low]: sums of center_
  std::vector<double> high_center_;   // [2^high]
  double base_value_ = 0;
  std::vector<double> in_weights_;  // by coalition size: w[s-1] + w[s]
  std::vector<double> center_;      // [players]
  std::vector<int> common_;         // players with a common value, the most common first
  std::unique_ptr<SigmoidArena> arena_;
  // By the folded ones of common_; none where interpolation does not pay.
  mutable std::vector<std::atomic<const SigmoidTable*>> tables_;
  mutable std::vector<std::unique_ptr<const SigmoidTable>> owned_tables_;
  mutable std::mutex tables_mutex_;
  const SigmoidTable* root_ = nullptr;
};

}  // namespace windlass::explain
