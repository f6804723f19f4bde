// What this build is.
#pragma once

#include <string>

#include "windlass/base/export.h"

namespace windlass {

WINDLASS_API const char* Version();    // "0.1.0"
WINDLASS_API const char* BuildHash();  // of sources, pinned dependencies and flags

}  // namespace windlass
