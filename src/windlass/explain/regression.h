// KernelSHAP's weighted least squares under the constraint that attributions sum to the total.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "windlass/explain/design.h"

namespace windlass::explain {

// Lower Cholesky factor of a symmetric positive definite matrix [size, size], in place (the upper
// triangle is left as it was). Returns false when it is not positive definite to rounding. Plain
// arithmetic in a fixed order.
bool Cholesky(std::span<double> matrix, int size);

// Solves L L^T x = b for a factor of Cholesky; b is overwritten by x.
void CholeskySolve(std::span<const double> factor, int size, std::span<double> b);

// The regression of one design, solved once for all rows:
//
//   minimise  sum over coalitions S of w_S (v(S) - v(0) - sum_{i in S} phi_i)^2
//   under     sum_i phi_i = v(N) - v(0) = total       (Covert & Lee 2021, equations 6 and 7)
//
// Under the constraint, a pair of complements with equal weight counts only by
// h = (v(S) - v(complement)) / 2, which c . phi should be, c being +-1/2 by membership. So phi is a
// linear map of h and the total, found once: phi = map h + share total.
class Regression {
 public:
  explicit Regression(const Design& design);  // the design must outlive this

  // h: [pairs]; phi: [players]. Sums in eight lanes of pairs.
  void Solve(std::span<const double> h, double total, std::span<double> phi) const;

  // The same over the `selected` players only, the others held at 0 and left out of the sum.
  void SolveSelected(std::span<const double> h, double total,
                     std::span<const std::int32_t> selected, std::span<double> phi) const;

 private:
  const Design& design_;
  std::int64_t padded_pairs_ = 0;
  std::vector<double> normal_;  // [players, players], sum over pairs of w c c^T
  std::vector<double> map_;     // [players, padded pairs]
  std::vector<double> share_;   // [players]
};

}  // namespace windlass::explain
