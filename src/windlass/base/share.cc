#include "windlass/base/share.h"

#include <dlfcn.h>

#include <cstdlib>

#include "windlass/base/error.h"

namespace windlass {

std::filesystem::path ShareFolder() {
  if (const char* folder = std::getenv("WINDLASS_SHARE"); folder != nullptr && *folder != 0) {
    return folder;
  }
  Dl_info here{};
  if (::dladdr(reinterpret_cast<void*>(&ShareFolder), &here) == 0 || here.dli_fname == nullptr) {
    throw Error(ErrorCode::kInternal, "libwindlass.so cannot find itself");
  }
  const std::filesystem::path library = std::filesystem::absolute(here.dli_fname);
  return (library.parent_path() / "../share/windlass").lexically_normal();
}

}  // namespace windlass
