// The standard normal distribution in double precision, the same bits on every machine.
#pragma once

namespace windlass::tune {

double NormalDensity(double x);

// P(X <= x); relative error below 2e-15 (1 + x^2) for x down to -37, 0 further down.
double NormalCdf(double x);

// The x with NormalCdf(x) = p, to 1e-13 (1 + |x|) for p from 1e-300 to 1/2, and to what p resolves
// above.
double NormalQuantile(double p);

}  // namespace windlass::tune
