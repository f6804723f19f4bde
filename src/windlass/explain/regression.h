// KernelSHAP's weighted least squares under the constraint that attributions sum to the total.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "windlass/explain/design.h"

namespace windlass::explain {

// The regression of one design, solved once for all rows:
//
//   minimise  sum over coalitions S of w_S (v(S) - v(0) - sum_{i in S} phi_i)^2
//   under     sum_i phi_i = v(N) - v(0) = total       (Covert & Lee 2021, equations 6 and 7)
//
// Under the constraint, a pair of complements with equal weight counts only by
// h = (v(S) - v(complement)) / 2, which c . phi should be, c being +-1/2 by membership. So phi is a
// linear map of h and the total, found once.
//
// What a player adds changes with the size of the coalition it joins, and that is the largest part
// of what c . phi leaves of h in many games. With `powers` the regression has more columns, c_i g,
// where g = (2 |S| / players - 1)^2 - 1 is 0 for nobody and everyone, with a penalty. Attributions
// are the Shapley values of the fitted sum, which are known, and by the kernel's weights what is
// left of the game has none: regression adjustment (Witter, Liu & Musco 2025, equation 6) by a
// model that is the same linear map for all rows.
class Regression {
 public:
  // powers: 0 or 1. The design must outlive this.
  explicit Regression(const Design& design, int powers = 0);

  // Numbers that are fitted: players, and as many for each power.
  int coefficients() const { return static_cast<int>(share_.size()); }

  // About how much memory it takes.
  std::size_t bytes() const {
    return map_.size() * sizeof(float) + (inverse_.size() + 2 * leverage_.size()) * sizeof(double);
  }

  // h: [pairs]; fit: [coefficients].
  void Solve(std::span<const double> h, double total, std::span<double> fit) const;

  // Shapley values of a fit. phi: [players].
  void Attribute(std::span<const double> fit, std::span<double> phi) const;

  // What a fit leaves of h. Shape [pairs].
  std::vector<double> Residuals(std::span<const double> h, double total,
                                std::span<const double> fit) const;

  struct Spread {
    // [padded pairs], the squared errors that pairs are expected to add for each unit of their
    // entries in map: left_out e^2 / (1 - leverage), where e is what is left of h (White 1980, with
    // the correction HC2 of MacKinnon & White 1985 and that for a finite population). Where the
    // leverage is near 1 the quotient says nothing, and the mean fills up what e^2 lacks.
    // In units of the mean.
    std::vector<float> of_pair;
    double mean = 0;  // squared error of pairs of sampled sizes
  };
  Spread SpreadOf(std::span<const double> residuals) const;

  // The squared standard error of phi_i, and that of phi_i + sign phi_j. The former is moderated:
  // where few pairs decide, what they say of the variance counts less than what all pairs say
  // (Smyth 2004, with a fixed prior).
  double Variance(const Spread& spread, int i) const;
  double Variance(const Spread& spread, int i, int j, double sign) const;

  // As many degrees of freedom as Student's t needs for the interval of player i (Satterthwaite
  // 1946, for errors alike in all pairs); below 1 where nothing can be said.
  double DegreesOfFreedom(int i) const;

  // Attributions without powers over the `selected` players only, the others held at 0 and left out
  // of the sum.
  void SolveSelected(std::span<const double> h, double total,
                     std::span<const std::int32_t> selected, std::span<double> phi) const;

 private:
  // kColumns: 1 and the number of powers.
  template <int kColumns>
  void RightSide(std::span<const double> h, std::span<double> right) const;
  template <int kColumns>
  void SubtractFit(double total, std::span<const double> fit, std::span<double> residuals) const;

  const Design& design_;
  int powers_;
  std::int64_t padded_pairs_ = 0;
  std::vector<double> normal_;    // [players, players], sum over pairs of w c c^T
  std::vector<double> g_;         // [pairs]
  std::vector<double> inverse_;   // [coefficients, coefficients], of all normal equations, with
  std::vector<double> share_;     // [coefficients]: fit = inverse (sum of w h c) + share total
  std::vector<double> own_;       // [powers + 1], Shapley value of c_i g^k for player i
  std::vector<double> others_;    // [powers + 1], and for each other one
  std::vector<float> map_;        // [players, padded pairs], from h to phi
  std::vector<double> leverage_;  // [pairs], how much of its own h a pair's fitted value is
  double residual_freedom_ = 0;   // sum of 1 - leverage over pairs of sampled sizes
  std::vector<double> freedom_;   // [players]
  std::vector<double> alike_;     // [players], the variance of phi_i for errors of variance 1
};

}  // namespace windlass::explain
