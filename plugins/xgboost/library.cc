#include "library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>

#include "windlass/base/error.h"

namespace windlass::xgb {
namespace {

constexpr const char* kVariable = "WINDLASS_XGBOOST";
constexpr const char* kName = "libxgboost.so";

std::filesystem::path OwnFolder() {
  Dl_info here{};
  if (::dladdr(reinterpret_cast<void*>(&OwnFolder), &here) == 0 || here.dli_fname == nullptr) {
    return {};
  }
  return std::filesystem::absolute(here.dli_fname).parent_path();
}

void* Open() {
  const char* chosen = std::getenv(kVariable);
  if (chosen != nullptr && *chosen != 0) {  // dlopen("") would be the main program
    if (void* module = ::dlopen(chosen, RTLD_NOW | RTLD_LOCAL); module != nullptr) return module;
    throw Error(ErrorCode::kUnsupported,
                fmt::format("XGBoost cannot be opened as ${} says: {}", kVariable, ::dlerror()));
  }
  const std::filesystem::path own = OwnFolder();
  for (const auto& place : {own / kName, own / "../../../xgboost/lib" / kName}) {
    if (!std::filesystem::exists(place)) continue;
    if (void* module = ::dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL); module != nullptr) {
      return module;
    }
    throw Error(ErrorCode::kUnsupported, fmt::format("XGBoost cannot be opened: {}", ::dlerror()));
  }
  if (void* module = ::dlopen(kName, RTLD_NOW | RTLD_LOCAL); module != nullptr) return module;
  throw Error(ErrorCode::kUnsupported,
              fmt::format("XGBoost was not found: there is no {}, and the dynamic loader finds no "
                          "{}; `pip install xgboost-cpu` and let ${} name the {} in its folder "
                          "xgboost/lib",
                          (own / kName).string(), kName, kVariable, kName));
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
  void* module = Open();
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
