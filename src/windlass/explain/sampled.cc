#include "windlass/explain/sampled.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "windlass/explain/estimator_cache.h"
#include "windlass/explain/masked.h"
#include "windlass/explain/shapley.h"

namespace windlass::explain {
namespace {

bool Finite(std::span<const double> values) {
  return std::ranges::all_of(values, [](double value) { return std::isfinite(value); });
}

class SampledExplainer final : public Explainer {
 public:
  SampledExplainer(const Plan& plan, std::unique_ptr<model::Model> model)
      : plan_(plan), game_(plan, std::move(model)), estimators_(plan) {
    plan_.background.clear();  // the game has its own
    plan_.background.shrink_to_fit();
    std::vector<std::int32_t> all(plan_.players());
    std::iota(all.begin(), all.end(), 0);
    if (plan_.players() >= 2) estimators_.Of(all);
  }

  std::span<const double> base_value() const override { return game_.base_value(); }

  void Explain(std::span<const double> x, std::int64_t rows, const std::function<void()>& check,
               Attributions& out) const override {
    const auto outputs = static_cast<std::int64_t>(plan_.outputs.size());
    out.Resize(rows, outputs, plan_.players(), plan_.interactions);
    if (HasIntervals(plan_)) out.AddIntervals();
    const auto workspace = game_.NewWorkspace();
    Row row;
    for (std::int64_t r = 0; r < rows; ++r) {
      ExplainRow(&x[r * plan_.columns], r, check, *workspace, row, out);
    }
  }

 private:
  // What is known of the row at hand.
  struct Row {
    std::vector<double> inside, outside;          // [outputs, pairs], less v(nobody)
    std::vector<double> new_inside, new_outside;  // [outputs, pairs of a stage]
    Estimate estimate;
    std::vector<double> pairs, pairs_half_width;  // of varying players
  };

  void ExplainRow(const double* x, std::int64_t r, const std::function<void()>& check,
                  MaskedGame::Workspace& workspace, Row& row, Attributions& out) const {
    const auto outputs = static_cast<std::int64_t>(plan_.outputs.size());
    const std::int64_t players = plan_.players();
    const auto varying = game_.Begin(x, workspace);
    const auto prediction = std::span(out.prediction).subspan(r * outputs, outputs);
    if (varying.size() < 2) {
      out.model_evaluations += game_.Evaluate({}, check, workspace, prediction, {}, {});
      for (std::int64_t k = 0; k < outputs; ++k) {
        if (!std::isfinite(prediction[k])) {
          out.Fail(r, k, game_.WhyNotFinite(workspace));
        } else if (!varying.empty()) {
          out.phi[(r * outputs + k) * players + varying[0]] = prediction[k] - base_value()[k];
        }
        if (!out.ranked.empty()) {
          out.ranked[r * outputs + k] = static_cast<std::int32_t>(varying.size());
        }
      }
      return;
    }
    const std::shared_ptr<const Estimator> kept = estimators_.Of(varying);
    const Estimator& estimator = *kept;
    const CoalitionPairs all = estimator.coalitions();
    const std::int64_t words = (std::ssize(varying) + 63) / 64;
    row.inside.resize(outputs * all.count);
    row.outside.resize(outputs * all.count);
    std::vector<std::string> why(outputs);  // it has no attributions
    std::int64_t done = 0;
    bool reached = false;
    const auto stages = estimator.stages();
    for (std::size_t stage = 0; stage < stages.size() && !reached; ++stage) {
      const CoalitionPairs next = {all.masks + done * words, stages[stage] - done, all.distinct};
      row.new_inside.resize(outputs * next.count);
      row.new_outside.resize(outputs * next.count);
      out.model_evaluations +=
          game_.Evaluate(next, check, workspace, prediction, row.new_inside, row.new_outside);
      reached = true;
      for (std::int64_t k = 0; k < outputs; ++k) {
        const std::span inside(&row.new_inside[k * next.count], next.count);
        const std::span outside(&row.new_outside[k * next.count], next.count);
        if (!std::isfinite(prediction[k]) || !Finite(inside) || !Finite(outside)) {
          why[k] = game_.WhyNotFinite(workspace);
        }
        if (!why[k].empty()) continue;
        const double base = base_value()[k];
        double* to_inside = &row.inside[k * all.count];
        double* to_outside = &row.outside[k * all.count];
        for (std::int64_t i = 0; i < next.count; ++i) {
          to_inside[done + i] = inside[i] - base;
          to_outside[done + i] = outside[i] - base;
        }
        estimator.Run(static_cast<int>(stage), {to_inside, static_cast<std::size_t>(stages[stage])},
                      {to_outside, static_cast<std::size_t>(stages[stage])}, prediction[k] - base,
                      row.estimate);
        reached = reached && std::ranges::all_of(row.estimate.half_width, [&](double half) {
                    return half <= plan_.tolerance;
                  });
        Store(row.estimate, varying, r * outputs + k, out);
      }
      done = stages[stage];
      if (plan_.interactions && (reached || stage + 1 == stages.size())) {
        AddPairs(estimator, static_cast<int>(stage), varying, why, r, row, out);
      }
    }
    for (std::int64_t k = 0; k < outputs; ++k) {
      if (!why[k].empty()) out.Fail(r, k, why[k]);
    }
    out.coalitions += 2 * done;
    out.coalitions_saved += 2 * (all.count - done);
    if (plan_.tolerance > 0 && !reached) ++out.rows_above_tolerance;
  }

  // To line r * outputs + k of the attributions.
  void Store(const Estimate& estimate, std::span<const std::int32_t> varying, std::int64_t line,
             Attributions& out) const {
    const std::int64_t at = line * plan_.players();
    for (std::size_t i = 0; i < varying.size(); ++i) out.phi[at + varying[i]] = estimate.phi[i];
    if (out.half_width.empty()) return;
    for (std::size_t i = 0; i < varying.size(); ++i) {
      out.half_width[at + varying[i]] = estimate.half_width[i];
    }
    out.ranked[line] = estimate.ranked;
  }

  // Interactions of a row whose values up to a stage are known.
  void AddPairs(const Estimator& estimator, int stage, std::span<const std::int32_t> varying,
                std::span<const std::string> why, std::int64_t r, Row& row,
                Attributions& out) const {
    const auto outputs = static_cast<std::int64_t>(plan_.outputs.size());
    const std::int64_t all = std::ssize(row.inside) / outputs;
    const auto count = static_cast<std::size_t>(estimator.stages()[stage]);
    const std::int64_t players = plan_.players(), own = std::ssize(varying);
    row.pairs.resize(Pairs(own));
    row.pairs_half_width.resize(Pairs(own));
    for (std::int64_t k = 0; k < outputs; ++k) {
      if (!why[k].empty()) continue;
      estimator.RunPairs(stage, {&row.inside[k * all], count}, {&row.outside[k * all], count},
                         out.prediction[r * outputs + k] - base_value()[k], row.pairs,
                         row.pairs_half_width);
      const std::int64_t line = (r * outputs + k) * Pairs(players);
      for (std::int64_t i = 0; i < own; ++i) {
        for (std::int64_t j = i + 1; j < own; ++j) {
          const std::int64_t to = line + PairIndex(varying[i], varying[j], players);
          const std::int64_t from = PairIndex(i, j, own);
          out.interactions[to] = row.pairs[from];
          out.interactions_half_width[to] = row.pairs_half_width[from];
        }
      }
    }
  }

  Plan plan_;
  MaskedGame game_;
  const EstimatorCache estimators_;
};

}  // namespace

std::shared_ptr<const Explainer> MakeSampledExplainer(const Plan& plan,
                                                      std::unique_ptr<model::Model> model) {
  CheckSamples(plan);
  return std::make_shared<SampledExplainer>(plan, std::move(model));
}

}  // namespace windlass::explain
