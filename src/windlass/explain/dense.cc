#include "windlass/explain/dense.h"

#include <hwy/highway.h>

#include <algorithm>
#include <cmath>

namespace windlass::explain {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
constexpr hn::FixedTag<double, 4> kFour;
constexpr int kVectors = kTileColumns / 4;

// A row of a tile, in registers.
struct TileRow {
  decltype(hn::Zero(kFour)) part[kVectors];

  static TileRow Load(const double* from) {
    TileRow row;
    for (int v = 0; v < kVectors; ++v) row.part[v] = hn::LoadU(kFour, from + 4 * v);
    return row;
  }
  void Store(double* to) const {
    for (int v = 0; v < kVectors; ++v) hn::StoreU(part[v], kFour, to + 4 * v);
  }
  // Adds factor times another row.
  void Add(double factor, const double* other) {
    const auto f = hn::Set(kFour, factor);
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      part[v] = hn::MulAdd(f, hn::LoadU(kFour, other + 4 * v), part[v]);
    }
  }
};

// Solves L L^T x = b for all columns of a tile [size, kTileColumns], in place.
void SolveTile(std::span<const double> factor, int size, double* tile) {
  for (int i = 0; i < size; ++i) {
    const double* row = &factor[static_cast<std::size_t>(i) * size];
    TileRow sum = TileRow::Load(tile + i * kTileColumns);
    for (int k = 0; k < i; ++k) sum.Add(-row[k], tile + k * kTileColumns);
    const auto inverse = hn::Set(kFour, 1 / row[i]);
    for (auto& part : sum.part) part = hn::Mul(part, inverse);
    sum.Store(tile + i * kTileColumns);
  }
  for (int i = size - 1; i >= 0; --i) {
    TileRow sum = TileRow::Load(tile + i * kTileColumns);
    for (int k = i + 1; k < size; ++k) {
      sum.Add(-factor[static_cast<std::size_t>(k) * size + i], tile + k * kTileColumns);
    }
    const auto inverse = hn::Set(kFour, 1 / factor[static_cast<std::size_t>(i) * size + i]);
    for (auto& part : sum.part) part = hn::Mul(part, inverse);
    sum.Store(tile + i * kTileColumns);
  }
}

}  // namespace

double Dot(const double* a, const double* b, std::int64_t count) {
  auto low = hn::Zero(kFour);
  auto high = hn::Zero(kFour);
  std::int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    low = hn::MulAdd(hn::LoadU(kFour, a + i), hn::LoadU(kFour, b + i), low);
    high = hn::MulAdd(hn::LoadU(kFour, a + i + 4), hn::LoadU(kFour, b + i + 4), high);
  }
  double lanes[4];
  hn::StoreU(hn::Add(low, high), kFour, lanes);
  double sum = (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
  for (; i < count; ++i) sum = std::fma(a[i], b[i], sum);
  return sum;
}

bool Cholesky(std::span<double> matrix, int size) {
  for (int j = 0; j < size; ++j) {
    double* row_j = &matrix[static_cast<std::size_t>(j) * size];
    const double before = row_j[j];
    const double diagonal = before - Dot(row_j, row_j, j);
    if (!(diagonal > 1e-13 * before)) return false;
    row_j[j] = std::sqrt(diagonal);
    for (int i = j + 1; i < size; ++i) {
      double* row_i = &matrix[static_cast<std::size_t>(i) * size];
      row_i[j] = (row_i[j] - Dot(row_i, row_j, j)) / row_j[j];
    }
  }
  return true;
}

void CholeskySolve(std::span<const double> factor, int size, std::span<double> b) {
  for (int i = 0; i < size; ++i) {
    const double* row = &factor[static_cast<std::size_t>(i) * size];
    b[i] = (b[i] - Dot(row, b.data(), i)) / row[i];
  }
  for (int i = size - 1; i >= 0; --i) {
    b[i] /= factor[static_cast<std::size_t>(i) * size + i];
    const double* row = &factor[static_cast<std::size_t>(i) * size];
    for (int k = 0; k < i; ++k) b[k] = std::fma(-row[k], b[i], b[k]);
  }
}

std::vector<double> CholeskyInverse(std::span<const double> factor, int size) {
  std::vector<double> inverse(static_cast<std::size_t>(size) * size);
  std::vector<double> tile(static_cast<std::size_t>(size) * kTileColumns);
  for (int begin = 0; begin < size; begin += kTileColumns) {
    const int count = std::min(kTileColumns, size - begin);
    std::ranges::fill(tile, 0.0);
    for (int c = 0; c < count; ++c) tile[(begin + c) * kTileColumns + c] = 1;
    SolveTile(factor, size, tile.data());
    for (int i = 0; i < size; ++i) {
      std::copy_n(&tile[i * kTileColumns], count,
                  &inverse[static_cast<std::size_t>(i) * size + begin]);
    }
  }
  return inverse;
}

void MultiplyTile(std::span<const double> a, std::int64_t rows, std::int64_t inner,
                  std::span<const double> tile, std::span<double> out) {
  for (std::int64_t r = 0; r < rows; ++r) {
    TileRow sum;
    for (auto& part : sum.part) part = hn::Zero(kFour);
    const double* factors = &a[r * inner];
    for (std::int64_t k = 0; k < inner; ++k) sum.Add(factors[k], &tile[k * kTileColumns]);
    sum.Store(&out[r * kTileColumns]);
  }
}

}  // namespace windlass::explain
