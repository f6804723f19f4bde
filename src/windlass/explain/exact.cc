#include "windlass/explain/exact.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "windlass/base/error.h"
#include "windlass/explain/masked.h"
#include "windlass/explain/shapley.h"

namespace windlass::explain {
namespace {

class ExactExplainer final : public Explainer {
 public:
  ExactExplainer(const Plan& plan, std::unique_ptr<model::Model> model)
      : plan_(plan), game_(plan, std::move(model)) {}

  std::span<const double> base_value() const override { return game_.base_value(); }

  void Explain(std::span<const double> x, std::int64_t rows, const std::function<void()>& check,
               Attributions& out) const override {
    const int players = plan_.players();
    const auto outputs = static_cast<std::int64_t>(plan_.outputs.size());
    out.Resize(rows, outputs, players, plan_.interactions);
    const auto workspace = game_.NewWorkspace();
    std::vector<double> inside, outside, v, phi, pairs_of_varying;
    for (std::int64_t r = 0; r < rows; ++r) {
      const auto varying = game_.Begin(&x[r * plan_.columns], *workspace);
      const auto count = static_cast<int>(varying.size());
      CoalitionPairs pairs;
      pairs.count = count == 0 ? 0 : std::int64_t{1} << (count - 1);
      inside.resize(outputs * pairs.count);
      outside.resize(outputs * pairs.count);
      const auto prediction = std::span(out.prediction).subspan(r * outputs, outputs);
      out.model_evaluations +=
          game_.Evaluate(pairs, check, *workspace, prediction, inside, outside);
      v.resize(2 * pairs.count);
      phi.resize(count);
      for (std::int64_t k = 0; k < outputs; ++k) {
        const std::span to = std::span(out.phi).subspan((r * outputs + k) * players, players);
        // Coalition i's complement is at the mirrored place.
        const auto own = [&](std::span<const double> values) {
          return values.subspan(k * pairs.count, pairs.count);
        };
        std::ranges::copy(own(inside), v.begin());
        std::ranges::reverse_copy(own(outside), v.begin() + pairs.count);
        bool finite = std::isfinite(prediction[k]);
        for (const double value : v) finite = finite && std::isfinite(value);
        if (!finite) {
          out.Fail(r, k, game_.WhyNotFinite(*workspace));
          continue;
        }
        if (count == 0) continue;
        v.front() = base_value()[k];
        v.back() = prediction[k];
        ShapleyValues(v, count, phi);
        CloseToTotal(prediction[k] - base_value()[k], phi);
        for (int i = 0; i < count; ++i) to[varying[i]] = phi[i];
        if (!plan_.interactions) continue;
        pairs_of_varying.resize(Pairs(count));
        ShapleyInteractions(v, count, pairs_of_varying);
        double* pairs_of_row = out.interactions.data() + (r * outputs + k) * Pairs(players);
        for (int i = 0; i < count; ++i) {
          for (int j = i + 1; j < count; ++j) {
            pairs_of_row[PairIndex(varying[i], varying[j], players)] =
                pairs_of_varying[PairIndex(i, j, count)];
          }
        }
      }
    }
  }

 private:
  const Plan plan_;
  MaskedGame game_;
};

}  // namespace

std::shared_ptr<const Explainer> MakeExactExplainer(const Plan& plan,
                                                    std::unique_ptr<model::Model> model) {
  if (plan.players() > kMaxExactPlayers) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("method exact enumerates 2^players coalitions and takes at most {} "
                            "players, but there are {}; use a method that samples, as --method msr",
                            kMaxExactPlayers, plan.players()));
  }
  return std::make_shared<ExactExplainer>(plan, std::move(model));
}

}  // namespace windlass::explain
