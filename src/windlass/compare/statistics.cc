#include "windlass/compare/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "windlass/base/student.h"
#include "windlass/base/vector_math.h"

namespace windlass::compare {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

constexpr double kOneInTwenty = 0.05;

// A t test: the standard error of a difference, and degrees of freedom.
struct TTest {
  double error, freedom;
};

// What several tests of a difference say together: the least of what each claims. `own`: error
// beside that of sampling rows. `least_p`: the chance that the order of so many rows alone has,
// were there no difference; no test of them can tell more.
void Judge(const std::vector<TTest>& tests, double own, double rounding, double least_p,
           Change& change) {
  const double size = std::abs(change.change);
  const double beyond = size <= rounding ? 0 : std::max(0.0, size - own);
  double width = 0, error = 0;
  change.p = least_p;
  for (const TTest& test : tests) {
    if (!(test.freedom >= 1)) {
      change.half_width = kInfinity;
      change.p = 1;
      return;
    }
    error = std::max(error, test.error);
    width = std::max(width, test.error == 0 ? 0 : Student95(test.freedom) * test.error);
    const double p = test.error == 0 ? 0 : StudentTail(beyond / test.error, test.freedom);
    change.p = std::max(change.p, p);
  }
  if (beyond == 0) change.p = 1;
  // Rows that are all alike have no spread to go by: order alone tells, or nothing does.
  if (error <= rounding && least_p >= kOneInTwenty) width = kInfinity;
  change.half_width = width + own;
}

// Of all ways to deal n + m rows to two sides, the two that part them as far as can be.
double LeastOfTwo(double n, double m) {
  const double few = std::min(n, m), many = std::max(n, m);
  double p = 2;
  for (double i = 1; i <= few && p > 0; ++i) p *= i / (many + i);
  return std::min(1.0, p);
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
  TTest welch{std::sqrt(of_a + of_b), std::min(a.rows, b.rows) - 1};
  if (welch.freedom >= 1 && of_a + of_b > 0) {
    welch.freedom =
        (of_a + of_b) * (of_a + of_b) / (of_a * of_a / (a.rows - 1) + of_b * of_b / (b.rows - 1));
  }
  TTest pooled{0, welch.freedom};
  if (welch.freedom >= 1) {
    pooled.freedom = a.rows + b.rows - 2;
    const double squares = a.variance * (a.rows - 1) + b.variance * (b.rows - 1);
    pooled.error = std::sqrt(squares / pooled.freedom * (1 / a.rows + 1 / b.rows));
  }
  Judge({welch, pooled}, a.own + b.own, rounding, LeastOfTwo(a.rows, b.rows), change);
  return change;
}

Change Paired(const Estimate& a, const Estimate& b, const Estimate& difference, double rounding) {
  Change change{a.mean, b.mean, difference.mean};
  const TTest student{std::sqrt(difference.variance / difference.rows), difference.rows - 1};
  // Of all ways to swap the sides of rows, the two that move all of them one way.
  const int swaps = static_cast<int>(std::clamp(difference.rows - 1, 0.0, 2000.0));
  Judge({student}, a.own + b.own, rounding, std::ldexp(1.0, -swaps), change);
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
