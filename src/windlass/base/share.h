// Files that travel with Windlass: the examples.
#pragma once

#include <filesystem>

namespace windlass {

// The folder of the shipped files: $WINDLASS_SHARE, else ../share/windlass beside the folder of
// libwindlass.so. It need not exist. Throws Error{kInternal} when the library cannot find itself.
std::filesystem::path ShareFolder();

// The folder that libwindlass.so was loaded from (in a test: the program's own).
// Throws Error{kInternal} when the loader does not tell.
std::filesystem::path LibraryFolder();

}  // namespace windlass
