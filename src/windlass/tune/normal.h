// The standard normal distribution in double precision, ours and pinned: the same bits on every
// machine, and exact in the far tail, where acquisition functions live.
#pragma once

namespace windlass::tune {

double NormalDensity(double x);

// P(X <= x), within 3e-14 of itself, also where that is 1e-300.
double NormalCdf(double x);
double LogNormalCdf(double x);

// The x of NormalCdf(x) = p, within 1e-12 (1 + |x|); infinite for 0 and 1, NaN
// outside.
double NormalQuantile(double p);

// E max(x + X, 0) = density(x) + x cdf(x): the improvement that is to be expected, in standard
// deviations (Jones et al. 1998, eq. 15).
struct Improvement {
  double log = 0;    // its logarithm, also where it is below all numbers (Ament et al. 2023)
  double slope = 0;  // of that logarithm in x: cdf(x) / improvement
};
Improvement ExpectedImprovement(double x);

// The slope of LogNormalCdf: density(x) / cdf(x).
double LogNormalCdfSlope(double x);

}  // namespace windlass::tune
