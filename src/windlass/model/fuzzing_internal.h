// For the fuzz targets of this folder.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "windlass/model/model.h"

namespace windlass::model {

// Predicts a row of missing values and two of numbers with whatever model was read.
inline void PredictAnything(const Model& model) {
  const std::int64_t columns = model.columns();
  // What a few bytes may claim as a number of columns takes no memory by itself.
  if (columns > 1000) return;
  std::vector<double> x(3 * columns, 0.5);
  for (std::int64_t i = 0; i < columns; ++i) {
    x[i] = std::numeric_limits<double>::quiet_NaN();
    x[2 * columns + i] = 3.0;
  }
  std::vector<double> out(3 * model.outputs());
  model.Predict(x, 3, out);
}

}  // namespace windlass::model
