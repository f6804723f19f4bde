// What a tensor of an ONNX graph is as a function of the model's inputs, while it is affine.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "windlass/model/model.h"

namespace windlass::model {

// activation(M x + b) for every row x, M of shape [width, columns]. As long as each entry depends
// on one column, which is so for inputs and scalers, M is kept as one column and one factor an
// entry.
struct Affine {
  std::int64_t columns = 0;          // of x
  bool flat = false;                 // the tensor is [rows], not [rows, width]; width is 1
  std::vector<double> bias;          // [width]
  std::vector<std::int64_t> source;  // [width], or empty: dense
  std::vector<double> factor;        // [width], or empty: dense
  std::vector<double> matrix;        // [width, columns] where dense
  Activation activation = Activation::kIdentity;

  std::int64_t width() const { return std::ssize(bias); }
  bool dense() const { return source.empty(); }
  bool linear() const { return activation == Activation::kIdentity; }
  double At(std::int64_t entry, std::int64_t column) const {
    if (dense()) return matrix[entry * columns + column];
    return source[entry] == column ? factor[entry] : 0.0;
  }
};

// Columns first, first + 1, ... of x.
Affine AffineInput(std::int64_t first, std::int64_t width, std::int64_t columns, bool flat);

// value * scale + shift, each of [width].
Affine ScaledAffine(Affine value, const std::vector<double>& scale,
                    const std::vector<double>& shift);

// value times W, of [width, outputs] row-major, plus shift of [outputs].
Affine ProductAffine(const Affine& value, const std::vector<double>& weights,
                     const std::vector<double>& shift);

// Beside each other; all of one activation, and none flat.
Affine ConcatenatedAffine(const std::vector<Affine>& values);

Affine DenseAffine(Affine value);

// Whether the outputs of every row are positive and sum to 1 in exact arithmetic: a softmax, or
// [sigmoid(-z), sigmoid(z)].
bool SumsToOne(const Affine& value);

}  // namespace windlass::model
