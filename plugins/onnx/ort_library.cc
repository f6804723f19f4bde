#include "ort_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <filesystem>
#include <mutex>
#include <optional>

#include "../foreign_library.h"
#include "windlass/base/error.h"

namespace windlass::ort {
namespace {

constexpr ForeignLibrary kLibrary = {"ONNX Runtime", "WINDLASS_ONNXRUNTIME", "libonnxruntime.so.1",
                                     "`pip install onnxruntime`",
                                     "libonnxruntime.so in its folder capi"};

// The file beside this plug-in, where the build puts a link; else that of the Python package
// onnxruntime, where this plug-in is part of the Python package windlass: they are neighbours.
std::filesystem::path Installed() {
  const std::filesystem::path own = PluginFolder();
  std::filesystem::path beside = own / kLibrary.name;
  if (std::filesystem::exists(beside)) return beside;
  const auto package = (own / "../../../onnxruntime/capi").lexically_normal();
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(package, none)) {
    if (entry.path().filename().string().starts_with("libonnxruntime.so.")) return entry.path();
  }
  return beside;
}

Library Load() {
  void* module = OpenForeignLibrary(kLibrary, Installed());
  const auto get_base = reinterpret_cast<const ApiBase* (*)()>(::dlsym(module, "OrtGetApiBase"));
  const ApiBase* base = get_base == nullptr ? nullptr : get_base();
  if (base == nullptr) {
    ::dlclose(module);
    throw Error(ErrorCode::kUnsupported,
                "the library found as ONNX Runtime is another one: it has no OrtGetApiBase");
  }
  Library library;
  library.version = base->GetVersionString();
  library.api.slots = base->GetApi(kApiVersion);
  if (library.api.slots == nullptr) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("ONNX Runtime {} does not serve version {} of its interface; 1.{} or "
                            "later was expected",
                            library.version, kApiVersion, kApiVersion));
  }
  // Errors come back from every call, so that only what ends the process is logged.
  Check(library.api, library.api.CreateEnv(kLogFatal, "windlass", &library.env), "ONNX Runtime");
  Check(library.api, library.api.DisableTelemetryEvents(library.env), "ONNX Runtime");
  return library;
}

}  // namespace

const Library& OpenLibrary() {
  static std::mutex opening;
  static Library* library = nullptr;  // never destroyed: models may outlive main
  const std::lock_guard lock(opening);
  if (library == nullptr) library = new Library(Load());
  return *library;
}

void Check(const Api& api, Status* status, std::string_view what) {
  if (status == nullptr) return;
  const std::string message = api.GetErrorMessage(status);
  api.ReleaseStatus(status);
  throw Error(ErrorCode::kInvalidInput, fmt::format("{}: ONNX Runtime: {}", what, message));
}

}  // namespace windlass::ort
