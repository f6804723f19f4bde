#include "windlass/explain/explainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "windlass/base/error.h"
#include "windlass/explain/exact.h"
#include "windlass/explain/linear.h"
#include "windlass/explain/sampled.h"
#include "windlass/explain/shapley.h"
#include "windlass/explain/tree.h"
#include "windlass/explain/tree_game.h"

namespace windlass::explain {

void Attributions::Resize(std::int64_t rows, std::int64_t output_count, std::int64_t player_count,
                          bool with_interactions) {
  outputs = output_count;
  players = player_count;
  prediction.assign(static_cast<std::size_t>(rows * outputs), 0.0);
  phi.assign(static_cast<std::size_t>(rows * outputs * players), 0.0);
  half_width.clear();
  ranked.clear();
  const std::int64_t pairs = with_interactions ? Pairs(players) : 0;
  interactions.assign(static_cast<std::size_t>(rows * outputs * pairs), 0.0);
  interactions_half_width.clear();
  model_evaluations = 0;
  coalitions = 0;
  coalitions_saved = 0;
  rows_above_tolerance = 0;
  failures.clear();
}

void Attributions::AddIntervals() {
  half_width.assign(phi.size(), 0.0);
  ranked.assign(prediction.size(), 0);
  interactions_half_width.assign(interactions.size(), 0.0);
}

void Attributions::Fail(std::int64_t row, std::int64_t output, std::string why) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  const std::int64_t at = row * outputs + output;
  prediction[at] = kNaN;
  std::fill_n(phi.begin() + at * players, players, kNaN);
  if (!half_width.empty()) {
    std::fill_n(half_width.begin() + at * players, players, kNaN);
    ranked[at] = 0;
  }
  for (std::vector<double>* of_pairs : {&interactions, &interactions_half_width}) {
    if (of_pairs->empty()) continue;
    std::fill_n(of_pairs->begin() + at * Pairs(players), Pairs(players), kNaN);
  }
  failures.push_back({row, std::move(why)});
}

std::shared_ptr<const Explainer> MakeExplainer(const Plan& plan) {
  auto model = model::LoadModel(plan.model);
  const bool leaves = plan.method == Method::kTree && IsTreeSum(*model, plan.margin, plan.link);
  if (!plan.hierarchy.empty() && !leaves) return MakeSampledExplainer(plan, std::move(model));
  switch (plan.method) {
    case Method::kLinear:
      if (model->linear() == nullptr) {
        throw Error(ErrorCode::kInvalidInput,
                    "method linear needs a model that shows that it is linear; this one does not");
      }
      return MakeLinearExplainer(plan, *model->linear());
    case Method::kExact: return MakeExactExplainer(plan, std::move(model));
    case Method::kKernel:
    case Method::kPermutation:
    case Method::kLeverage:
    case Method::kMsr: return MakeSampledExplainer(plan, std::move(model));
    case Method::kTree:
      if (IsTreeSum(*model, plan.margin, plan.link)) {
        return MakeTreeExplainer(plan, std::move(model));
      }
      return MakeTreeGameExplainer(plan, std::move(model));
  }
  throw Error(ErrorCode::kUnsupported,
              fmt::format("method {} is not built in", MethodName(plan.method)));
}

}  // namespace windlass::explain
