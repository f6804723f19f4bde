// Models saved by XGBoost.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "windlass/base/export.h"
#include "windlass/model/model.h"

namespace windlass::model {

// `bytes`: a file that XGBoost saved, JSON or UBJSON (its first bytes tell which). `tree_limit`:
// the number of trees used for each output, from the first on; 0: all; nothing: up to the round at
// which training stopped early where the file names it, as XGBClassifier and XGBRegressor predict,
// else all.
//
// Margins are sums in double precision of the file's leaves, within single-precision rounding of
// XGBoost's own. Throws Error{kInvalidInput} naming the place in the file, and kUnsupported for
// boosters and objectives that are not read.
WINDLASS_API std::unique_ptr<Model> ReadXGBoostModel(std::string_view bytes,
                                                     std::optional<std::int64_t> tree_limit);

}  // namespace windlass::model
