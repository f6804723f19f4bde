// Comparing explanations: specs of kind "explain_diff" and "explain_drift".
#pragma once

#include "windlass/base/registry.h"

namespace windlass::compare {

// Registers both kinds of spec. Neither has tasks: one pass over each file is what they cost.
void RegisterCompare(Registry& registry);

}  // namespace windlass::compare
