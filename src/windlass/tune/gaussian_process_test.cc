#include "windlass/tune/gaussian_process.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "windlass/base/random.h"
#include "windlass/tune/kernel_fit.h"

namespace windlass::tune {
namespace {

using DenseMatrix = std::vector<std::vector<double>>;

// Gauss-Jordan elimination with pivots: as naive as can be, and nothing of ours.
DenseMatrix Inverse(DenseMatrix a) {
  const std::size_t n = a.size();
  DenseMatrix inverse(n, std::vector<double>(n));
  for (std::size_t i = 0; i < n; ++i) inverse[i][i] = 1;
  for (std::size_t i = 0; i < n; ++i) {
    std::size_t pivot = i;
    for (std::size_t r = i; r < n; ++r) {
      if (std::abs(a[r][i]) > std::abs(a[pivot][i])) pivot = r;
    }
    std::swap(a[i], a[pivot]);
    std::swap(inverse[i], inverse[pivot]);
    const double scale = 1 / a[i][i];
    for (std::size_t c = 0; c < n; ++c) {
      a[i][c] *= scale;
      inverse[i][c] *= scale;
    }
    for (std::size_t r = 0; r < n; ++r) {
      if (r == i) continue;
      const double factor = a[r][i];
      for (std::size_t c = 0; c < n; ++c) {
        a[r][c] -= factor * a[i][c];
        inverse[r][c] -= factor * inverse[i][c];
      }
    }
  }
  return inverse;
}

struct Data {
  FeatureGroups groups;
  KernelParameters parameters;
  std::vector<double> points;
  std::vector<double> targets;
};

Data RandomData(int n, std::uint64_t seed) {
  Data data;
  data.groups = {{0, 1, 1, 2}, 3};
  data.parameters = {{0.3, 0.8, 1.7}, 1e-4};
  Random random(seed, 0);
  for (int i = 0; i < n; ++i) {
    double sum = 0;
    for (int f = 0; f < 4; ++f) {
      data.points.push_back(random.Uniform());
      sum += std::sin(3 * data.points.back() * (f + 1));
    }
    data.targets.push_back(sum / 2 + 0.01 * random.Uniform());
  }
  return data;
}

double DenseKernel(const Data& data, const double* a, const double* b) {
  double square = 0;
  for (std::size_t f = 0; f < 4; ++f) {
    const double length = data.parameters.lengths[static_cast<std::size_t>(data.groups.group[f])];
    square += (a[f] - b[f]) * (a[f] - b[f]) / (length * length);
  }
  const double s = std::sqrt(5 * square);
  return (1 + s + s * s / 3) * std::exp(-s);
}

// Mean, signal and posterior as the textbook has them.
struct Dense {
  explicit Dense(const Data& data) : data(data) {
    const std::size_t n = data.targets.size();
    DenseMatrix k(n, std::vector<double>(n));
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        k[i][j] = DenseKernel(data, &data.points[4 * i], &data.points[4 * j]);
      }
      k[i][i] += data.parameters.noise;
    }
    inverse = Inverse(k);
    double ones = 0, both = 0;
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        ones += inverse[i][j];
        both += inverse[i][j] * data.targets[j];
      }
    }
    mean = both / ones;
    double squares = 0;
    weights.resize(n);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) weights[i] += inverse[i][j] * (data.targets[j] - mean);
      squares += weights[i] * (data.targets[i] - mean);
    }
    signal = (squares + 1) / static_cast<double>(n + 1);
  }

  std::pair<double, double> At(const double* point) const {
    const std::size_t n = data.targets.size();
    std::vector<double> k(n);
    double at = mean, explained = 0;
    for (std::size_t i = 0; i < n; ++i) {
      k[i] = DenseKernel(data, point, &data.points[4 * i]);
      at += k[i] * weights[i];
    }
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) explained += k[i] * inverse[i][j] * k[j];
    }
    return {at, signal * (1 - explained)};
  }

  const Data& data;
  DenseMatrix inverse;
  std::vector<double> weights;
  double mean, signal;
};

TEST(GaussianProcess, EqualsADenseReference) {
  for (const int n : {1, 2, 7, 60, 300}) {
    const Data data = RandomData(n, static_cast<std::uint64_t>(n));
    const Dense dense(data);
    GaussianProcess process(data.groups, data.parameters);
    // Grown in pieces, with some points added and taken back on the way.
    const int first = (n + 1) / 2;
    process.Append(data.points, first);
    process.Append(RandomData(5, 99).points, 5);
    process.Truncate(first);
    for (int i = first; i < n; ++i) {
      process.Append(std::span(data.points).subspan(static_cast<std::size_t>(4 * i), 4), 1);
    }
    process.SetTargets(data.targets);
    EXPECT_NEAR(process.mean(), dense.mean, 1e-8);
    EXPECT_NEAR(process.signal(), dense.signal, 1e-8 * dense.signal);
    const int count = 53;
    const Data other = RandomData(count, 1000);
    std::vector<double> means(53), variances(53), slopes(4);
    process.Means(other.points, count, means);
    process.Variances(other.points, count, variances);
    for (std::size_t i = 0; i < 53; ++i) {
      const auto [mean, variance] = dense.At(&other.points[4 * i]);
      EXPECT_NEAR(means[i], mean, 1e-8);
      EXPECT_NEAR(variances[i], variance, 1e-8);
      // One alone has the bits that it has beside others.
      const std::span<const double> point = std::span(other.points).subspan(4 * i, 4);
      EXPECT_EQ(process.Mean(point), means[i]);
      EXPECT_EQ(process.Variance(point, slopes), variances[i]);
    }
    for (int i = 0; i < n; ++i) {
      EXPECT_NEAR(process.MeanAt(i), dense.At(&data.points[static_cast<std::size_t>(4 * i)]).first,
                  1e-7);
    }
  }
}

TEST(GaussianProcess, SlopesAreThoseOfThePosterior) {
  const Data data = RandomData(40, 5);
  GaussianProcess process(data.groups, data.parameters);
  process.Append(data.points, 40);
  process.SetTargets(data.targets);
  std::vector<double> unused(4), variance_slopes(4), mean_slopes(4);
  std::vector<double> point = {0.31, 0.62, 0.23, 0.84};
  process.Variance(point, variance_slopes);
  process.AddMeanSlopes(point, 1, mean_slopes);
  for (std::size_t f = 0; f < 4; ++f) {
    const double h = 1e-5;
    std::vector<double> low = point, high = point;
    low[f] -= h;
    high[f] += h;
    EXPECT_NEAR(mean_slopes[f], (process.Mean(high) - process.Mean(low)) / (2 * h), 1e-6);
    EXPECT_NEAR(variance_slopes[f],
                (process.Variance(high, unused) - process.Variance(low, unused)) / (2 * h), 1e-6);
  }
}

TEST(GaussianProcess, BelievedPointsLeaveTheMeanAndTakeTheVariance) {
  const Data data = RandomData(30, 6), more = RandomData(3, 7);
  GaussianProcess process(data.groups, data.parameters);
  process.Append(data.points, 30);
  process.SetTargets(data.targets);
  const std::span<const double> point = std::span(more.points).first(4);
  std::vector<double> slopes(4);
  const double mean = process.Mean(point);
  process.Append(more.points, 3);
  EXPECT_EQ(process.Mean(point), mean);
  EXPECT_LT(process.Variance(point, slopes), 2e-4 * process.signal());
}

TEST(GaussianProcess, EqualPointsAndTargetsAreNoTrouble) {
  const FeatureGroups groups{{0}, 1};
  GaussianProcess process(groups, {{0.5}, 1e-9});
  const std::vector<double> points(200, 0.25), targets(200, 0.0);
  process.Append(points, 200);
  process.SetTargets(targets);
  std::vector<double> slopes(1);
  for (const double x : {0.0, 0.25, 0.9}) {
    EXPECT_EQ(process.Mean({&x, 1}), 0);
    EXPECT_TRUE(std::isfinite(process.Variance({&x, 1}, slopes)));
    EXPECT_TRUE(std::isfinite(slopes[0]));
  }
  const KernelFit fit = FitKernel(groups, points, targets, TypicalParameters(1), 30);
  EXPECT_TRUE(std::isfinite(fit.posterior));
}

TEST(KernelFit, SlopesAreThoseOfTheLikelihood) {
  for (const int n : {3, 20, 101}) {
    const Data data = RandomData(n, 8);
    const std::vector<double> logs = {-1.1, 0.2, 0.5, -5};
    const Likelihood at = LogLikelihood(data.groups, data.points, data.targets, logs);
    for (std::size_t i = 0; i < logs.size(); ++i) {
      const double h = 1e-5;
      std::vector<double> low = logs, high = logs;
      low[i] -= h;
      high[i] += h;
      const double slope = (LogLikelihood(data.groups, data.points, data.targets, high).posterior -
                            LogLikelihood(data.groups, data.points, data.targets, low).posterior) /
                           (2 * h);
      EXPECT_NEAR(at.slopes[i], slope, 1e-4 * (1 + std::abs(slope))) << n << " " << i;
    }
  }
}

TEST(KernelFit, FindsWhatMatters) {
  Data data = RandomData(80, 9);
  for (std::size_t i = 0; i < 80; ++i) data.targets[i] = std::sin(9 * data.points[4 * i]);
  const KernelFit fit = FitKernel(data.groups, data.points, data.targets, TypicalParameters(3), 60);
  EXPECT_LT(fit.parameters.lengths[0], 2);
  EXPECT_GT(fit.parameters.lengths[1], 5 * fit.parameters.lengths[0]);
  EXPECT_GT(fit.parameters.lengths[2], 5 * fit.parameters.lengths[0]);
  EXPECT_LT(fit.parameters.noise, 1e-4);
}

}  // namespace
}  // namespace windlass::tune
