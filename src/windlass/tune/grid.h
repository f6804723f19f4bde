// The tuner `grid?points=K`: all values of discrete parameters, and K (10) of each float, evenly
// spread with both ends among them. Cells come in the order in which a scrambled Sobol' sequence
// enters them, so that early ones spread; the last ones, which it is slow to find, in the lattice's
// own order from a random one on. A grid that is used up begins again in the same order.
#pragma once

#include "windlass/tune/tuner.h"

namespace windlass::tune {

void RegisterGrid(Registry& registry);

}  // namespace windlass::tune
