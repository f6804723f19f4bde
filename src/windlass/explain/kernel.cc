#include "windlass/explain/kernel.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "windlass/explain/feature_selection.h"
#include "windlass/explain/masked.h"
#include "windlass/explain/regression.h"
#include "windlass/explain/shapley.h"

namespace windlass::explain {
namespace {

// All that games of one number of players share.
struct System {
  System(const Plan& plan, int players)
      : design(MakeDesign(players, plan.nsamples, plan.seed)),
        regression(design),
        selection(design, plan.l1_reg, plan.l1_features) {}

  Design design;
  Regression regression;
  FeatureSelection selection;
};

class KernelExplainer final : public Explainer {
 public:
  KernelExplainer(const Plan& plan, std::unique_ptr<model::Model> model)
      : plan_(plan), game_(plan, std::move(model)) {
    plan_.background.clear();  // the game has its own
    plan_.background.shrink_to_fit();
    if (plan_.players() >= 2) SystemOf(plan_.players());
  }

  std::span<const double> base_value() const override { return game_.base_value(); }

  void Explain(std::span<const double> x, std::int64_t rows, const std::function<void()>& check,
               Attributions& out) const override {
    const auto outputs = static_cast<std::int64_t>(plan_.outputs.size());
    out.Resize(rows, outputs, plan_.players());
    const auto workspace = game_.NewWorkspace();
    std::vector<double> inside, outside;
    for (std::int64_t r = 0; r < rows; ++r) {
      const auto varying = game_.Begin(&x[r * plan_.columns], *workspace);
      const System* system =
          varying.size() >= 2 ? &SystemOf(static_cast<int>(varying.size())) : nullptr;
      const CoalitionPairs pairs =
          system == nullptr ? CoalitionPairs{} : system->design.coalitions();
      inside.resize(outputs * pairs.count);
      outside.resize(outputs * pairs.count);
      const auto prediction = std::span(out.prediction).subspan(r * outputs, outputs);
      out.model_evaluations +=
          game_.Evaluate(pairs, check, *workspace, prediction, inside, outside);
      for (std::int64_t k = 0; k < outputs; ++k) {
        const auto own = [&](std::span<double> values) {
          return values.subspan(k * pairs.count, pairs.count);
        };
        if (!Finite(prediction.subspan(k, 1)) || !Finite(own(inside)) || !Finite(own(outside))) {
          out.Fail(r, k, game_.WhyNotFinite(*workspace));
          continue;
        }
        const std::span phi =
            std::span(out.phi).subspan((r * outputs + k) * plan_.players(), plan_.players());
        Attribute(system, varying, base_value()[k], prediction[k], own(inside), own(outside), phi);
      }
    }
  }

 private:
  static bool Finite(std::span<const double> values) {
    return std::ranges::all_of(values, [](double value) { return std::isfinite(value); });
  }

  // inside and outside are overwritten; phi: [players of the plan], zeros before.
  void Attribute(const System* system, std::span<const std::int32_t> varying, double base,
                 double prediction, std::span<double> inside, std::span<double> outside,
                 std::span<double> phi) const {
    const double total = prediction - base;
    if (system == nullptr) {
      if (!varying.empty()) phi[varying[0]] = total;
      return;
    }
    std::vector<double> own(varying.size());
    std::vector<double> h(inside.size());
    for (std::size_t i = 0; i < h.size(); ++i) h[i] = 0.5 * (inside[i] - outside[i]);
    if (plan_.l1_reg == L1Reg::kNone) {
      system->regression.Solve(h, total, own);
      CloseToTotal(total, own);
    } else {
      for (double& value : inside) value -= base;
      for (double& value : outside) value -= base;
      const auto selected = system->selection.Select(inside, outside, total);
      system->regression.SolveSelected(h, total, selected, own);
    }
    for (std::size_t i = 0; i < varying.size(); ++i) phi[varying[i]] = own[i];
  }

  const System& SystemOf(int players) const {
    const std::lock_guard lock(mutex_);
    std::unique_ptr<const System>& system = systems_[players];
    if (system == nullptr) system = std::make_unique<const System>(plan_, players);
    return *system;
  }

  Plan plan_;
  MaskedGame game_;
  mutable std::mutex mutex_;
  mutable std::map<int, std::unique_ptr<const System>> systems_;  // by number of players
};

}  // namespace

std::shared_ptr<const Explainer> MakeKernelExplainer(const Plan& plan,
                                                     std::unique_ptr<model::Model> model) {
  CheckSamples(plan.nsamples, plan.players());
  return std::make_shared<KernelExplainer>(plan, std::move(model));
}

}  // namespace windlass::explain
