#include "windlass/base/share.h"

#include <dlfcn.h>

#include <cstdlib>

#include "windlass/base/error.h"

namespace windlass {

std::filesystem::path LibraryFolder() {
  Dl_info here{};
  if (::dladdr(reinterpret_cast<void*>(&LibraryFolder), &here) == 0 || here.dli_fname == nullptr) {
    throw Error(ErrorCode::kInternal, "libwindlass.so cannot find itself");
  }
  return std::filesystem::absolute(here.dli_fname).parent_path();
}

std::filesystem::path ShareFolder() {
  if (const char* folder = std::getenv("WINDLASS_SHARE"); folder != nullptr && *folder != 0) {
    return folder;
  }
  return (LibraryFolder() / "../share/windlass").lexically_normal();
}

}  // namespace windlass
