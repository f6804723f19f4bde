// KernelSHAP's choice of features before the regression, by least-angle regression (shap's l1_reg).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "windlass/explain/design.h"
#include "windlass/explain/plan.h"

namespace windlass::explain {

// One corner of a LARS path: where a feature comes in or leaves.
struct LarsCorner {
  std::span<const double> coef;          // [features]
  std::span<const double> correlation;   // X^T (y - X coef), [features]
  std::span<const std::int32_t> active;  // in the order in which they came in
};

// Walks the path of least-angle regression (Efron, Hastie, Johnstone & Tibshirani 2004, section
// 2), or with `lasso` that of the lasso (section 3.1), from the Gram matrix X^T X [features,
// features] and X^T y [features]. Calls visit(corner) from all zeros to the least squares
// solution; it returns false to stop. Features that depend linearly on active ones are left out.
void WalkLars(std::span<const double> gram, std::span<const double> correlation, bool lasso,
              const std::function<bool(const LarsCorner&)>& visit);

// Selects features on the weighted problem, augmented by the constraint on the sum, that shap
// solves: coalition S of size s counts with (M - s) w_S as v(S) = sum_{i in S} phi_i and with s w_S
// as v(S) - total = -sum_{i not in S} phi_i.
class FeatureSelection {
 public:
  FeatureSelection(const Design& design, L1Reg reg, int features);  // the design must outlive this

  // inside, outside: [pairs], values of the coalitions and their complements less v(nobody).
  // kNumFeatures: the first ones that LARS takes. kAic, kBic: those of the lasso path's corner
  // that minimises n log(2 pi s^2) + RSS / s^2 + penalty * features, where s^2 is the residual
  // variance of the full least squares and penalty is 2, or log n (Zou, Hastie & Tibshirani
  // 2007); columns are first scaled to unit variance. Ascending.
  std::vector<std::int32_t> Select(std::span<const double> inside, std::span<const double> outside,
                                   double total) const;

 private:
  const Design& design_;
  L1Reg reg_;
  int features_;
  std::vector<double> sizes_;  // [pairs], members of each coalition
  std::vector<double> scale_;  // [players], by which columns are divided
  std::vector<double> gram_;   // [players, players] of the scaled columns
};

}  // namespace windlass::explain
