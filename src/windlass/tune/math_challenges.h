// Functions whose optimum is known. The first three are those of BTB's benchmark (maximised, with
// its ranges); `-shifted` ones have the optimum away from the middle of the space, where some
// tuners start.
#pragma once

#include "windlass/base/registry.h"

namespace windlass::tune {

void RegisterMathChallenges(Registry& registry);

}  // namespace windlass::tune
