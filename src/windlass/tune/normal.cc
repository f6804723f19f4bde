#include "windlass/tune/normal.h"

#include <cmath>
#include <limits>

#include "windlass/base/vector_math.h"

namespace windlass::tune {
namespace {

constexpr double kLogRootTwoPi = 0x1.d67f1c864beb5p-1;
constexpr double kRootTwoPiInverse = 0x1.9884533d43651p-2;
// Left of it the continued fraction, right of it the series.
constexpr double kTail = -2.5;

// Laplace's continued fraction of Mills' ratio: cdf(-x) / density(x) = 1 / (x + t) with
// t = 1 / (x + 2 / (x + 3 / ...)), for x >= 2.5. The rest behind term n is estimated by its limit
// (the root of r (x + r) = n), which halves the terms that are needed.
double TailFraction(double x) {
  const int terms = x > 12 ? 12 : x > 5 ? 30 : 90;
  double t = 0.5 * (std::sqrt(x * x + 4.0 * (terms + 1)) - x);
  for (int n = terms; n >= 1; --n) t = n / (x + t);
  return t;
}

// cdf(x) - 1/2 = density(x) (x + x^3 / 3 + x^5 / (3 5) + ...), Marsaglia (2004), for |x| small
// enough that no digits cancel.
double CentralSeries(double x) {
  const double square = x * x;
  double term = x, sum = x;
  for (int n = 3; n < 200; n += 2) {
    term *= square / n;
    const double next = sum + term;
    if (next == sum) break;
    sum = next;
  }
  return sum * NormalDensity(x);
}

}  // namespace

double NormalDensity(double x) { return kRootTwoPiInverse * Exp(-0.5 * x * x); }

double NormalCdf(double x) {
  if (x < kTail) return NormalDensity(x) / (TailFraction(-x) - x);
  if (x > -kTail) return 1.0 - NormalDensity(x) / (TailFraction(x) + x);
  return 0.5 + CentralSeries(x);
}

double LogNormalCdf(double x) {
  if (x < kTail) return -0.5 * x * x - kLogRootTwoPi - Log(TailFraction(-x) - x);
  return Log(NormalCdf(x));
}

double LogNormalCdfSlope(double x) {
  if (x < kTail) return TailFraction(-x) - x;
  return NormalDensity(x) / NormalCdf(x);
}

double NormalQuantile(double p) {
  if (!(p >= 0 && p <= 1)) return std::numeric_limits<double>::quiet_NaN();
  if (p == 0) return -std::numeric_limits<double>::infinity();
  if (p == 1) return std::numeric_limits<double>::infinity();
  if (p > 0.5) return -NormalQuantile(1 - p);
  // Newton's method on the logarithm, which is concave: from the left it never overshoots.
  const double wanted = Log(p);
  double x = -std::sqrt(-2.0 * wanted);
  for (int i = 0; i < 60; ++i) {
    const double step = (wanted - LogNormalCdf(x)) / LogNormalCdfSlope(x);
    x += step;
    if (std::abs(step) <= 1e-14 * (1 + std::abs(x))) break;
  }
  return x;
}

Improvement ExpectedImprovement(double x) {
  if (x < kTail) {
    // density (1 - |x| Mills) = density t / (|x| + t): nothing cancels.
    const double t = TailFraction(-x);
    return {-0.5 * x * x - kLogRootTwoPi + Log(t / (t - x)), 1.0 / t};
  }
  const double cdf = NormalCdf(x);
  const double value = NormalDensity(x) + x * cdf;
  return {Log(value), cdf / value};
}

}  // namespace windlass::tune
