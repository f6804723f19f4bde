#include "windlass/tune/parzen.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace windlass::tune {
namespace {

struct Sample {
  Space space;
  std::vector<ParzenAxis> axes;
  std::vector<std::vector<double>> rows;
  std::vector<const double*> points;
  std::vector<double> weights;
};

Sample MakeSample(std::size_t n) {
  Sample sample{Space::Parse({{"a", {{"type", "float"}, {"low", 0}, {"high", 1}}},
                              {"b", {{"type", "integer"}, {"low", 1}, {"high", 9}, {"log", true}}},
                              {"c", {{"type", "categorical"}, {"choices", {"x", "y", "z"}}}},
                              {"d", {{"type", "integer"}, {"low", 0}, {"high", 1000}}}}),
                {},
                {},
                {},
                {}};
  for (int i = 0; i < 4; ++i) sample.axes.emplace_back(sample.space[i], i);
  Random random(n, 0);
  for (std::size_t i = 0; i < n; ++i) {
    sample.rows.push_back(sample.space.ToUnit(sample.space.Sample(random)));
    sample.weights.push_back(0.5 + random.Uniform());
  }
  for (const auto& row : sample.rows) sample.points.push_back(row.data());
  return sample;
}

// The same density, written down kernel by kernel with libm.
double Reference(const Sample& sample, const ParzenOptions& options,
                 const std::vector<double>& at) {
  const std::size_t n = sample.points.size();
  double total = 0;
  for (const double w : sample.weights) total += w;
  const double prior = n == 0 ? 1 : total / static_cast<double>(n);
  const std::array<double, 3> steps = {1.0 / 3, 1.0 / 3, 1.0 / 3};
  const auto widths = sample.axes[1].widths;
  const auto index = [&](const ParzenAxis& axis, double u) {
    std::size_t best = 0;
    for (std::size_t k = 0; k < axis.middles.size(); ++k) {
      if (std::abs(axis.middles[k] - u) < std::abs(axis.middles[best] - u)) best = k;
    }
    return best;
  };
  double density =
      prior * widths[index(sample.axes[1], at[1])] * steps[index(sample.axes[2], at[2])];
  for (std::size_t j = 0; j < n; ++j) {
    double kernel = sample.weights[j];
    for (std::size_t i = 0; i < 4; ++i) {
      const ParzenAxis& axis = sample.axes[i];
      const double u = at[i], centre = sample.rows[j][i];
      double mean = 0, squares = 0;
      for (const auto& row : sample.rows) mean += row[i] / static_cast<double>(n);
      for (const auto& row : sample.rows) squares += (row[i] - mean) * (row[i] - mean);
      const double deviation = std::clamp(
          options.bandwidth * std::sqrt(squares / std::max(1.0, static_cast<double>(n) - 1)) *
              std::pow(static_cast<double>(n), -1.0 / 8),
          std::max(options.least,
                   axis.middles.empty() ? 0 : 0.4 / static_cast<double>(axis.middles.size())),
          1.0);
      const auto normal = [&](double x) {
        return std::exp(-0.5 * std::pow((x - centre) / deviation, 2));
      };
      const auto cdf = [&](double x) {
        return 0.5 * std::erfc((centre - x) / deviation / std::sqrt(2.0));
      };
      if (axis.middles.empty()) {
        kernel *= normal(u) / (deviation * std::sqrt(2 * std::acos(-1.0)) * (cdf(1) - cdf(0)));
      } else if (axis.ordered) {
        double mass = 0;
        for (std::size_t k = 0; k < axis.middles.size(); ++k) {
          mass += axis.widths[k] * normal(axis.middles[k]);
        }
        kernel *= axis.widths[index(axis, u)] * normal(u) / mass;
      } else {
        const double other = options.smoothing / (static_cast<double>(n) + 1);
        const bool same = index(axis, u) == index(axis, centre);
        kernel *= (other + (same ? 1 : 0)) / (1 + 3 * other);
      }
    }
    density += kernel;
  }
  return std::log(density / (total + prior));
}

TEST(Parzen, LogDensityAgainstOneKernelAtATime) {
  for (const std::size_t n : {0U, 1U, 2U, 3U, 4U, 5U, 37U, 200U}) {
    const Sample sample = MakeSample(n);
    const ParzenOptions options{0.5, 0.02, 4};
    const Parzen parzen(sample.axes, sample.points, sample.weights, options);
    Random random(99, n);
    for (int i = 0; i < 50; ++i) {
      const std::vector<double> at = sample.space.ToUnit(sample.space.Sample(random));
      const double expected = Reference(sample, options, at);
      EXPECT_NEAR(parzen.LogDensity(at), expected, 1e-11 * (1 + std::abs(expected))) << n;
    }
  }
}

// Draws follow the density: shares of boxes against its integral, here by its own draws weighted.
TEST(Parzen, DrawsFollowTheDensity) {
  const Sample sample = MakeSample(6);
  const Parzen parzen(sample.axes, sample.points, sample.weights, {0.5, 0.05, 1});
  Random random(7, 0);
  constexpr int kDraws = 100000;
  // E[f / p] over draws of p is the integral of f: of 1 over a box its volume times its values.
  double all = 0, box = 0;
  int inside = 0;
  for (int i = 0; i < kDraws; ++i) {
    std::vector<double> at(4);
    parzen.Sample(random, at);
    for (const double u : at) {
      ASSERT_GE(u, 0);
      ASSERT_LE(u, 1);
    }
    all += std::exp(-parzen.LogDensity(at));
    if (at[0] < 0.5 && at[3] > 0.25) {
      box += std::exp(-parzen.LogDensity(at));
      ++inside;
    }
  }
  EXPECT_GT(inside, kDraws / 20);
  // 9 values times 3 categories.
  EXPECT_NEAR(all / kDraws, 27, 2.7);
  EXPECT_NEAR(box / kDraws, 27 * 0.5 * 0.75, 1.5);
}

}  // namespace
}  // namespace windlass::tune
