#include "windlass/tune/kernel_fit.h"

#include <hwy/highway.h>

#include <algorithm>
#include <cmath>

#include "windlass/base/vector_math.h"
#include "windlass/tune/minimize.h"

namespace windlass::tune {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using FitLanes = hn::CappedTag<double, kPanelLanes>;

// Priors on logs: normal ones. Length-scales grow with the root of the number of groups, as
// distances do (Hvarfner et al. 2024).
constexpr double kLengthLog = -0.4;  // ln(2/3)
constexpr double kLengthSpread = 0.8;
constexpr double kNoiseLog = -13.8;  // ln(1e-6)
constexpr double kNoiseSpread = 3;
constexpr double kLeastLength = 0.005, kMostLength = 50;
constexpr double kLeastNoise = 1e-9, kMostNoise = 1;

double LengthLog(int groups) { return kLengthLog + 0.5 * Log(std::max(groups, 1)); }

std::size_t Entry(int row, int width, int column = 0) {
  return static_cast<std::size_t>(row) * static_cast<std::size_t>(width) +
         static_cast<std::size_t>(column);
}

// inverse[i][j] = (K^-1)[i][j] for j up to i and the rest of its vector, from L^-1 [n, width].
void InverseProducts(const std::vector<double>& lower, int n, int width,
                     std::vector<double>& inverse) {
  const FitLanes d;
  constexpr int kRows = 4, kVectors = 2;
  for (int i = 0; i < n; i += kRows) {
    const int rows = std::min(kRows, n - i);
    for (int j = 0; j < i + rows; j += kVectors * kPanelLanes) {
      const int vectors = std::min(kVectors, (width - j) / kPanelLanes);
      hn::Vec<FitLanes> sums[kRows][kVectors];
      for (auto& row : sums) {
        for (auto& sum : row) sum = hn::Zero(d);
      }
      if (rows == kRows && vectors == kVectors) {
        for (int k = i; k < n; ++k) {
          const double* row = lower.data() + Entry(k, width);
          const auto a = hn::LoadU(d, row + j), b = hn::LoadU(d, row + j + kPanelLanes);
          for (int r = 0; r < kRows; ++r) {
            const auto factor = hn::Set(d, row[i + r]);
            sums[r][0] = hn::MulAdd(factor, a, sums[r][0]);
            sums[r][1] = hn::MulAdd(factor, b, sums[r][1]);
          }
        }
      } else {
        for (int k = i; k < n; ++k) {
          const double* row = lower.data() + Entry(k, width);
          for (int r = 0; r < rows; ++r) {
            for (int v = 0; v < vectors; ++v) {
              sums[r][v] = hn::MulAdd(hn::Set(d, row[i + r]),
                                      hn::LoadU(d, row + j + v * kPanelLanes), sums[r][v]);
            }
          }
        }
      }
      for (int r = 0; r < rows; ++r) {
        for (int v = 0; v < vectors; ++v) {
          hn::StoreU(sums[r][v], d, inverse.data() + Entry(i + r, width, j + v * kPanelLanes));
        }
      }
    }
  }
}

}  // namespace

std::vector<double> ToLogs(const KernelParameters& parameters) {
  std::vector<double> logs;
  for (const double length : parameters.lengths) logs.push_back(Log(length));
  logs.push_back(Log(parameters.noise));
  return logs;
}

KernelParameters FromLogs(std::span<const double> logs) {
  KernelParameters parameters;
  for (const double log : logs.first(logs.size() - 1)) parameters.lengths.push_back(Exp(log));
  parameters.noise = Exp(logs.back());
  return parameters;
}

KernelParameters TypicalParameters(int groups) {
  return {std::vector<double>(static_cast<std::size_t>(groups), Exp(LengthLog(groups))),
          Exp(kNoiseLog)};
}

Likelihood LogLikelihood(const FeatureGroups& groups, std::span<const double> points,
                         std::span<const double> targets, std::span<const double> logs) {
  const FitLanes d;
  const int n = static_cast<int>(targets.size()), features = groups.features();
  const int width = PanelWidth(n);
  const KernelParameters parameters = FromLogs(logs);
  // [features, width], scaled; lanes behind n are copies of 0.
  std::vector<double> scaled(Entry(features, width));
  for (int f = 0; f < features; ++f) {
    const double inverse =
        1 / parameters.lengths[static_cast<std::size_t>(groups.group[static_cast<std::size_t>(f)])];
    for (int i = 0; i < n; ++i)
      scaled[Entry(f, width, i)] = points[Entry(i, features, f)] * inverse;
  }
  // The kernel and its slope in the squared distance, lower triangle, [n, width].
  std::vector<double> slopes(Entry(n, width));
  Cholesky factor;
  constexpr int kBlock = 48;
  std::vector<double> kernel(Entry(n, width));
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j <= i; j += kPanelLanes) {
      auto square = hn::Zero(d);
      for (int f = 0; f < features; ++f) {
        const double* row = scaled.data() + Entry(f, width);
        const auto difference = hn::Sub(hn::LoadU(d, row + j), hn::Set(d, row[i]));
        square = hn::MulAdd(difference, difference, square);
      }
      const auto s = hn::Sqrt(hn::Mul(hn::Set(d, 5.0), square));
      const auto e = vector_math::Exp(d, hn::Neg(s));
      const auto one = hn::Set(d, 1.0);
      hn::StoreU(hn::Mul(hn::MulAdd(s, hn::MulAdd(s, hn::Set(d, 1.0 / 3.0), one), one), e), d,
                 kernel.data() + Entry(i, width, j));
      hn::StoreU(hn::Mul(hn::Mul(hn::Set(d, -5.0 / 6.0), hn::Add(one, s)), e), d,
                 slopes.data() + Entry(i, width, j));
    }
    kernel[Entry(i, width, i)] = 1 + parameters.noise;
  }
  for (int first = 0; first < n; first += kBlock) {
    const int block = std::min(kBlock, n - first), panel_width = PanelWidth(block);
    std::vector<double> panel(Entry(first + block, panel_width));
    for (int i = 0; i < block; ++i) {
      for (int j = 0; j <= first + i; ++j) {
        panel[Entry(j, panel_width, i)] = kernel[Entry(first + i, width, j)];
      }
    }
    factor.Append(panel, block, kLeastPivot);
  }
  // L^-1 [n, width], by blocks of columns, of which the rows above are zeros.
  std::vector<double> lower(Entry(n, width));
  for (int first = 0; first < n; first += kBlock) {
    const int block = std::min(kBlock, n - first), panel_width = PanelWidth(block);
    std::vector<double> panel(Entry(n, panel_width));
    for (int i = 0; i < block; ++i) panel[Entry(first + i, panel_width, i)] = 1;
    factor.SolveLower(panel.data(), panel_width, first);
    for (int k = first; k < n; ++k) {
      std::copy_n(panel.data() + Entry(k, panel_width), block,
                  lower.data() + Entry(k, width, first));
    }
  }
  // L^-1 y and L^-1 1: rows of the inverse factor.
  std::vector<double> rest(static_cast<std::size_t>(n)), whitened_ones(static_cast<std::size_t>(n));
  double ones = 0, both = 0;
  for (int k = 0; k < n; ++k) {
    double y = 0, one = 0;
    for (int i = 0; i <= k; ++i) {
      const double value = lower[Entry(k, width, i)];
      y = __builtin_fma(value, targets[static_cast<std::size_t>(i)], y);
      one += value;
    }
    rest[static_cast<std::size_t>(k)] = y;
    whitened_ones[static_cast<std::size_t>(k)] = one;
    ones += one * one;
    both += one * y;
  }
  double squares = 0;
  for (std::size_t k = 0; k < rest.size(); ++k) {
    rest[k] -= both / ones * whitened_ones[k];
    squares += rest[k] * rest[k];
  }
  const double signal = (squares + 1) / (n + 1);
  std::vector<double> weights(static_cast<std::size_t>(width));
  for (int k = 0; k < n; ++k) {
    for (int i = 0; i <= k; ++i) {
      weights[static_cast<std::size_t>(i)] =
          __builtin_fma(lower[Entry(k, width, i)], rest[static_cast<std::size_t>(k)],
                        weights[static_cast<std::size_t>(i)]);
    }
  }
  std::vector<double>& inverse = kernel;  // no longer needed
  InverseProducts(lower, n, width, inverse);

  Likelihood result;
  result.likelihood = -0.5 * (n + 1) * Log(signal) - 0.5 * factor.LogDeterminant();
  result.slopes.assign(logs.size(), 0.0);
  // Of a pair: (weights weights^T / signal - K^-1) times the kernel's slope, times the change of
  // the squared distance in ln(length): -2 of its share. A half for the formula, two for symmetry.
  std::vector<double> by_feature(static_cast<std::size_t>(features));
  std::vector<hn::Vec<FitLanes>> sums(static_cast<std::size_t>(features), hn::Zero(d));
  double trace = 0;
  for (int i = 0; i < n; ++i) {
    const double weight = weights[static_cast<std::size_t>(i)];
    const auto own = hn::Set(d, weight / signal);
    for (int j = 0; j < i; j += kPanelLanes) {
      auto pair = hn::Sub(hn::Mul(own, hn::LoadU(d, weights.data() + j)),
                          hn::LoadU(d, inverse.data() + Entry(i, width, j)));
      pair = hn::Mul(pair, hn::LoadU(d, slopes.data() + Entry(i, width, j)));
      pair = hn::IfThenElseZero(hn::FirstN(d, static_cast<std::size_t>(std::min(4, i - j))), pair);
      for (int f = 0; f < features; ++f) {
        const double* row = scaled.data() + Entry(f, width);
        const auto difference = hn::Sub(hn::LoadU(d, row + j), hn::Set(d, row[i]));
        auto& sum = sums[static_cast<std::size_t>(f)];
        sum = hn::MulAdd(pair, hn::Mul(difference, difference), sum);
      }
    }
    trace += weight * weight / signal - inverse[Entry(i, width, i)];
  }
  for (int f = 0; f < features; ++f) {
    double lanes[kPanelLanes];
    hn::StoreU(sums[static_cast<std::size_t>(f)], d, lanes);
    result.slopes[static_cast<std::size_t>(groups.group[static_cast<std::size_t>(f)])] +=
        -2 * ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3]));
  }
  result.slopes.back() = 0.5 * parameters.noise * trace;

  result.posterior = result.likelihood;
  for (std::size_t i = 0; i < logs.size(); ++i) {
    const bool noise = i + 1 == logs.size();
    const double spread = noise ? kNoiseSpread : kLengthSpread;
    const double z = (logs[i] - (noise ? kNoiseLog : LengthLog(groups.groups))) / spread;
    result.posterior -= 0.5 * z * z;
    result.slopes[i] -= z / spread;
  }
  return result;
}

KernelFit FitKernel(const FeatureGroups& groups, std::span<const double> points,
                    std::span<const double> targets, const KernelParameters& start,
                    int evaluations) {
  std::vector<double> logs = ToLogs(start);
  Box box{std::vector<double>(logs.size(), Log(kLeastLength)),
          std::vector<double>(logs.size(), Log(kMostLength))};
  box.low.back() = Log(kLeastNoise);
  box.high.back() = Log(kMostNoise);
  KernelFit fit;
  double best = 0;
  bool first = true;
  Minimize(
      [&](std::span<const double> x, std::span<double> slopes) {
        const Likelihood now = LogLikelihood(groups, points, targets, x);
        for (std::size_t i = 0; i < slopes.size(); ++i) slopes[i] = -now.slopes[i];
        if (first || now.posterior > best) {
          first = false;
          best = now.posterior;
          fit.likelihood = now.likelihood;
          fit.posterior = now.posterior;
        }
        return -now.posterior;
      },
      box, evaluations, logs);
  fit.parameters = FromLogs(logs);
  return fit;
}

}  // namespace windlass::tune
