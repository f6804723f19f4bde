// Models saved by LightGBM.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "windlass/base/export.h"
#include "windlass/model/model.h"

namespace windlass::model {

// `text`: what LightGBM's save_model or model_to_string writes. `tree_limit`: the number of trees
// used for each output, from the first on; 0: all.
//
// The margin is LightGBM's raw score, times the objective's sigmoid factor where that is not 1 (it
// is then the log-odds), and the mean over trees, as its predictions are made of, for a random
// forest. Decisions are LightGBM's, except that a category in (-1, 0) is none, where LightGBM cuts
// it to 0.
//
// Throws Error{kInvalidInput} naming the place in the file, and kUnsupported for versions,
// objectives and linear trees that are not read.
WINDLASS_API std::unique_ptr<Model> ReadLightGBMModel(std::string_view text,
                                                      std::int64_t tree_limit);

}  // namespace windlass::model
