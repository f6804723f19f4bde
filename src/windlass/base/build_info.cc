#include "windlass/base/build_info.h"

#ifndef WINDLASS_VERSION
#error "the build passes WINDLASS_VERSION and WINDLASS_BUILD_HASH to this file"
#endif

namespace windlass {

const char* Version() { return WINDLASS_VERSION; }
const char* BuildHash() { return WINDLASS_BUILD_HASH; }

}  // namespace windlass
