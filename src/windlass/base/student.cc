#include "windlass/base/student.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "windlass/base/vector_math.h"

namespace windlass {
namespace {

// ln(Gamma(a + 1/2) / Gamma(a)): the recurrence up to where the asymptotic series (DLMF 5.11.13)
// is exact to a double.
double LogGammaHalfStep(double a) {
  double steps = 0;
  while (a < 40) {
    steps += Log(a / (a + 0.5));
    a += 1;
  }
  const double x = 1 / a, x2 = x * x;
  const double series = x * (-1.0 / 8 + x2 * (1.0 / 192 + x2 * (-1.0 / 640 + x2 * 17.0 / 14336)));
  return steps + 0.5 * Log(a) + series;
}

// ln(1 + y), also for small y, where 1 + y loses digits (Kahan).
double LogOnePlus(double y) {
  const double sum = 1 + y;
  return sum == 1 ? y : Log(sum) * y / (sum - 1);
}

// The continued fraction of I_x(a, b) by Lentz's method; quick for x < (a + 1) / (a + b + 2).
double BetaFraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  constexpr int kMost = 20'000;
  const auto away = [](double value) { return std::abs(value) < kTiny ? kTiny : value; };
  double c = 1, d = 1 / away(1 - (a + b) * x / (a + 1)), value = d;
  for (int m = 1; m <= kMost; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away(1 + even * d);
    c = away(1 + even / c);
    value *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away(1 + odd * d);
    c = away(1 + odd / c);
    value *= d * c;
    if (std::abs(d * c - 1) < 1e-15) break;
  }
  return value;
}

// Beyond this a t distribution is normal to a double; its fraction would take ever longer.
constexpr double kNormal = 1e8;

}  // namespace

double Student95(double freedom) {
  if (!(freedom >= 1)) return std::numeric_limits<double>::infinity();
  const double x = 1 / freedom;
  // Between whole numbers t is convex in 1 / freedom, so that a straight line is no smaller.
  constexpr double kOne = 12.706204736, kTwo = 4.302652730, kThree = 3.182446305;
  if (freedom < 2) return kTwo + (x - 0.5) * 2 * (kOne - kTwo);
  if (freedom < 3) return kThree + (x - 1.0 / 3) * 6 * (kTwo - kThree);
  constexpr double z = 1.959963985;
  constexpr double z2 = z * z;
  constexpr double g1 = z * (z2 + 1) / 4;
  constexpr double g2 = z * ((5 * z2 + 16) * z2 + 3) / 96;
  constexpr double g3 = z * (((3 * z2 + 19) * z2 + 17) * z2 - 15) / 384;
  constexpr double g4 = z * ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) / 92160;
  return z + x * (g1 + x * (g2 + x * (g3 + x * g4)));
}

double StudentTail(double t, double freedom) {
  if (!(freedom >= 1) || std::isnan(t)) return 1;
  if (std::isinf(t)) return 0;
  const double n = std::min(freedom, kNormal);
  const double a = n / 2, b = 0.5;
  const double x = n / (n + t * t), rest = t * t / (n + t * t);
  if (rest == 0) return 1;
  // x^a (1 - x)^b / (a B(a, b)), with B(a, 1/2) = Gamma(a) sqrt(pi) / Gamma(a + 1/2).
  constexpr double kLogSqrtPi = 0.572364942924700087;
  const double log_x = rest < 0.5 ? -LogOnePlus(t * t / n) : Log(x);
  const double front = Exp(a * log_x + b * Log(rest) + LogGammaHalfStep(a) - kLogSqrtPi);
  if (x < (a + 1) / (a + b + 2)) return std::clamp(front * BetaFraction(a, b, x) / a, 0.0, 1.0);
  return std::clamp(1 - front * BetaFraction(b, a, rest) / b, 0.0, 1.0);
}

}  // namespace windlass
