// Registers everything that this library brings.
#pragma once

#include "windlass/base/export.h"

namespace windlass {

// With the registry of this process; calls after the first do nothing. Thread safe.
WINDLASS_API void RegisterBuiltins();

}  // namespace windlass
