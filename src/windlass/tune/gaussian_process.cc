#include "windlass/tune/gaussian_process.h"

#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "windlass/base/vector_math.h"

namespace windlass::tune {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

std::size_t PanelIndex(int row, int width) {
  return static_cast<std::size_t>(row) * static_cast<std::size_t>(width);
}

}  // namespace

double Matern(double squared_distance) {
  const double s = std::sqrt(5 * squared_distance);
  return (1 + s + s * s / 3) * Exp(-s);
}

double MaternSlope(double squared_distance) {
  const double s = std::sqrt(5 * squared_distance);
  return -5.0 / 6.0 * (1 + s) * Exp(-s);
}

GaussianProcess::GaussianProcess(FeatureGroups groups, KernelParameters parameters)
    : groups_(std::move(groups)), parameters_(std::move(parameters)) {
  for (const int group : groups_.group) {
    inverse_lengths_.push_back(1 / parameters_.lengths[static_cast<std::size_t>(group)]);
  }
}

std::vector<double> GaussianProcess::Scale(std::span<const double> points, int count) const {
  const int features = groups_.features(), width = PanelWidth(count);
  std::vector<double> scaled(PanelIndex(features, width));
  for (int i = 0; i < count; ++i) {
    for (int f = 0; f < features; ++f) {
      const auto at = static_cast<std::size_t>(f);
      scaled[PanelIndex(f, width) + static_cast<std::size_t>(i)] =
          points[PanelIndex(i, features) + at] * inverse_lengths_[at];
    }
  }
  return scaled;
}

void GaussianProcess::Covariances(std::span<const double> scaled, int width, int size,
                                  double* panel) const {
  const hn::CappedTag<double, kPanelLanes> d;
  const int features = groups_.features();
  const auto five = hn::Set(d, 5.0), third = hn::Set(d, 1.0 / 3.0), one = hn::Set(d, 1.0);
  for (int j = 0; j < size; ++j) {
    const double* point = points_.data() + PanelIndex(j, features);
    for (int lane = 0; lane < width; lane += kPanelLanes) {
      auto square = hn::Zero(d);
      for (int f = 0; f < features; ++f) {
        const auto difference = hn::Sub(hn::LoadU(d, scaled.data() + PanelIndex(f, width) + lane),
                                        hn::Set(d, point[f]));
        square = hn::MulAdd(difference, difference, square);
      }
      const auto s = hn::Sqrt(hn::Mul(five, square));
      const auto polynomial = hn::MulAdd(s, hn::MulAdd(s, third, one), one);
      hn::StoreU(hn::Mul(polynomial, vector_math::Exp(d, hn::Neg(s))), d,
                 panel + PanelIndex(j, width) + lane);
    }
  }
}

void GaussianProcess::Append(std::span<const double> points, int count) {
  constexpr int kBlock = 48;
  const int features = groups_.features();
  for (int first = 0; first < count; first += kBlock) {
    const int block = std::min(kBlock, count - first);
    const int width = PanelWidth(block), size = factor_.size();
    const std::vector<double> scaled =
        Scale(points.subspan(PanelIndex(first, features), PanelIndex(block, features)), block);
    points_.resize(PanelIndex(size, features));
    for (int i = 0; i < block; ++i) {
      for (int f = 0; f < features; ++f) {
        points_.push_back(scaled[PanelIndex(f, width) + static_cast<std::size_t>(i)]);
      }
    }
    std::vector<double> panel(PanelIndex(size + block, width));
    Covariances(scaled, width, size + block, panel.data());
    for (int i = 0; i < block; ++i) {
      panel[PanelIndex(size + i, width) + static_cast<std::size_t>(i)] = 1 + parameters_.noise;
    }
    factor_.Append(panel, block, kLeastPivot);
  }
  weights_.resize(static_cast<std::size_t>(factor_.size()));  // zeros: believed
}

void GaussianProcess::Truncate(int size) {
  factor_.Truncate(size);
  points_.resize(PanelIndex(size, groups_.features()));
  weights_.resize(static_cast<std::size_t>(size));
}

void GaussianProcess::SetTargets(std::span<const double> targets) {
  const int n = factor_.size();
  targets_.assign(targets.begin(), targets.end());
  if (n == 0) return;
  std::vector<double> panel(PanelIndex(n, kPanelLanes));
  for (int i = 0; i < n; ++i) {
    panel[PanelIndex(i, kPanelLanes)] = targets[static_cast<std::size_t>(i)];
    panel[PanelIndex(i, kPanelLanes) + 1] = 1;
  }
  factor_.SolveLower(panel.data(), kPanelLanes);
  double ones = 0, both = 0;
  for (int i = 0; i < n; ++i) {
    const double* row = panel.data() + PanelIndex(i, kPanelLanes);
    ones += row[1] * row[1];
    both += row[0] * row[1];
  }
  mean_ = both / ones;
  double squares = 0;
  for (int i = 0; i < n; ++i) {
    const double* row = panel.data() + PanelIndex(i, kPanelLanes);
    const double rest = row[0] - mean_ * row[1];
    squares += rest * rest;
    weights_[static_cast<std::size_t>(i)] = rest;
  }
  factor_.SolveUpper(weights_);
  signal_ = (squares + 1) / (n + 1);
}

void GaussianProcess::Means(std::span<const double> points, int count,
                            std::span<double> means) const {
  const hn::CappedTag<double, kPanelLanes> d;
  const int width = PanelWidth(count), n = factor_.size();
  const std::vector<double> scaled = Scale(points, count);
  std::vector<double> panel(PanelIndex(n, width)), sums(static_cast<std::size_t>(width));
  Covariances(scaled, width, n, panel.data());
  for (int lane = 0; lane < width; lane += kPanelLanes) {
    auto sum = hn::Set(d, mean_);
    for (int j = 0; j < n; ++j) {
      sum = hn::MulAdd(hn::Set(d, weights_[static_cast<std::size_t>(j)]),
                       hn::LoadU(d, panel.data() + PanelIndex(j, width) + lane), sum);
    }
    hn::StoreU(sum, d, sums.data() + lane);
  }
  std::copy_n(sums.begin(), count, means.begin());
}

void GaussianProcess::Variances(std::span<const double> points, int count,
                                std::span<double> variances) const {
  const hn::CappedTag<double, kPanelLanes> d;
  const int width = PanelWidth(count), n = factor_.size();
  const std::vector<double> scaled = Scale(points, count);
  std::vector<double> panel(PanelIndex(n, width)), sums(static_cast<std::size_t>(width));
  Covariances(scaled, width, n, panel.data());
  factor_.SolveLower(panel.data(), width);
  for (int lane = 0; lane < width; lane += kPanelLanes) {
    auto rest = hn::Set(d, 1.0);
    for (int j = 0; j < n; ++j) {
      const auto value = hn::LoadU(d, panel.data() + PanelIndex(j, width) + lane);
      rest = hn::NegMulAdd(value, value, rest);
    }
    hn::StoreU(rest, d, sums.data() + lane);
  }
  for (int i = 0; i < count; ++i) {
    const auto at = static_cast<std::size_t>(i);
    variances[at] = signal_ * std::max(sums[at], 0.0);
  }
}

double GaussianProcess::Mean(std::span<const double> point) const {
  double mean = 0;
  Means(point, 1, {&mean, 1});
  return mean;
}

void GaussianProcess::AddSlopes(std::span<const double> scaled, std::span<const double> weights,
                                std::span<double> slopes) const {
  // `scaled` has one point in the first lane of each row.
  const int features = groups_.features();
  std::vector<double> sums(static_cast<std::size_t>(features));
  std::vector<double> squares(weights.size());
  for (std::size_t j = 0; j < weights.size(); ++j) {
    const double* point = points_.data() + PanelIndex(static_cast<int>(j), features);
    double square = 0;
    for (int f = 0; f < features; ++f) {
      const double difference = scaled[PanelIndex(f, kPanelLanes)] - point[f];
      square = __builtin_fma(difference, difference, square);
    }
    squares[j] = square;
  }
  const hn::CappedTag<double, kPanelLanes> d;
  const auto one = hn::Set(d, 1.0);
  squares.resize(PanelIndex(PanelWidth(static_cast<int>(weights.size())), 1));
  for (std::size_t j = 0; j < squares.size(); j += kPanelLanes) {
    const auto s = hn::Sqrt(hn::Mul(hn::Set(d, 5.0), hn::LoadU(d, squares.data() + j)));
    const auto slope = hn::Mul(hn::Add(one, s), vector_math::Exp(d, hn::Neg(s)));
    hn::StoreU(hn::Mul(hn::Set(d, -5.0 / 3.0), slope), d, squares.data() + j);
  }
  for (std::size_t j = 0; j < weights.size(); ++j) {
    const double* point = points_.data() + PanelIndex(static_cast<int>(j), features);
    const double factor = weights[j] * squares[j];
    for (int f = 0; f < features; ++f) {
      const auto at = static_cast<std::size_t>(f);
      sums[at] = __builtin_fma(factor, scaled[PanelIndex(f, kPanelLanes)] - point[f], sums[at]);
    }
  }
  for (std::size_t f = 0; f < sums.size(); ++f) slopes[f] += sums[f] * inverse_lengths_[f];
}

void GaussianProcess::AddMeanSlopes(std::span<const double> point, double weight,
                                    std::span<double> slopes) const {
  std::vector<double> own(slopes.size());
  AddSlopes(Scale(point, 1), weights_, own);
  for (std::size_t f = 0; f < own.size(); ++f) slopes[f] += weight * own[f];
}

double GaussianProcess::Variance(std::span<const double> point, std::span<double> slopes) const {
  const int n = factor_.size();
  const std::vector<double> scaled = Scale(point, 1);
  std::vector<double> panel(PanelIndex(n, kPanelLanes)), solved(static_cast<std::size_t>(n));
  Covariances(scaled, kPanelLanes, n, panel.data());
  factor_.SolveLower(panel.data(), kPanelLanes);
  double rest = 1;
  for (int j = 0; j < n; ++j) {
    const double value = panel[PanelIndex(j, kPanelLanes)];
    solved[static_cast<std::size_t>(j)] = value;
    rest = __builtin_fma(-value, value, rest);
  }
  factor_.SolveUpper(solved);
  for (double& value : solved) value *= -2 * signal_;
  std::ranges::fill(slopes, 0.0);
  AddSlopes(scaled, solved, slopes);
  return signal_ * std::max(rest, 0.0);
}

double GaussianProcess::MeanAt(int index) const {
  const auto at = static_cast<std::size_t>(index);
  return targets_[at] - parameters_.noise * weights_[at];
}

}  // namespace windlass::tune
