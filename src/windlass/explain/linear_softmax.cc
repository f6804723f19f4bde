// Exact Shapley values of a softmax of three or more linear margins.
#include <algorithm>
#include <cmath>

#include "windlass/base/vector_math.h"
#include "windlass/explain/linear_internal.h"
#include "windlass/explain/shapley.h"

namespace windlass::explain {
namespace {

class SoftmaxExplainer final : public Explainer {
 public:
  SoftmaxExplainer(const Plan& plan, const model::LinearStructure& structure)
      : plan_(plan), classes_(static_cast<int>(structure.outputs())), varying_(plan_) {
    for (int j = 0; j < classes_; ++j) {
      sums_.emplace_back(
          plan_, std::span(structure.coef).subspan(j * structure.columns(), structure.columns()));
      background_.push_back(sums_.back().OfBackground(plan_));
      intercept_.push_back(structure.intercept[j]);
    }
    std::vector<double> a(static_cast<std::size_t>(classes_) * plan_.players(), 0.0);
    base_value_.resize(plan_.outputs.size());
    Values(a, 0, base_value_);
  }

  std::span<const double> base_value() const override { return base_value_; }

  void Explain(std::span<const double> x, std::int64_t rows, const std::function<void()>& check,
               Attributions& out) const override {
    const int players = plan_.players();
    const std::size_t outputs = plan_.outputs.size();
    const std::uint32_t coalitions = 1u << players;
    out.Resize(rows, static_cast<std::int64_t>(outputs), players);
    std::vector<double> a(static_cast<std::size_t>(classes_) * players);
    std::vector<double> values(outputs);
    std::vector<std::vector<double>> v(outputs, std::vector<double>(coalitions));
    const auto varying = std::make_unique<bool[]>(players);
    for (std::int64_t r = 0; r < rows; ++r) {
      const double* row = &x[r * plan_.columns];
      for (int j = 0; j < classes_; ++j) {
        sums_[j].Of(row, std::span(a).subspan(j * players, players));
      }
      for (std::uint32_t s = 0; s < coalitions; ++s) {
        if (s % 256 == 0) check();
        Values(a, s, values);
        for (std::size_t k = 0; k < outputs; ++k) v[k][s] = values[k];
      }
      varying_.Of(row, {varying.get(), static_cast<std::size_t>(players)});
      for (std::size_t k = 0; k < outputs; ++k) {
        const std::size_t at = r * outputs + k;
        const std::span phi = std::span(out.phi).subspan(at * players, players);
        out.prediction[at] = v[k].back();
        if (!std::isfinite(v[k].back())) {
          out.Fail(r, static_cast<std::int64_t>(k), "its margin is not a finite number");
          continue;
        }
        ShapleyValues(v[k], players, phi);
        CloseToTotal(v[k].back() - base_value_[k],
                     {varying.get(), static_cast<std::size_t>(players)}, phi);
      }
    }
    out.model_evaluations = rows;
  }

 private:
  // v(coalition) of every explained output. P_k = sum_b w_b e^(z_k) / sum_j e^(z_j); the logit
  // takes log P_k - log(sum of the others), each from terms that do not cancel.
  void Values(std::span<const double> a, std::uint32_t coalition, std::span<double> out) const {
    const int players = plan_.players();
    std::vector<double> margin(classes_);
    std::vector<double> inside(plan_.outputs.size(), 0.0);
    std::vector<double> outside(plan_.outputs.size(), 0.0);
    for (std::int64_t b = 0; b < plan_.background_rows(); ++b) {
      for (int j = 0; j < classes_; ++j) {
        double z = intercept_[j];
        for (int g = 0; g < players; ++g) {
          z += coalition >> g & 1 ? a[j * players + g] : background_[j][b * players + g];
        }
        margin[j] = z;
      }
      const double largest = *std::ranges::max_element(margin);
      double sum = 0;
      for (double& m : margin) {
        m = Exp(m - largest);
        sum += m;
      }
      for (std::size_t k = 0; k < out.size(); ++k) {
        double others = 0;
        for (int j = 0; j < classes_; ++j) {
          if (j != plan_.outputs[k]) others += margin[j];
        }
        inside[k] = std::fma(plan_.weights[b], margin[plan_.outputs[k]] / sum, inside[k]);
        outside[k] = std::fma(plan_.weights[b], others / sum, outside[k]);
      }
    }
    for (std::size_t k = 0; k < out.size(); ++k) {
      out[k] = plan_.link == Link::kLogit ? Log(inside[k]) - Log(outside[k]) : inside[k];
    }
  }

  const Plan plan_;
  const int classes_;
  Varying varying_;
  std::vector<GroupSums> sums_;                  // one a class
  std::vector<std::vector<double>> background_;  // one a class: [background rows, players]
  std::vector<double> intercept_;
  std::vector<double> base_value_;
};

}  // namespace

std::shared_ptr<const Explainer> MakeSoftmaxExplainer(const Plan& plan,
                                                      const model::LinearStructure& structure) {
  return std::make_shared<SoftmaxExplainer>(plan, structure);
}

}  // namespace windlass::explain
