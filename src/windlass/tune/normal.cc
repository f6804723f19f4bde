#include "windlass/tune/normal.h"

#include <cmath>
#include <numbers>

#include "windlass/tune/normal_lanes_internal.h"

namespace windlass::tune {

double NormalDensity(double x) {
  return Exp(-0.5 * x * x) * (std::numbers::inv_sqrtpi / std::numbers::sqrt2);
}

double NormalCdf(double x) {
  const hn::CappedTag<double, 1> d;
  return hn::GetLane(NormalCdf(d, hn::Set(d, x)));
}

// Halley's steps from Hastings' (1955, sheet 68) rational start.
double NormalQuantile(double p) {
  if (p > 0.5) return -NormalQuantile(1 - p);
  const double t = std::sqrt(-2 * Log(p));
  double x = (2.515517 + t * (0.802853 + t * 0.010328)) /
                 (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))) -
             t;
  for (int i = 0; i < 3; ++i) {
    const double step = (NormalCdf(x) - p) / NormalDensity(x);
    x -= step / (1 + 0.5 * x * step);
  }
  return x;
}

}  // namespace windlass::tune
