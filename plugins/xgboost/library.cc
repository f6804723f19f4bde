#include "library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <filesystem>
#include <mutex>

#include "../foreign_library.h"
#include "windlass/base/error.h"

namespace windlass::xgb {
namespace {

constexpr ForeignLibrary kLibrary = {"XGBoost", "WINDLASS_XGBOOST", "libxgboost.so",
                                     "`pip install xgboost-cpu`",
                                     "libxgboost.so in its folder xgboost/lib"};

// The file beside this plug-in; else that of the Python package xgboost, where this plug-in is part
// of the Python package windlass: they are neighbours.
std::filesystem::path Installed() {
  const std::filesystem::path own = PluginFolder();
  std::filesystem::path beside = own / kLibrary.name;
  if (std::filesystem::exists(beside)) return beside;
  const auto package = (own / "../../../xgboost/lib" / kLibrary.name).lexically_normal();
  return std::filesystem::exists(package) ? package : beside;
}

template <typename Function>
void Find(void* module, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(module, name));
  if (function != nullptr) return;
  throw Error(ErrorCode::kUnsupported,
              fmt::format("the library found as XGBoost has no {}: version 1.7 or later was "
                          "expected",
                          name));
}

Library Load() {
  void* module = OpenForeignLibrary(kLibrary, Installed());
  Library library;
  Find(module, "XGBoostVersion", library.version);
  Find(module, "XGBGetLastError", library.last_error);
  Find(module, "XGDMatrixCreateFromCSR", library.matrix_from_csr);
  Find(module, "XGDMatrixSetInfoFromInterface", library.matrix_set);
  Find(module, "XGDMatrixFree", library.matrix_free);
  Find(module, "XGBoosterCreate", library.booster_create);
  Find(module, "XGBoosterSetParam", library.booster_set);
  Find(module, "XGBoosterUpdateOneIter", library.booster_update);
  Find(module, "XGBoosterPredictFromDMatrix", library.booster_predict);
  Find(module, "XGBoosterFree", library.booster_free);
  int major = 0, minor = 0, patch = 0;
  library.version(&major, &minor, &patch);
  library.version_text = fmt::format("xgboost {}.{}.{}", major, minor, patch);
  return library;
}

}  // namespace

void Library::Check(int status) const {
  if (status == 0) return;
  // The first line; what follows is a stack trace.
  const std::string words = last_error();
  throw Error(ErrorCode::kInvalidInput, "XGBoost: " + words.substr(0, words.find('\n')));
}

const Library& OpenLibrary() {
  static std::mutex opening;
  static Library* library = nullptr;  // never destroyed: rows may outlive main
  const std::lock_guard lock(opening);
  if (library == nullptr) library = new Library(Load());
  return *library;
}

}  // namespace windlass::xgb
