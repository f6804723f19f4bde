// Student's t distribution, for intervals and tests.
#pragma once

namespace windlass {

// The t that holds 95 % between -t and t: 12.7 for one degree of freedom, 1.96 for many. Within
// 0.2 % from three degrees on (Cornish-Fisher expansion, Abramowitz & Stegun 1964, 26.7.5), not
// below the true value for fewer; infinite below one, where there is none to be had.
double Student95(double freedom);

// The chance that |T| exceeds `t` >= 0: the two-sided p-value of a t test. Relative error below
// 1e-9 (the regularised incomplete beta function by its continued fraction, DLMF 8.17.22). 1 where
// `freedom` is below one or either is not a number; `freedom` may be infinite: the normal
// distribution.
double StudentTail(double t, double freedom);

}  // namespace windlass
