// Tuning as jobs: specs of kind "tune_bench".
#pragma once

#include "windlass/base/registry.h"

namespace windlass::tune {

// Registers tuners, challenges, the kind of spec and the kind of task that it uses.
void RegisterTune(Registry& registry);

}  // namespace windlass::tune
