#include <algorithm>
#include <numeric>

#include "windlass/model/affine_internal.h"

namespace windlass::model {

Affine AffineInput(std::int64_t first, std::int64_t width, std::int64_t columns, bool flat) {
  Affine value;
  value.columns = columns;
  value.flat = flat;
  value.bias.assign(width, 0.0);
  value.factor.assign(width, 1.0);
  value.source.resize(width);
  std::iota(value.source.begin(), value.source.end(), first);
  return value;
}

Affine ScaledAffine(Affine value, const std::vector<double>& scale,
                    const std::vector<double>& shift) {
  for (std::int64_t i = 0; i < value.width(); ++i) {
    value.bias[i] = value.bias[i] * scale[i] + shift[i];
    if (value.dense()) {
      for (std::int64_t j = 0; j < value.columns; ++j) {
        value.matrix[i * value.columns + j] *= scale[i];
      }
    } else {
      value.factor[i] *= scale[i];
    }
  }
  return value;
}

Affine ProductAffine(const Affine& value, const std::vector<double>& weights,
                     const std::vector<double>& shift) {
  Affine product;
  product.columns = value.columns;
  product.bias = shift;
  const std::int64_t outputs = std::ssize(shift);
  product.matrix.assign(outputs * value.columns, 0.0);
  for (std::int64_t k = 0; k < value.width(); ++k) {
    for (std::int64_t i = 0; i < outputs; ++i) {
      const double weight = weights[k * outputs + i];
      double* row = product.matrix.data() + i * value.columns;
      product.bias[i] += weight * value.bias[k];
      if (value.dense()) {
        const double* from = value.matrix.data() + k * value.columns;
        for (std::int64_t j = 0; j < value.columns; ++j) row[j] += weight * from[j];
      } else {
        row[value.source[k]] += weight * value.factor[k];
      }
    }
  }
  return product;
}

Affine ConcatenatedAffine(const std::vector<Affine>& values) {
  const bool dense = std::ranges::any_of(values, &Affine::dense);
  Affine all;
  all.columns = values.front().columns;
  all.activation = values.front().activation;
  const auto append = [](auto& to, const auto& from) {
    to.insert(to.end(), from.begin(), from.end());
  };
  for (const auto& value : values) {
    append(all.bias, value.bias);
    if (dense) {
      append(all.matrix, DenseAffine(value).matrix);
    } else {
      append(all.source, value.source);
      append(all.factor, value.factor);
    }
  }
  return all;
}

Affine DenseAffine(Affine value) {
  if (value.dense()) return value;
  value.matrix.assign(value.width() * value.columns, 0.0);
  for (std::int64_t i = 0; i < value.width(); ++i) {
    value.matrix[i * value.columns + value.source[i]] = value.factor[i];
  }
  value.source.clear();
  value.factor.clear();
  return value;
}

bool SumsToOne(const Affine& value) {
  if (value.activation == Activation::kSoftmax) return true;
  if (value.activation != Activation::kSigmoid || value.width() != 2) return false;
  if (value.bias[0] != -value.bias[1]) return false;
  for (std::int64_t j = 0; j < value.columns; ++j) {
    if (value.At(0, j) != -value.At(1, j)) return false;
  }
  return true;
}

}  // namespace windlass::model
