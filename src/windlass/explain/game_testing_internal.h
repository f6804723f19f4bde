// Models, plans and brute force for tests of the explainers.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "windlass/base/random.h"
#include "windlass/explain/explainer.h"
#include "windlass/explain/plan.h"
#include "windlass/explain/shapley.h"
#include "windlass/model/model.h"

namespace windlass::explain {

// Any function of a row as a model, which counts its calls.
class FunctionModel final : public model::Model {
 public:
  using Function = std::function<void(std::span<const double> x, std::span<double> out)>;

  FunctionModel(std::int64_t columns, int outputs, Function function)
      : columns_(columns), outputs_(outputs), function_(std::move(function)) {}

  std::int64_t columns() const override { return columns_; }
  std::vector<std::string> output_names() const override {
    std::vector<std::string> names;
    for (int k = 0; k < outputs_; ++k) names.push_back(std::to_string(k));
    return names;
  }
  void Predict(std::span<const double> x, std::int64_t rows, std::span<double> out) const override {
    {
      const std::lock_guard lock(mutex_);  // tests explain from several threads
      calls.push_back(rows);
    }
    for (std::int64_t r = 0; r < rows; ++r) {
      function_(x.subspan(r * columns_, columns_), out.subspan(r * outputs_, outputs_));
    }
  }

  mutable std::vector<std::int64_t> calls;  // rows of each call of Predict

 private:
  std::int64_t columns_;
  int outputs_;
  Function function_;
  mutable std::mutex mutex_;  // guards calls while Predict runs
};

inline std::vector<double> RandomValues(std::size_t count, Random& random, double low = -1,
                                        double high = 1) {
  std::vector<double> values(count);
  for (double& value : values) value = low + (high - low) * random.Uniform();
  return values;
}

// Values on a coarse grid, so that rows agree in some columns.
inline std::vector<double> CoarseValues(std::size_t count, Random& random, int levels = 3) {
  std::vector<double> values(count);
  for (double& value : values) value = static_cast<double>(random.Below(levels));
  return values;
}

// A smooth function with interactions of all orders, into (0, 1). Output k differs by k.
inline FunctionModel::Function Wavy(std::uint64_t seed, std::int64_t columns) {
  Random random(seed, 77);
  const std::vector<double> a = RandomValues(columns, random);
  const std::vector<double> b = RandomValues(columns, random);
  return [a, b](std::span<const double> x, std::span<double> out) {
    double sum = 0.2;
    double product = 1;
    for (std::size_t c = 0; c < x.size(); ++c) {
      sum += a[c] * x[c];
      product *= 1 + 0.4 * std::sin(b[c] * x[c]);
    }
    for (std::size_t k = 0; k < out.size(); ++k) {
      const double margin = sum - 0.3 * static_cast<double>(k) + 0.5 * product;
      out[k] = 1 / (1 + std::exp(-margin));
    }
  };
}

inline Plan PlanOf(std::int64_t columns, int players, std::vector<double> background,
                   Method method) {
  Plan plan;
  plan.columns = columns;
  plan.background = std::move(background);
  const std::size_t rows = plan.background.size() / columns;
  plan.weights.assign(rows, 1.0 / static_cast<double>(rows));
  plan.groups.resize(players);
  for (std::int64_t c = 0; c < columns; ++c) {
    plan.groups[c % players].push_back(static_cast<std::int32_t>(c));
  }
  plan.outputs = {0};
  plan.method = method;
  return plan;
}

inline std::unique_ptr<FunctionModel> ModelOf(const Plan& plan, FunctionModel::Function function,
                                              int outputs = 1) {
  return std::make_unique<FunctionModel>(plan.columns, outputs, std::move(function));
}

inline double LinkOf(const Plan& plan, double value) {
  return plan.link == Link::kLogit ? std::log(value / (1 - value)) : value;
}

// The game on every coalition, term by term. Shape [2^players].
inline std::vector<double> NaiveGame(const Plan& plan, const FunctionModel::Function& function,
                                     int outputs, int output, std::span<const double> x) {
  std::vector<double> v(std::size_t{1} << plan.players());
  std::vector<double> row(plan.columns);
  std::vector<double> out(outputs);
  for (std::size_t s = 0; s < v.size(); ++s) {
    double sum = 0;
    for (std::int64_t b = 0; b < plan.background_rows(); ++b) {
      for (int g = 0; g < plan.players(); ++g) {
        for (const std::int32_t c : plan.groups[g]) {
          row[c] = s >> g & 1 ? x[c] : plan.background[b * plan.columns + c];
        }
      }
      function(row, out);
      sum += plan.weights[b] * out[output];
    }
    v[s] = LinkOf(plan, sum);
  }
  return v;
}

// Shapley's formula as it is written.
inline std::vector<double> NaiveShapley(std::span<const double> v, int players) {
  std::vector<double> phi(players, 0.0);
  const std::vector<double> weights = ShapleyWeights(players);
  for (std::size_t s = 0; s < v.size(); ++s) {
    for (int g = 0; g < players; ++g) {
      const std::size_t bit = std::size_t{1} << g;
      if ((s & bit) == 0) phi[g] += weights[std::popcount(s)] * (v[s | bit] - v[s]);
    }
  }
  return phi;
}

inline Attributions ExplainAll(const Explainer& explainer, const Plan& plan,
                               std::span<const double> x) {
  Attributions out;
  explainer.Explain(
      x, std::ssize(x) / plan.columns, [] {}, out);
  return out;
}

}  // namespace windlass::explain
