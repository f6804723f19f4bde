// The tuners `gp`, `gp-ei`, `gp-lcb`, `gp-pi`, `gp-hedge`, `gcp` and `gcp-ei`: Bayesian
// optimisation with Gaussian processes.
#pragma once

#include "windlass/tune/tuner.h"

namespace windlass::tune {

void RegisterGaussianProcesses(Registry& registry);

}  // namespace windlass::tune
