// The whole command line as a function.
#pragma once

#include "windlass/base/export.h"

namespace windlass::cli {

// Runs a command line and gives the exit code; prints everything there is to say.
WINDLASS_API int RunCommandLine(int argc, char** argv);

}  // namespace windlass::cli
