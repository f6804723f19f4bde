// The tuner `sobol`: a scrambled Sobol' sequence (sobol_sequence.h), whatever was seen. In a space
// of discrete parameters a point that was tried is passed over while others are left; once all were
// tried, they come again.
#pragma once

#include "windlass/tune/tuner.h"

namespace windlass::tune {

void RegisterSobol(Registry& registry);

}  // namespace windlass::tune
