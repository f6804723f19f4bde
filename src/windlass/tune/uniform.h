// The tuner `uniform`: points at random.
#pragma once

#include "windlass/tune/tuner.h"

namespace windlass::tune {

void RegisterUniform(Registry& registry);

}  // namespace windlass::tune
