#include "windlass/tune/minimize.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>

namespace windlass::tune {
namespace {

constexpr std::size_t kMemory = 8;

double Dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

struct Correction {
  std::vector<double> step;
  std::vector<double> change;  // of the gradient
  double product;              // of the two, positive
};

// The two loops of L-BFGS: turns a gradient into (the negative of) a step.
void ApplyInverseHessian(const std::deque<Correction>& corrections, std::vector<double>& q) {
  std::vector<double> factors(corrections.size());
  for (std::size_t i = corrections.size(); i-- > 0;) {
    const Correction& one = corrections[i];
    factors[i] = Dot(one.step, q) / one.product;
    for (std::size_t j = 0; j < q.size(); ++j) q[j] -= factors[i] * one.change[j];
  }
  if (!corrections.empty()) {
    const Correction& last = corrections.back();
    const double scale = last.product / Dot(last.change, last.change);
    for (double& value : q) value *= scale;
  }
  for (std::size_t i = 0; i < corrections.size(); ++i) {
    const Correction& one = corrections[i];
    const double factor = factors[i] - Dot(one.change, q) / one.product;
    for (std::size_t j = 0; j < q.size(); ++j) q[j] += factor * one.step[j];
  }
}

}  // namespace

double Minimize(const SmoothFunction& function, const Box& box, int evaluations,
                std::vector<double>& x) {
  const std::size_t n = x.size();
  for (std::size_t i = 0; i < n; ++i) x[i] = std::clamp(x[i], box.low[i], box.high[i]);
  std::vector<double> gradient(n), trial(n), trial_gradient(n), direction(n);
  const auto evaluate = [&](const std::vector<double>& at, std::vector<double>& slopes) {
    --evaluations;
    const double value = function(at, slopes);
    return std::isfinite(value) &&
                   std::ranges::all_of(slopes, [](double s) { return std::isfinite(s); })
               ? value
               : std::numeric_limits<double>::infinity();
  };
  double value = evaluate(x, gradient);
  if (std::isinf(value)) return value;
  std::deque<Correction> corrections;
  while (evaluations > 0) {
    const auto held = [&](std::size_t i, double towards) {
      return (x[i] <= box.low[i] && towards < 0) || (x[i] >= box.high[i] && towards > 0);
    };
    direction = gradient;
    for (std::size_t i = 0; i < n; ++i) {
      if (held(i, -gradient[i])) direction[i] = 0;
    }
    const double size = std::sqrt(Dot(direction, direction));
    if (size < 1e-9 * (1 + std::abs(value))) break;
    ApplyInverseHessian(corrections, direction);
    double slope = 0;
    for (std::size_t i = 0; i < n; ++i) {
      direction[i] = held(i, -gradient[i]) || held(i, -direction[i]) ? 0 : -direction[i];
      slope += direction[i] * gradient[i];
    }
    if (!(slope < 0)) {  // the memory is of no use here
      if (corrections.empty()) break;
      corrections.clear();
      continue;
    }
    // The first step, of unknown scale, moves by a tenth of the box at most.
    double length = 1;
    if (corrections.empty()) {
      for (std::size_t i = 0; i < n; ++i) {
        const double most = 0.1 * (box.high[i] - box.low[i]);
        if (std::abs(direction[i]) * length > most) length = most / std::abs(direction[i]);
      }
    }
    double next = std::numeric_limits<double>::infinity();
    bool better = false;
    while (evaluations > 0) {
      double promised = 0;
      for (std::size_t i = 0; i < n; ++i) {
        trial[i] = std::clamp(x[i] + length * direction[i], box.low[i], box.high[i]);
        promised += gradient[i] * (trial[i] - x[i]);
      }
      next = evaluate(trial, trial_gradient);
      better = next <= value + 1e-4 * promised && next < value;
      if (better || length < 1e-10) break;
      // The minimum of the parabola through both values, within bounds.
      const double parabola = -0.5 * promised / (next - value - promised);
      length *= std::isfinite(next) ? std::clamp(parabola, 0.1, 0.5) : 0.1;
    }
    if (!better) {
      if (corrections.empty()) break;
      corrections.clear();
      continue;
    }
    Correction correction{std::vector<double>(n), std::vector<double>(n), 0};
    for (std::size_t i = 0; i < n; ++i) {
      correction.step[i] = trial[i] - x[i];
      correction.change[i] = trial_gradient[i] - gradient[i];
    }
    correction.product = Dot(correction.step, correction.change);
    const double gained = value - next;
    if (correction.product > 1e-10 * Dot(correction.change, correction.change)) {
      corrections.push_back(std::move(correction));
      if (corrections.size() > kMemory) corrections.pop_front();
    }
    x = trial;
    gradient = trial_gradient;
    value = next;
    if (gained < 1e-9 * (1 + std::abs(value))) break;
  }
  return value;
}

}  // namespace windlass::tune
