#include "windlass/tune/cma_search.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "windlass/base/vector_math.h"
#include "windlass/tune/cell.h"
#include "windlass/tune/normal.h"
#include "windlass/tune/normal_lanes_internal.h"
#include "windlass/tune/symmetric_internal.h"

namespace windlass::tune {
namespace {

// How often a draw outside of the cube is drawn again.
constexpr int kRedraws = 10;

// Below it steps are those of rounding.
constexpr double kLeastStep = 1e-10;

double Norm(const std::vector<double>& v) {
  double squares = 0;
  for (const double value : v) squares += value * value;
  return std::sqrt(squares);
}

// Back into [0, 1], as light between two mirrors.
double Fold(double x) {
  x = std::abs(x);
  x -= 2 * std::floor(x / 2);
  return x > 1 ? 2 - x : x;
}

// The expected length of n standard normal numbers.
double ExpectedNorm(std::size_t n) {
  const auto d = static_cast<double>(n);
  return std::sqrt(d) * (1 - 1 / (4 * d) + 1 / (21 * d * d));
}

}  // namespace

CmaSearch::CmaSearch(const Space& space, const std::vector<double>& start, double deviation,
                     int population)
    : space_(space), population_(population), deviation_(deviation) {
  std::size_t coordinate = 0;
  for (const int i : space.varied()) {
    const Parameter& parameter = space[i];
    if (parameter.ordered()) {
      axes_.push_back({i, coordinate, parameter.kind != ParameterKind::kFloat});
      mean_.push_back(start[coordinate]);
    } else {
      const auto size = static_cast<std::size_t>(parameter.size());
      Choice choice{coordinate, {}, Vector(size, 1 / static_cast<double>(size))};
      for (std::size_t k = 0; k < size; ++k) {
        choice.middles.push_back(parameter.ToUnit(static_cast<double>(k)));
      }
      choices_.push_back(std::move(choice));
    }
    ++coordinate;
  }
  n_ = axes_.size();
  scale_.assign(n_, 1);
  covariance_.assign(n_ * n_, 0);
  for (std::size_t i = 0; i < n_; ++i) covariance_[i * n_ + i] = 1;
  basis_ = covariance_;
  lengths_.assign(n_, 1);
  sigma_path_.assign(n_, 0);
  shape_path_.assign(n_, 0);
  KeepMargins(population);
}

std::vector<double> CmaSearch::Sample(Random& random) const {
  Vector coordinates(space_.varied().size(), 0.5);
  for (int i = 0; i < kRedraws; ++i) {
    if (Draw(random, coordinates)) break;
  }
  for (const Axis& axis : axes_) {
    coordinates[axis.coordinate] = Fold(coordinates[axis.coordinate]);
  }
  for (const Choice& choice : choices_) {
    std::size_t k = 0;
    for (double left = random.Uniform(); k + 1 < choice.probabilities.size(); ++k) {
      left -= choice.probabilities[k];
      if (left < 0) break;
    }
    coordinates[choice.coordinate] = choice.middles[k];
  }
  return coordinates;
}

// m + sigma A B D z; whether it lies in the cube.
bool CmaSearch::Draw(Random& random, Vector& coordinates) const {
  Vector z(n_);
  for (std::size_t i = 0; i < n_; ++i) z[i] = lengths_[i] * RandomNormal(random);
  bool inside = true;
  for (std::size_t i = 0; i < n_; ++i) {
    double y = 0;
    for (std::size_t j = 0; j < n_; ++j) y += basis_[i * n_ + j] * z[j];
    const double x = mean_[i] + deviation_ * scale_[i] * y;
    coordinates[axes_[i].coordinate] = x;
    inside = inside && x >= 0 && x <= 1;
  }
  return inside;
}

// y = (x - m) / (sigma A), of others' members no longer than own ones are wont to be (Hansen 2011,
// equation 3).
CmaSearch::Vector CmaSearch::StepTo(const Member& member) const {
  Vector y(n_);
  for (std::size_t i = 0; i < n_; ++i) {
    y[i] = (member.coordinates[axes_[i].coordinate] - mean_[i]) / (deviation_ * scale_[i]);
  }
  if (member.own || n_ == 0) return y;
  const auto n = static_cast<double>(n_);
  const double length = Norm(Whitened(y));
  const double most = std::sqrt(n) + 2 * n / (n + 2);
  if (length > most) {
    for (double& value : y) value *= most / length;
  }
  return y;
}

// D^-1 B^T y, as long as C^-1/2 y.
CmaSearch::Vector CmaSearch::Whitened(const Vector& step) const {
  Vector z(n_, 0);
  for (std::size_t j = 0; j < n_; ++j) {
    for (std::size_t i = 0; i < n_; ++i) z[j] += basis_[i * n_ + j] * step[i];
    z[j] /= lengths_[j];
  }
  return z;
}

void CmaSearch::SetRates(int members) {
  if (rates_of_ == members) return;
  rates_of_ = members;
  const auto n = static_cast<double>(n_);
  weights_.clear();
  double sum = 0, squares = 0, negative_sum = 0, negative_squares = 0;
  for (int i = 1; i <= members; ++i) {
    const double w = Log((members + 1) / 2.0) - Log(i);
    weights_.push_back(w);
    (i <= members / 2 ? sum : negative_sum) += w;
    (i <= members / 2 ? squares : negative_squares) += w * w;
  }
  effective_ = sum * sum / squares;
  const double negative_effective = negative_sum * negative_sum / negative_squares;
  sigma_rate_ = (effective_ + 2) / (n + effective_ + 5);
  damping_ = 1 + 2 * std::max(0.0, std::sqrt((effective_ - 1) / (n + 1)) - 1) + sigma_rate_;
  path_rate_ = n_ == 0 ? 1 : (4 + effective_ / n) / (n + 4 + 2 * effective_ / n);
  one_rate_ = 2 / ((n + 1.3) * (n + 1.3) + effective_);
  many_rate_ = std::min(1 - one_rate_, 2 * (0.25 + effective_ + 1 / effective_ - 2) /
                                           ((n + 2) * (n + 2) + effective_));
  const double negative =
      std::min({1 + one_rate_ / many_rate_, 1 + 2 * negative_effective / (effective_ + 2),
                (1 - one_rate_ - many_rate_) / (n * many_rate_)});
  for (int i = 0; i < members; ++i) {
    double& w = weights_[static_cast<std::size_t>(i)];
    w = i < members / 2 ? w / sum : negative * w / std::abs(negative_sum);
  }
}

void CmaSearch::Update(const std::vector<Member>& ranked) {
  SetRates(static_cast<int>(ranked.size()));
  UpdateChoices(ranked);
  if (n_ == 0) return;
  std::vector<Vector> steps;
  Vector mean_step(n_, 0);
  for (std::size_t k = 0; k < ranked.size(); ++k) {
    steps.push_back(StepTo(ranked[k]));
    if (k >= ranked.size() / 2) continue;
    for (std::size_t i = 0; i < n_; ++i) mean_step[i] += weights_[k] * steps[k][i];
  }
  for (std::size_t i = 0; i < n_; ++i) {
    mean_[i] = std::clamp(mean_[i] + deviation_ * scale_[i] * mean_step[i], 0.0, 1.0);
  }
  UpdateShape(steps, mean_step);
  Decompose();
  KeepMargins(static_cast<int>(ranked.size()));
}

// Hansen (2016), equations 43 to 47.
void CmaSearch::UpdateShape(const std::vector<Vector>& steps, const Vector& mean_step) {
  ++generations_;
  const auto n = static_cast<double>(n_);
  const Vector white = Whitened(mean_step);
  const double along = std::sqrt(sigma_rate_ * (2 - sigma_rate_) * effective_);
  double kept = 1 - sigma_rate_;
  for (std::size_t i = 0; i < n_; ++i) {
    double back = 0;  // C^-1/2 y = B D^-1 B^T y
    for (std::size_t j = 0; j < n_; ++j) back += basis_[i * n_ + j] * white[j];
    sigma_path_[i] = kept * sigma_path_[i] + along * back;
  }
  const double length = Norm(sigma_path_);
  const double age = 1 - Exp(2 * generations_ * Log(std::max(kept, 1e-300)));
  const bool steady = length / std::sqrt(age) < (1.4 + 2 / (n + 1)) * ExpectedNorm(n_);
  kept = 1 - path_rate_;
  const double forward = steady ? std::sqrt(path_rate_ * (2 - path_rate_) * effective_) : 0;
  for (std::size_t i = 0; i < n_; ++i) {
    shape_path_[i] = kept * shape_path_[i] + forward * mean_step[i];
  }
  double sum = 0;
  Vector weights = weights_;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    sum += weights[k];
    if (weights[k] >= 0) continue;
    const double norm = Norm(Whitened(steps[k]));
    weights[k] *= n / std::max(norm * norm, 1e-12);
  }
  const double lost = steady ? 0 : path_rate_ * (2 - path_rate_);
  const double left = 1 + one_rate_ * lost - one_rate_ - many_rate_ * sum;
  for (std::size_t i = 0; i < n_; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      double many = 0;
      for (std::size_t k = 0; k < steps.size(); ++k) many += weights[k] * steps[k][i] * steps[k][j];
      const double value = left * covariance_[i * n_ + j] +
                           one_rate_ * shape_path_[i] * shape_path_[j] + many_rate_ * many;
      covariance_[i * n_ + j] = covariance_[j * n_ + i] = value;
    }
  }
  const double growth = sigma_rate_ / damping_ * (length / ExpectedNorm(n_) - 1);
  deviation_ = std::min(deviation_ * Exp(std::min(growth, 1.0)), 1e3);
}

void CmaSearch::UpdateChoices(const std::vector<Member>& ranked) {
  if (choices_.empty()) return;
  // Every category but the likeliest keeps a share of 27 % in all parameters together (the margin
  // of Hamano et al. 2024, "CatCMA", section 4.3).
  const double alone = Exp(Log(0.73) / static_cast<double>(choices_.size()));
  for (Choice& choice : choices_) {
    const std::size_t size = choice.probabilities.size();
    const double rate = effective_ / (effective_ + 5 + static_cast<double>(size));
    for (double& p : choice.probabilities) p *= 1 - rate;
    for (std::size_t k = 0; k < ranked.size() / 2; ++k) {
      const auto found =
          std::ranges::find(choice.middles, ranked[k].coordinates[choice.coordinate]);
      if (found == choice.middles.end()) continue;
      choice.probabilities[static_cast<std::size_t>(found - choice.middles.begin())] +=
          rate * weights_[k];
    }
    const double least =
        std::min((1 - alone) / static_cast<double>(size - 1), 1 / static_cast<double>(size));
    double total = 0;
    for (double& p : choice.probabilities) total += p = std::max(p, least);
    // What lies above the margin gives what is too much.
    const double above = total - least * static_cast<double>(size);
    for (double& p : choice.probabilities) {
      if (above > 0) p -= (p - least) * (total - 1) / above;
    }
  }
}

// Hamano et al. (2022), section 4, equations 13 to 23, with margin 1 / (n lambda).
void CmaSearch::KeepMargins(int members) {
  const double margin = 1 / (static_cast<double>(n_) * members);
  for (std::size_t i = 0; i < n_; ++i) {
    if (!axes_[i].discrete) continue;
    const Cell cell = CellOf(space_[axes_[i].parameter], mean_[i]);
    const double root = std::sqrt(covariance_[i * n_ + i]);
    const double step = deviation_ * scale_[i] * root;
    const auto below = [&](double x) { return NormalCdf((x - mean_[i]) / step); };
    if (cell.low <= 0 || cell.high >= 1) {
      // The value at the border: only the way back must stay open.
      const bool least = cell.low <= 0;
      const double out = least ? 1 - below(cell.high) : below(cell.low);
      if (out >= margin) continue;
      // The mean stays in its cell: where that is not near enough, the step grows.
      const double quantile = -NormalQuantile(margin);
      const double most = (cell.high - cell.low) / quantile;
      if (step > most) scale_[i] *= most / step;
      const double far = std::min(step, most) * quantile;
      mean_[i] = least ? cell.high - far : cell.low + far;
      continue;
    }
    const double low = below(cell.low), high = 1 - below(cell.high);
    const double wanted_low = std::max(margin / 2, low);
    const double wanted_high = std::max(margin / 2, high);
    if (wanted_low == low && wanted_high == high) continue;
    const double inside = 1 - low - high;
    const double total = wanted_low + wanted_high + inside;
    const double spread = total - 1.5 * margin;
    const double over = spread > 0 ? (1 - total) / spread : 0;
    const double p_low = wanted_low + over * (wanted_low - margin / 2);
    const double p_high = wanted_high + over * (wanted_high - margin / 2);
    const double to_low = -NormalQuantile(std::min(p_low, 0.499));
    const double to_high = -NormalQuantile(std::min(p_high, 0.499));
    scale_[i] = (cell.high - cell.low) / (deviation_ * root * (to_low + to_high));
    mean_[i] = (cell.low * to_high + cell.high * to_low) / (to_low + to_high);
  }
}

void CmaSearch::Decompose() {
  basis_ = covariance_;
  Vector values = Eigen(basis_, n_);
  const double most = std::max(1e-300, *std::ranges::max_element(values));
  for (std::size_t i = 0; i < n_; ++i) lengths_[i] = std::sqrt(std::max(values[i], most * 1e-18));
}

bool CmaSearch::Converged() const {
  if (n_ == 0) return false;
  const double longest = *std::ranges::max_element(lengths_);
  if (!(longest < 1e7 * *std::ranges::min_element(lengths_)) || !std::isfinite(deviation_)) {
    return true;
  }
  return std::ranges::all_of(axes_, [&](const Axis& axis) {
    const auto i = static_cast<std::size_t>(&axis - axes_.data());
    return !axis.discrete &&
           deviation_ * scale_[i] * std::sqrt(covariance_[i * n_ + i]) < kLeastStep;
  });
}

}  // namespace windlass::tune
