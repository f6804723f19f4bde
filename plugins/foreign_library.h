// Opening a library that a plug-in needs and does not bring with it.
#pragma once

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "windlass/base/error.h"

namespace windlass {

// The folder of the plug-in that this is compiled into; empty where that cannot be told. Static: of
// an inline function's variables a process has one, that of the first plug-in.
static std::filesystem::path PluginFolder() {
  static const char own = 0;
  Dl_info here{};
  if (::dladdr(&own, &here) == 0 || here.dli_fname == nullptr) return {};
  return std::filesystem::absolute(here.dli_fname).parent_path();
}

struct ForeignLibrary {
  const char* title;     // "ONNX Runtime"
  const char* variable;  // names the file, before all else
  const char* name;      // what the dynamic loader is asked for in the end
  const char* install;   // "`pip install onnxruntime`"
  const char* file;      // "libonnxruntime.so in its folder capi": what the variable is to name
};

// Opens what the variable names, else the file `installed` where there is one, else what the
// dynamic loader finds. Throws Error{kUnsupported} saying where it looked.
inline void* OpenForeignLibrary(const ForeignLibrary& library,
                                const std::filesystem::path& installed) {
  const char* chosen = std::getenv(library.variable);
  if (chosen != nullptr && *chosen != 0) {  // dlopen("") would be the main program
    if (void* module = ::dlopen(chosen, RTLD_NOW | RTLD_LOCAL); module != nullptr) return module;
    throw Error(ErrorCode::kUnsupported, fmt::format("{} cannot be opened as ${} says: {}",
                                                     library.title, library.variable, ::dlerror()));
  }
  if (std::filesystem::exists(installed)) {
    if (void* module = ::dlopen(installed.c_str(), RTLD_NOW | RTLD_LOCAL); module != nullptr) {
      return module;
    }
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{} cannot be opened: {}", library.title, ::dlerror()));
  }
  if (void* module = ::dlopen(library.name, RTLD_NOW | RTLD_LOCAL); module != nullptr) {
    return module;
  }
  throw Error(
      ErrorCode::kUnsupported,
      fmt::format("{} was not found: there is no {}, and the dynamic loader finds no {}; {} "
                  "and let ${} name the {}",
                  library.title, installed.string(), library.name, library.install,
                  library.variable, library.file));
}

}  // namespace windlass
