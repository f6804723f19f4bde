#include "windlass/compare/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "windlass/base/student.h"
#include "windlass/base/vector_math.h"

namespace windlass::compare {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// What a difference and its standard error say. `own`: error beside that of sampling rows.
void Judge(double error, double freedom, double own, double rounding, Change& change) {
  const double t95 = Student95(freedom);
  change.half_width = (error == 0 && freedom >= 1 ? 0 : t95 * error) + own;
  if (!(freedom >= 1)) change.half_width = kInfinity;
  const double size = std::abs(change.change);
  const double beyond = size <= rounding ? 0 : std::max(0.0, size - own);
  if (beyond == 0) {
    change.p = 1;
  } else {
    change.p = error == 0 && freedom >= 1 ? 0 : StudentTail(beyond / error, freedom);
  }
}

}  // namespace

void Moments::Add(std::span<const double> row) {
  const double share = 1 / static_cast<double>(++rows_);
  for (std::size_t i = 0; i < row.size(); ++i) {
    const double off = row[i] - mean_[i];
    mean_[i] += off * share;
    squares_[i] += off * (row[i] - mean_[i]);
  }
}

double Moments::variance(std::size_t i) const {
  if (rows_ < 2) return std::numeric_limits<double>::quiet_NaN();
  return squares_[i] / static_cast<double>(rows_ - 1);
}

double HalfWidth(const Estimate& of) {
  if (of.rows < 2) return kInfinity;
  return Student95(of.rows - 1) * std::sqrt(of.variance / of.rows) + of.own;
}

Change Independent(const Estimate& a, const Estimate& b, double rounding) {
  Change change{a.mean, b.mean, b.mean - a.mean};
  const double of_a = a.variance / a.rows, of_b = b.variance / b.rows;
  double freedom = std::min(a.rows, b.rows) - 1;
  if (freedom >= 1 && of_a + of_b > 0) {
    freedom =
        (of_a + of_b) * (of_a + of_b) / (of_a * of_a / (a.rows - 1) + of_b * of_b / (b.rows - 1));
  }
  Judge(std::sqrt(of_a + of_b), freedom, a.own + b.own, rounding, change);
  return change;
}

Change Paired(const Estimate& a, const Estimate& b, const Estimate& difference, double rounding) {
  Change change{a.mean, b.mean, difference.mean};
  Judge(std::sqrt(difference.variance / difference.rows), difference.rows - 1, a.own + b.own,
        rounding, change);
  return change;
}

double KolmogorovTail(double x) {
  if (!(x > 0)) return 1;
  double sum = 0, sign = 1;
  if (x < 1) {
    // Jacobi's form of the same series, which converges here: 1 - sqrt(2 pi) / x sum e^(...).
    constexpr double kPi = 3.14159265358979323846;
    for (int k = 1; k <= 5; ++k) {
      const double odd = 2 * k - 1;
      sum += Exp(-odd * odd * kPi * kPi / (8 * x * x));
    }
    return std::clamp(1 - std::sqrt(2 * kPi) / x * sum, 0.0, 1.0);
  }
  for (int k = 1; k <= 10; ++k, sign = -sign) sum += sign * Exp(-2 * k * k * x * x);
  return std::clamp(2 * sum, 0.0, 1.0);
}

Distance DistanceOf(std::vector<double> a, std::vector<double> b, double rounding) {
  std::ranges::sort(a);
  std::ranges::sort(b);
  const double n = static_cast<double>(a.size()), m = static_cast<double>(b.size());
  Distance distance;
  std::size_t i = 0, j = 0;
  while (i < a.size() || j < b.size()) {
    const auto next = [&] {
      if (i == a.size()) return b[j];
      return j == b.size() ? a[i] : std::min(a[i], b[j]);
    };
    const double at = next();
    while (i < a.size() && a[i] == at) ++i;
    while (j < b.size() && b[j] == at) ++j;
    const double gap = std::abs(static_cast<double>(i) / n - static_cast<double>(j) / m);
    const double step = i < a.size() || j < b.size() ? next() - at : 0;
    distance.wasserstein += gap * step;
    // Values that follow each other within `rounding` are one step of both functions.
    if (step > rounding) distance.ks = std::max(distance.ks, gap);
  }
  const double joint = n * m / (n + m);
  const double scale = std::sqrt(joint) + 0.12 + 0.11 / std::sqrt(joint);
  constexpr double kFivePerCent = 1.3580986;  // KolmogorovTail of it is 0.05
  distance.critical = std::min(1.0, kFivePerCent / scale);
  distance.p = joint < 4 ? 1 : KolmogorovTail(distance.ks * scale);
  return distance;
}

void AdjustHolm(std::span<double* const> p) {
  std::vector<double*> order(p.begin(), p.end());
  std::ranges::stable_sort(order, {}, [](const double* value) { return *value; });
  double least = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    least = std::max(least, std::min(1.0, *order[i] * static_cast<double>(order.size() - i)));
    *order[i] = least;
  }
}

}  // namespace windlass::compare
