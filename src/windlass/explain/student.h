// Quantiles of Student's t, for intervals.
#pragma once

namespace windlass::explain {

// The t that holds 95 % between -t and t: 12.7 for one degree of freedom, 1.96 for many. Within
// 0.2 % from three degrees on (Cornish-Fisher expansion, Abramowitz & Stegun 1964, 26.7.5), not
// below the true value for fewer; infinite below one, where there is none to be had.
double Student95(double freedom);

}  // namespace windlass::explain
