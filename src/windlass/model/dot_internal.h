// The dot product of every linear model, with one result on every machine.
#pragma once

#include <cstdint>
#include <span>

#include "windlass/model/model.h"

namespace windlass::model {

// Coefficients are stored with zeros behind them up to a multiple of this many.
inline constexpr std::int64_t kLanes = 8;

constexpr std::int64_t PaddedToLanes(std::int64_t columns) {
  return (columns + kLanes - 1) / kLanes * kLanes;
}

// sum_i x[i] w[i] over `columns` elements. `w` has PaddedToLanes(columns) elements, the last ones
// zero; `x` is read up to `columns` only.
//
// The order is part of the result: lane l accumulates the elements i = l (mod 8) by fused
// multiply-add, starting from 0 and ascending; the eight sums are added in halves, (l, l + 4), then
// (l, l + 2), then (l, l + 1). A processor with wider or narrower registers gives the same bytes.
double Dot(const double* x, const double* w, std::int64_t columns);

// The same by scalar std::fma: what Dot uses without AVX2, and what tests compare it with.
double DotPortable(const double* x, const double* w, std::int64_t columns);

// Throws Error{kInternal} unless x is [rows, columns] and out is [rows, outputs].
void CheckPredictShapes(const Model& model, std::span<const double> x, std::int64_t rows,
                        std::span<double> out);

}  // namespace windlass::model
