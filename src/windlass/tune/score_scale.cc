#include "windlass/tune/score_scale.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "windlass/base/vector_math.h"
#include "windlass/tune/normal.h"

namespace windlass::tune {
namespace {

// Of the distance to the best: where the logarithm turns linear, in parts of the median distance.
constexpr double kLogStart = 1;
constexpr double kRootStart = 0.01;
constexpr double kBandwidth = 0.3;  // in standard deviations
constexpr int kKnots = 65;
constexpr std::size_t kMarginalScores = 128;

// Minus the logarithm; above the best it goes on with the slope there.
double LogDistance(double distance) {
  return distance < 0 ? -distance / kLogStart : Log(kLogStart) - Log(distance + kLogStart);
}

}  // namespace

ScoreScale::ScoreScale(ScaleKind kind, std::span<const double> scores) : kind_(kind) {
  std::vector<double> sorted(scores.begin(), scores.end());
  std::ranges::sort(sorted);
  best_ = sorted.back();
  // Halves, so that no difference of finite scores overflows.
  const double median = sorted[(sorted.size() - 1) / 2];
  unit_ = 2 * (best_ / 2 - median / 2);
  if (!(unit_ > 0)) unit_ = 2 * (best_ / 2 - sorted.front() / 2);
  if (!(unit_ > 0)) unit_ = 1;
  if (!std::isfinite(unit_)) unit_ = 1e308;
  if (kind == ScaleKind::kNormal) FitMarginal(sorted);
  double sum = 0;
  for (const double score : scores) sum += Raw(score);
  const auto n = static_cast<double>(scores.size());
  centre_ = sum / n;
  double squares = 0;
  for (const double score : scores) {
    const double rest = Raw(score) - centre_;
    squares += rest * rest;
  }
  const double deviation = std::sqrt(squares / n);
  factor_ = deviation > 0 && std::isfinite(deviation) ? 1 / deviation : 1;
}

double ScoreScale::Raw(double score) const {
  const double distance = best_ / unit_ - score / unit_;
  switch (kind_) {
    case ScaleKind::kLinear: return -distance;
    // Both go on with the slope that they have at the best, above it.
    case ScaleKind::kRoot: {
      const double start = std::sqrt(kRootStart);
      return distance < 0 ? -distance / (2 * start) : start - std::sqrt(distance + kRootStart);
    }
    case ScaleKind::kLog: return LogDistance(distance);
    case ScaleKind::kNormal: break;
  }
  // Linear between knots, and beyond them with the slope of the last stretch.
  const double at = std::clamp((LogDistance(distance) - first_) / step_, -3.0,
                               static_cast<double>(normal_.size()) + 2);
  const auto i =
      static_cast<std::size_t>(std::clamp(at, 0.0, static_cast<double>(normal_.size() - 2)));
  return normal_[i] + (at - static_cast<double>(i)) * (normal_[i + 1] - normal_[i]);
}

// The marginal as a kernel estimate of the logarithms' distribution, whose bandwidth keeps
// differences that mean nothing from becoming large ones.
void ScoreScale::FitMarginal(std::span<const double> sorted) {
  // Of many scores evenly many: the middles of their groups.
  const std::size_t count = std::min(sorted.size(), kMarginalScores);
  std::vector<double> logs;
  for (std::size_t i = 0; i < count; ++i) {
    const double score = sorted[(2 * i + 1) * sorted.size() / (2 * count)];
    logs.push_back(LogDistance(best_ / unit_ - score / unit_));
  }
  const auto n = static_cast<double>(logs.size());
  double sum = 0, squares = 0;
  for (const double log : logs) sum += log;
  for (const double log : logs) squares += (log - sum / n) * (log - sum / n);
  const double bandwidth = kBandwidth * std::sqrt(squares / n);
  first_ = logs.front() - bandwidth;
  const double last = logs.back() + bandwidth;
  step_ = last > first_ ? (last - first_) / (kKnots - 1) : 1;
  for (int k = 0; k < kKnots; ++k) {
    const double at = first_ + step_ * k;
    double share = 0;
    for (const double log : logs) {
      share += bandwidth > 0 ? NormalCdf((at - log) / bandwidth) : 0.5;
    }
    normal_.push_back(NormalQuantile((share + 0.5) / (n + 1)));
  }
}

double ScoreScale::operator()(double score) const { return (Raw(score) - centre_) * factor_; }

double ScoreScale::LogSlopes(std::span<const double> scores) const {
  double sum = 0;
  for (const double score : scores) {
    const double distance = std::max(best_ / unit_ - score / unit_, 0.0);
    if (kind_ == ScaleKind::kRoot) sum -= 0.5 * Log(distance + kRootStart) + Log(2.0);
    if (kind_ == ScaleKind::kLog) sum -= Log(distance + kLogStart);
  }
  // In units of `unit_`, which is the same for all kinds.
  return sum + static_cast<double>(scores.size()) * Log(factor_);
}

}  // namespace windlass::tune
