// exp and log in double precision, ours and pinned: the same bits on every machine, unlike libm's.
//
// Written on Highway's vectors for the one instruction set that we build for (x86-64-v3: AVX2 and
// FMA); every lane is computed on its own, so a value does not depend on the vector's width or on
// its neighbours.
#pragma once

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>
#include <limits>

#if !HWY_NATIVE_FMA
#error "compile for x86-64-v3 (or another target with fused multiply-add): results depend on it"
#endif

namespace windlass::vector_math {

namespace hn = hwy::HWY_NAMESPACE;

// e^x, within 1 ulp for results that are normal numbers; 0 below -746, infinity above 709.79, NaN
// for NaN. Cody-Waite reduction x = k ln 2 + r, then a Taylor polynomial of degree 13 on |r| <=
// ln 2 / 2 (truncation below 2^-57).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Exp(D d, V x) {
  const hn::RebindToSigned<D> di;
  const V magic = hn::Set(d, 0x1.8p52);  // adding it rounds to an integer in the low bits
  const V limited = hn::Min(hn::Max(x, hn::Set(d, -746.0)), hn::Set(d, 710.0));
  const V shifted = hn::MulAdd(limited, hn::Set(d, 0x1.71547652b82fep+0), magic);
  const V k = hn::Sub(shifted, magic);
  V r = hn::NegMulAdd(k, hn::Set(d, 0x1.62e42fefa39efp-1), limited);
  r = hn::NegMulAdd(k, hn::Set(d, 0x1.abc9e3b39803fp-56), r);
  V p = hn::Set(d, 1.0 / 6227020800.0);
  p = hn::MulAdd(p, r, hn::Set(d, 1.0 / 479001600.0));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0 / 39916800.0));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0 / 3628800.0));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0 / 362880.0));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0 / 40320.0));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0 / 5040.0));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0 / 720.0));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0 / 120.0));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0 / 24.0));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0 / 6.0));
  p = hn::MulAdd(p, r, hn::Set(d, 0.5));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0));
  // 2^k in two factors, so that subnormal results and 2^1024 need no special case
  const auto k_bits = hn::Sub(hn::BitCast(di, shifted), hn::BitCast(di, magic));
  const auto half = hn::ShiftRight<1>(hn::Add(k_bits, hn::Set(di, std::int64_t{2048})));
  const auto half_k = hn::Sub(half, hn::Set(di, std::int64_t{1024}));  // floor(k / 2)
  const auto rest_k = hn::Sub(k_bits, half_k);
  const auto bias = hn::Set(di, std::int64_t{1023});
  const V scale1 = hn::BitCast(d, hn::ShiftLeft<52>(hn::Add(half_k, bias)));
  const V scale2 = hn::BitCast(d, hn::ShiftLeft<52>(hn::Add(rest_k, bias)));
  const V result = hn::Mul(hn::Mul(p, scale1), scale2);
  return hn::IfThenElse(hn::Eq(x, x), result, x);
}

// ln x, within 1 ulp; -infinity for 0, NaN below, infinity for infinity. x = 2^e m with m in
// [sqrt(1/2), sqrt(2)); ln m from the odd series of atanh(f / (2 + f)), f = m - 1, arranged so
// that f itself is added last and exactly.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Log(D d, V x) {
  const hn::RebindToSigned<D> di;
  const V one = hn::Set(d, 1.0);
  const V magic = hn::Set(d, 0x1.8p52);
  const auto tiny = hn::Lt(x, hn::Set(d, 0x1p-1022));
  const V scaled = hn::IfThenElse(tiny, hn::Mul(x, hn::Set(d, 0x1p54)), x);
  // Adding the distance of 1 to sqrt(1/2) moves the exponent's border there.
  const auto bits = hn::BitCast(di, scaled);
  const auto offset = hn::Set(di, std::int64_t{0x3fe6a09e667f3bcd});
  const auto moved = hn::Sub(bits, offset);
  const auto exponent = hn::ShiftRight<52>(moved);
  const V m = hn::BitCast(d, hn::Sub(bits, hn::ShiftLeft<52>(exponent)));
  V e = hn::Sub(hn::BitCast(d, hn::Add(exponent, hn::BitCast(di, magic))), magic);
  e = hn::IfThenElse(tiny, hn::Sub(e, hn::Set(d, 54.0)), e);
  const V f = hn::Sub(m, one);
  const V s = hn::Div(f, hn::Add(hn::Set(d, 2.0), f));
  const V z = hn::Mul(s, s);
  V p = hn::Set(d, 2.0 / 23.0);
  p = hn::MulAdd(p, z, hn::Set(d, 2.0 / 21.0));
  p = hn::MulAdd(p, z, hn::Set(d, 2.0 / 19.0));
  p = hn::MulAdd(p, z, hn::Set(d, 2.0 / 17.0));
  p = hn::MulAdd(p, z, hn::Set(d, 2.0 / 15.0));
  p = hn::MulAdd(p, z, hn::Set(d, 2.0 / 13.0));
  p = hn::MulAdd(p, z, hn::Set(d, 2.0 / 11.0));
  p = hn::MulAdd(p, z, hn::Set(d, 2.0 / 9.0));
  p = hn::MulAdd(p, z, hn::Set(d, 2.0 / 7.0));
  p = hn::MulAdd(p, z, hn::Set(d, 2.0 / 5.0));
  p = hn::MulAdd(p, z, hn::Set(d, 2.0 / 3.0));
  const V r = hn::Mul(z, p);
  const V half_square = hn::Mul(hn::Set(d, 0.5), hn::Mul(f, f));
  // ln m = f - (f^2/2 - s (f^2/2 + r)); e ln 2 in two parts
  const V tail =
      hn::MulAdd(s, hn::Add(half_square, r), hn::Mul(e, hn::Set(d, 0x1.abc9e3b39803fp-56)));
  const V small = hn::Sub(f, hn::Sub(half_square, tail));
  const V result = hn::MulAdd(e, hn::Set(d, 0x1.62e42fefa39efp-1), small);
  const V infinity = hn::Set(d, std::numeric_limits<double>::infinity());
  V special = hn::IfThenElse(hn::Eq(x, infinity), x, result);
  special = hn::IfThenElse(hn::Eq(x, hn::Zero(d)), hn::Neg(infinity), special);
  const V nan = hn::Set(d, std::numeric_limits<double>::quiet_NaN());
  special = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), nan, special);
  return hn::IfThenElse(hn::Eq(x, x), special, x);
}

}  // namespace windlass::vector_math

namespace windlass {

// The same functions for one number; bit for bit what a lane of the vector forms gives.
inline double Exp(double x) {
  const vector_math::hn::CappedTag<double, 1> d;
  return vector_math::hn::GetLane(vector_math::Exp(d, vector_math::hn::Set(d, x)));
}

inline double Log(double x) {
  const vector_math::hn::CappedTag<double, 1> d;
  return vector_math::hn::GetLane(vector_math::Log(d, vector_math::hn::Set(d, x)));
}

// cos x, within 1 ulp of 1 (not of a result near 0) for |x| up to 10^6; NaN for NaN. The multiple
// of pi / 2 is taken off in three parts with fused multiply-adds, then Taylor polynomials on |r| <=
// pi / 4 (truncation below 2^-56).
inline double Cos(double x) {
  const double k = __builtin_nearbyint(x * 0x1.45f306dc9c883p-1);
  double r = __builtin_fma(-k, 0x1.921fb54442d18p+0, x);
  r = __builtin_fma(-k, 0x1.1a62633145c07p-54, r);
  r = __builtin_fma(-k, -0x1.f1976b7ed8fbcp-110, r);
  const double z = r * r;
  const auto quadrant = static_cast<std::int64_t>(k) & 3;
  double result;
  if (quadrant % 2 == 0) {
    double p = 1.0 / 20922789888000.0;
    for (const double divisor : {-87178291200.0, 479001600.0, -3628800.0, 40320.0, -720.0, 24.0}) {
      p = __builtin_fma(p, z, 1.0 / divisor);
    }
    result = __builtin_fma(z * z, p, __builtin_fma(-0.5, z, 1.0));
  } else {
    double p = -1.0 / 1307674368000.0;
    for (const double divisor : {6227020800.0, -39916800.0, 362880.0, -5040.0, 120.0, -6.0}) {
      p = __builtin_fma(p, z, 1.0 / divisor);
    }
    result = __builtin_fma(r * z, p, r);
  }
  return quadrant == 1 || quadrant == 2 ? -result : result;
}

// 1 / (1 + e^-x) without overflow, to 2 ulp.
inline double Sigmoid(double x) {
  if (x >= 0) return 1.0 / (1.0 + Exp(-x));
  const double e = Exp(x);
  return e / (1.0 + e);
}

}  // namespace windlass
