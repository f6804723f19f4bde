#include "windlass/explain/linear.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/explain/linear_internal.h"
#include "windlass/explain/shapley.h"
#include "windlass/explain/sigmoid_game.h"

namespace windlass::explain {

GroupSums::GroupSums(const Plan& plan, std::span<const double> coef) : groups_(plan.groups) {
  coef_.assign(coef.begin(), coef.end());
}

void GroupSums::Of(const double* row, std::span<double> out) const {
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    double sum = 0;
    for (const std::int32_t column : groups_[g]) sum = std::fma(coef_[column], row[column], sum);
    out[g] = sum;
  }
}

std::vector<double> GroupSums::OfBackground(const Plan& plan) const {
  const std::size_t players = groups_.size();
  std::vector<double> sums(static_cast<std::size_t>(plan.background_rows()) * players);
  for (std::int64_t b = 0; b < plan.background_rows(); ++b) {
    Of(&plan.background[b * plan.columns], std::span(sums).subspan(b * players, players));
  }
  return sums;
}

Varying::Varying(const Plan& plan) : plan_(plan) {
  // A row varies in a group unless all of the background equals it there; so first see in which
  // groups the background itself is constant.
  for (const auto& group : plan.groups) {
    bool constant = true;
    for (std::int64_t b = 1; b < plan.background_rows() && constant; ++b) {
      for (const std::int32_t column : group) {
        constant =
            constant && plan.background[b * plan.columns + column] == plan.background[column];
      }
    }
    constant_.push_back(constant);
  }
}

void Varying::Of(const double* row, std::span<bool> out) const {
  for (std::size_t g = 0; g < constant_.size(); ++g) {
    out[g] = true;
    if (!constant_[g]) continue;
    out[g] = std::ranges::any_of(plan_.groups[g], [&](std::int32_t column) {
      return row[column] != plan_.background[column];
    });
  }
}

namespace {

// f(x) = coef x + intercept: contributions are independent of the coalition.
class IdentityExplainer final : public Explainer {
 public:
  IdentityExplainer(const Plan& plan, const model::LinearStructure& structure)
      : plan_(plan), varying_(plan_) {
    const int players = plan_.players();
    for (const std::int32_t output : plan_.outputs) {
      sums_.emplace_back(
          plan_,
          std::span(structure.coef).subspan(output * structure.columns(), structure.columns()));
      const std::vector<double> background = sums_.back().OfBackground(plan_);
      std::vector<double> mean(players, 0.0);
      for (std::int64_t b = 0; b < plan_.background_rows(); ++b) {
        for (int g = 0; g < players; ++g) {
          mean[g] = std::fma(plan_.weights[b], background[b * players + g], mean[g]);
        }
      }
      intercept_.push_back(structure.intercept[output]);
      double base = intercept_.back();
      for (const double m : mean) base += m;
      base_value_.push_back(base);
      mean_.push_back(std::move(mean));
    }
  }

  std::span<const double> base_value() const override { return base_value_; }

  void Explain(std::span<const double> x, std::int64_t rows, const std::function<void()>& check,
               Attributions& out) const override {
    const int players = plan_.players();
    const auto outputs = static_cast<std::int64_t>(plan_.outputs.size());
    out.Resize(rows, outputs, players, plan_.interactions);  // of which a sum has none
    std::vector<double> a(players);
    const auto varying = std::make_unique<bool[]>(players);
    for (std::int64_t r = 0; r < rows; ++r) {
      if (r % 4096 == 0) check();
      const double* row = &x[r * plan_.columns];
      varying_.Of(row, {varying.get(), static_cast<std::size_t>(players)});
      for (std::int64_t k = 0; k < outputs; ++k) {
        sums_[k].Of(row, a);
        const std::span phi = std::span(out.phi).subspan((r * outputs + k) * players, players);
        double prediction = intercept_[k];
        for (int g = 0; g < players; ++g) {
          prediction += a[g];
          phi[g] = a[g] - mean_[k][g];
        }
        out.prediction[r * outputs + k] = prediction;
        if (!std::isfinite(prediction)) {
          out.Fail(r, k, "its margin is not a finite number");
          continue;
        }
        CloseToTotal(prediction - base_value_[k], {varying.get(), std::size_t(players)}, phi);
      }
    }
    out.model_evaluations = rows;
  }

 private:
  const Plan plan_;
  Varying varying_;
  std::vector<GroupSums> sums_;  // one an output
  std::vector<std::vector<double>> mean_;
  std::vector<double> intercept_;
  std::vector<double> base_value_;
};

// One output that is a sigmoid game seen directly, or its mirror image: 1 - p, whose logit is the
// negative.
struct GameOutput {
  int game;
  bool mirrored;
};

class SigmoidExplainer final : public Explainer {
 public:
  SigmoidExplainer(const Plan& plan, const model::LinearStructure& structure)
      : plan_(plan), varying_(plan_) {
    const std::int64_t columns = structure.columns();
    const bool two = structure.activation == model::Activation::kSoftmax;
    for (const std::int32_t output : plan_.outputs) {
      const std::span own = std::span(structure.coef).subspan(output * columns, columns);
      std::vector<double> coef(own.begin(), own.end());
      double intercept = structure.intercept[output];
      if (two) {  // softmax of two is the sigmoid of the difference
        for (std::int64_t c = 0; c < columns; ++c) {
          coef[c] -= structure.coef[(1 - output) * columns + c];
        }
        intercept -= structure.intercept[1 - output];
      }
      outputs_.push_back(GameOf(std::move(coef), intercept));
      const double base = games_[outputs_.back().game]->base_value();
      base_value_.push_back(outputs_.back().mirrored ? Mirror(base) : base);
    }
  }

  std::span<const double> base_value() const override { return base_value_; }

  void Explain(std::span<const double> x, std::int64_t rows, const std::function<void()>& check,
               Attributions& out) const override {
    const auto outputs = static_cast<std::int64_t>(outputs_.size());
    out.Resize(rows, outputs, plan_.players());
    for (std::int64_t begin = 0; begin < rows; begin += SigmoidGame::kBlock) {
      const auto count =
          static_cast<int>(std::min<std::int64_t>(SigmoidGame::kBlock, rows - begin));
      for (std::size_t game = 0; game < games_.size(); ++game) {
        ExplainBlock(static_cast<int>(game), x.subspan(begin * plan_.columns), begin, count, check,
                     out);
      }
    }
    out.model_evaluations = rows * static_cast<std::int64_t>(games_.size());
  }

 private:
  // The game of one output: an earlier one where that is the same or, as P(class 0) is to P(class
  // 1), its mirror image.
  GameOutput GameOf(std::vector<double> coef, double intercept) {
    std::vector<double> mirrored(coef);
    for (double& c : mirrored) c = -c;
    for (std::size_t game = 0; game < margins_.size(); ++game) {
      if (margins_[game] == std::pair(coef, intercept)) return {static_cast<int>(game), false};
      if (margins_[game] == std::pair(mirrored, -intercept)) return {static_cast<int>(game), true};
    }
    sums_.emplace_back(plan_, coef);
    games_.push_back(std::make_unique<SigmoidGame>(sums_.back().OfBackground(plan_), plan_.weights,
                                                   plan_.players(), intercept, plan_.link));
    margins_.emplace_back(std::move(coef), intercept);
    return {static_cast<int>(games_.size()) - 1, false};
  }

  double Mirror(double value) const { return plan_.link == Link::kLogit ? -value : 1 - value; }

  void ExplainBlock(int game, std::span<const double> x, std::int64_t begin, int count,
                    const std::function<void()>& check, Attributions& out) const {
    constexpr int kBlock = SigmoidGame::kBlock;
    const int players = plan_.players();
    std::vector<double> a(static_cast<std::size_t>(players) * kBlock, 0.0);
    std::vector<double> sums(players);
    std::vector<bool> good(count);
    for (int r = 0; r < count; ++r) {
      sums_[game].Of(&x[r * plan_.columns], sums);
      double total = 0;
      for (const double sum : sums) total += sum;
      good[r] = std::isfinite(total);  // a row that is not stays 0 here and fails below
      for (int g = 0; g < players && good[r]; ++g) a[g * kBlock + r] = sums[g];
    }
    std::vector<double> prediction(count);
    std::vector<double> phi(static_cast<std::size_t>(count) * players);
    games_[game]->ExplainBlock(a, count, check, prediction, phi);
    const auto outputs = static_cast<std::int64_t>(outputs_.size());
    const auto varying = std::make_unique<bool[]>(players);
    const double base = games_[game]->base_value();
    for (int r = 0; r < count; ++r) {
      const std::span own = std::span(phi).subspan(static_cast<std::size_t>(r) * players, players);
      varying_.Of(&x[r * plan_.columns], {varying.get(), static_cast<std::size_t>(players)});
      CloseToTotal(prediction[r] - base, {varying.get(), static_cast<std::size_t>(players)}, own);
      for (std::int64_t k = 0; k < outputs; ++k) {
        if (outputs_[k].game != game) continue;
        const std::int64_t at = (begin + r) * outputs + k;
        const std::span to = std::span(out.phi).subspan(at * players, players);
        if (!good[r]) {
          out.Fail(begin + r, k, "its margin is not a finite number");
          continue;
        }
        const bool mirrored = outputs_[k].mirrored;
        out.prediction[at] = mirrored ? Mirror(prediction[r]) : prediction[r];
        for (int g = 0; g < players; ++g) to[g] = mirrored ? -own[g] : own[g];
      }
    }
  }

  const Plan plan_;
  Varying varying_;
  std::vector<std::pair<std::vector<double>, double>> margins_;  // coefficients and intercept
  std::vector<GroupSums> sums_;                                  // one a game, as the one above
  std::vector<std::unique_ptr<SigmoidGame>> games_;
  std::vector<GameOutput> outputs_;
  std::vector<double> base_value_;
};

}  // namespace

bool IsClosedForm(const model::LinearStructure& structure, bool margin, Link link) {
  return link == Link::kIdentity &&
         (margin || structure.activation == model::Activation::kIdentity);
}

std::shared_ptr<const Explainer> MakeLinearExplainer(const Plan& plan,
                                                     const model::LinearStructure& structure) {
  const bool identity = plan.margin || structure.activation == model::Activation::kIdentity;
  if (identity) {
    if (plan.link == Link::kLogit) {
      throw Error(ErrorCode::kInvalidInput,
                  "link logit needs probabilities, but the model's output is a margin; use --link "
                  "identity");
    }
    return std::make_shared<IdentityExplainer>(plan, structure);
  }
  if (structure.activation == model::Activation::kSigmoid || structure.outputs() == 2) {
    return std::make_shared<SigmoidExplainer>(plan, structure);
  }
  return MakeSoftmaxExplainer(plan, structure);
}

}  // namespace windlass::explain
