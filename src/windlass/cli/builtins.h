// Registers everything that this library brings.
#pragma once

#include "windlass/base/registry.h"

namespace windlass {

WINDLASS_API void RegisterBuiltins(Registry& registry);

}  // namespace windlass
