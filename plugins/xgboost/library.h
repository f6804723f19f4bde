// XGBoost's library, found and opened once in the life of the process. Wheels carry no header:
// what we use of its C interface (stable since 1.4) is declared here.
#pragma once

#include <cstdint>
#include <string>

namespace windlass::xgb {

using DMatrix = void*;
using Booster = void*;

// Every function gives 0 for success.
struct Library {
  void (*version)(int* major, int* minor, int* patch);
  const char* (*last_error)();
  // Arrays by NumPy's array interface as JSON; config: {"missing": NaN, "nthread": 1}.
  int (*matrix_from_csr)(const char* first, const char* columns, const char* values,
                         std::uint64_t width, const char* config, DMatrix* out);
  int (*matrix_set)(DMatrix matrix, const char* field, const char* array);
  int (*matrix_free)(DMatrix matrix);
  int (*booster_create)(const DMatrix* matrices, std::uint64_t count, Booster* out);
  int (*booster_set)(Booster booster, const char* name, const char* value);
  int (*booster_update)(Booster booster, int round, DMatrix train);
  int (*booster_predict)(Booster booster, DMatrix rows, const char* config,
                         const std::uint64_t** shape, std::uint64_t* dimensions,
                         const float** values);
  int (*booster_free)(Booster booster);

  std::string version_text;  // "xgboost 3.2.0"

  // Throws Error{kInvalidInput} with XGBoost's words unless `status` is 0.
  void Check(int status) const;
};

// Opens $WINDLASS_XGBOOST, else libxgboost.so beside this plug-in or in the Python package xgboost
// beside the package windlass, else the one that the dynamic loader finds. Throws
// Error{kUnsupported} saying where it looked; may be called again.
const Library& OpenLibrary();

}  // namespace windlass::xgb
