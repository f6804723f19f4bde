// The normal distribution on Highway's vectors, for many numbers at once, and random numbers of it.
#pragma once

#include <cmath>
#include <numbers>

#include "windlass/base/random.h"
#include "windlass/base/vector_math.h"

namespace windlass::tune {

namespace hn = hwy::HWY_NAMESPACE;

// e^(t^2) erfc(t) for t >= 0, to 4 ulp: 1 / (1 + 2 t) times a polynomial in (t - 3.75) / (t +
// 3.75), the form of Shepherd and Laframboise (1981); the coefficients are of the interpolation at
// 25 Chebyshev nodes, computed in 50 digits.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V ScaledErfc(D d, V t) {
  constexpr double kCoefficients[] = {
      4.434959070009628e-10,  3.110310719839165e-10,   -5.28428697963142e-09,
      -3.743568033634583e-09, 3.8965452548985966e-08,  2.3261913276696566e-08,
      -2.591069687796658e-07, -5.721597255990987e-08,  1.752057970166318e-06,
      -9.735619015182663e-07, -1.1444412439171722e-05, 2.2384240314224437e-05,
      5.1649211390702855e-05, -0.0002901540809795271,  0.0002937136342850081,
      0.0017556258530017257,  -0.009746579552504244,   0.028362277418940665,
      -0.058693398590212366,  0.09230432116037876,     -0.10880393014171785,
      0.08227673849014516,    0.003585415485463775,    -0.14024059858554697,
      1.2375126308378275};
  const V middle = hn::Set(d, 3.75);
  const V y = hn::Div(hn::Sub(t, middle), hn::Add(t, middle));
  V p = hn::Set(d, kCoefficients[0]);
  for (std::size_t i = 1; i < std::size(kCoefficients); ++i) {
    p = hn::MulAdd(p, y, hn::Set(d, kCoefficients[i]));
  }
  return hn::Div(p, hn::MulAdd(hn::Set(d, 2.0), t, hn::Set(d, 1.0)));
}

// The probability of a standard normal number below x. Relative error below 2e-15 (1 + x^2), for
// x down to -37; 0 further down.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V NormalCdf(D d, V x) {
  const V t = hn::Mul(hn::Abs(x), hn::Set(d, 1 / std::numbers::sqrt2));
  const V limited = hn::Min(t, hn::Set(d, 100.0));
  const V tail = hn::Mul(hn::Mul(hn::Set(d, 0.5), ScaledErfc(d, limited)),
                         vector_math::Exp(d, hn::Neg(hn::Mul(limited, limited))));
  return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), tail, hn::Sub(hn::Set(d, 1.0), tail));
}

// Box and Muller (1958).
inline double RandomNormal(Random& random) {
  const double radius = std::sqrt(-2 * Log(1 - random.Uniform()));
  return radius * Cos(2 * std::numbers::pi * random.Uniform());
}

}  // namespace windlass::tune
