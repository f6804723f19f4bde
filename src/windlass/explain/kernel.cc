// Shapley values by regression over a sample of coalitions: KernelSHAP, Leverage SHAP, and the
// latter with a model of what single players leave.
#include <algorithm>
#include <cmath>
#include <utility>

#include "windlass/base/student.h"
#include "windlass/explain/design.h"
#include "windlass/explain/estimator_internal.h"
#include "windlass/explain/feature_selection.h"
#include "windlass/explain/pair_regression.h"
#include "windlass/explain/regression.h"
#include "windlass/explain/shapley.h"

namespace windlass::explain {
namespace {

Allocation AllocationOf(Method method) {
  return method == Method::kKernel ? Allocation::kKernel : Allocation::kLeverage;
}

// A second power brings nothing (benchmarks/results/2026-11-26-estimators.md).
int PowersOf(Method method) { return method == Method::kMsr ? 1 : 0; }

// Lundberg & Lee 2017 with the design of design.h and the constraint solved exactly.
class RegressionEstimator final : public Estimator {
 public:
  RegressionEstimator(const Plan& plan, int players) : l1_reg_(plan.l1_reg) {
    // Two pairs a player: with fewer, residuals say little of the error.
    const std::int64_t nsamples = plan.nsamples;
    const std::vector<std::int64_t> budgets =
        HalvedBudgets(plan.tolerance > 0, nsamples,
                      std::max<std::int64_t>(
                          4 * players, MinimumSamples(plan.method, players, plan.interactions)));
    auto designs = MakeDesigns(players, budgets, plan.seed, AllocationOf(plan.method));
    for (Design& design : designs) {
      stages_.push_back(design.pairs());
      systems_.push_back(std::make_unique<System>(std::move(design), plan));
    }
  }

  CoalitionPairs coalitions() const override { return systems_.back()->design.coalitions(); }
  std::span<const std::int64_t> stages() const override { return stages_; }
  std::size_t bytes() const override {
    std::size_t sum = 0;
    for (const auto& system : systems_) {
      const Design& design = system->design;
      sum += (design.masks.size() + 2 * design.weights.size()) * sizeof(double);
      sum += system->regression.bytes();
      if (system->pairs != nullptr) sum += system->pairs->bytes();
    }
    return sum;
  }

  void Run(int stage, std::span<const double> inside, std::span<const double> outside, double total,
           Estimate& out) const override {
    const System& system = *systems_[stage];
    const int players = system.design.players;
    out.phi.resize(players);
    std::vector<double> h(inside.size());
    for (std::size_t i = 0; i < h.size(); ++i) h[i] = 0.5 * (inside[i] - outside[i]);
    if (l1_reg_ != L1Reg::kNone) {
      const auto selected = system.selection.Select(inside, outside, total);
      system.regression.SolveSelected(h, total, selected, out.phi);
      out.half_width.clear();
      out.ranked = 0;
      return;
    }
    std::vector<double> fit(system.regression.coefficients());
    system.regression.Solve(h, total, fit);
    system.regression.Attribute(fit, out.phi);
    CloseToTotal(total, out.phi);
    if (system.design.complete) {
      out.half_width.assign(players, 0.0);
      out.ranked = players;
      return;
    }
    const std::vector<double> residuals = system.regression.Residuals(h, total, fit);
    const Regression::Spread spread = system.regression.SpreadOf(residuals);
    out.half_width.resize(players);
    for (int i = 0; i < players; ++i) {
      const double t = system.t[i];
      out.half_width[i] = std::isinf(t) ? t : t * std::sqrt(system.regression.Variance(spread, i));
    }
    out.ranked = CountRanked(out.phi, [&](int i, int j, double sign) {
      const double error = std::sqrt(system.regression.Variance(spread, i, j, sign));
      return std::abs(out.phi[i] + sign * out.phi[j]) > std::max(system.t[i], system.t[j]) * error;
    });
  }

  void RunPairs(int stage, std::span<const double> inside, std::span<const double> outside,
                double total, std::span<double> interactions,
                std::span<double> half_width) const override {
    std::vector<double> even(inside.size());
    for (std::size_t i = 0; i < even.size(); ++i) {
      even[i] = 0.5 * (inside[i] + outside[i] - total);
    }
    systems_[stage]->pairs->Run(even, interactions, half_width);
  }

 private:
  // All that follows from a design.
  struct System {
    System(Design its_design, const Plan& plan)
        : design(std::move(its_design)),
          regression(design, PowersOf(plan.method)),
          selection(design, plan.l1_reg, plan.l1_features) {
      if (plan.interactions) pairs = std::make_unique<PairRegression>(design);
      for (int i = 0; i < design.players; ++i) {
        t.push_back(Student95(regression.DegreesOfFreedom(i)));
      }
    }
    System(const System&) = delete;
    System& operator=(const System&) = delete;

    Design design;
    Regression regression;
    FeatureSelection selection;
    std::unique_ptr<const PairRegression> pairs;  // null without interactions
    std::vector<double> t;                        // [players]
  };

  L1Reg l1_reg_;
  std::vector<std::int64_t> stages_;
  std::vector<std::unique_ptr<const System>> systems_;
};

}  // namespace

std::unique_ptr<const Estimator> MakeRegressionEstimator(const Plan& plan, int players) {
  return std::make_unique<RegressionEstimator>(plan, players);
}

}  // namespace windlass::explain
