// The part of the unit interval that gives a discrete parameter one value.
#pragma once

#include <cmath>

#include "windlass/base/vector_math.h"
#include "windlass/tune/space.h"

namespace windlass::tune {

struct Cell {
  double low = 0;
  double high = 1;
};

// Of the value at a coordinate; the parameter is no float.
inline Cell CellOf(const Parameter& parameter, double coordinate) {
  const double value = parameter.FromUnit(coordinate);
  if (parameter.log) {
    const double least = Log(parameter.low - 0.5);
    const double range = Log(parameter.high + 0.5) - least;
    return {(Log(value - 0.5) - least) / range, (Log(value + 0.5) - least) / range};
  }
  const double index = value - (parameter.numeric() ? parameter.low : 0);
  const auto size = static_cast<double>(parameter.size());
  return {index / size, (index + 1) / size};
}

}  // namespace windlass::tune
