// The tuner `tpe?startup=10&candidates=24&gamma=0.15&bandwidth=0.5`: a tree-structured Parzen
// estimator (Bergstra et al. 2011), multivariate (Falkner et al. 2018). After `startup` trials of a
// scrambled Sobol' sequence it draws `candidates` from a density of the best part (`gamma`) of the
// trials and takes that with the best ratio to the density of the others. Parameters under one
// condition have densities of their own, over the trials in which they count. Failed trials are
// worse than all others; those under way count as bad.
#pragma once

#include "windlass/tune/tuner.h"

namespace windlass::tune {

void RegisterTpe(Registry& registry);

}  // namespace windlass::tune
