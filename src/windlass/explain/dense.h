// Linear algebra of regressions: plain loops in a fixed order, so that the bytes of a result depend
// on its input alone.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace windlass::explain {

// sum_i a[i] b[i]; lane l adds up i = l (mod 8) by fused multiply-add, what is left comes last.
double Dot(const double* a, const double* b, std::int64_t count);

// Lower Cholesky factor of a symmetric positive definite matrix [size, size], in place (the upper
// triangle is left as it was). Returns false when it is not positive definite to rounding.
bool Cholesky(std::span<double> matrix, int size);

// Solves L L^T x = b for a factor of Cholesky; b is overwritten by x.
void CholeskySolve(std::span<const double> factor, int size, std::span<double> b);

// The inverse of L L^T, [size, size].
std::vector<double> CholeskyInverse(std::span<const double> factor, int size);

// Columns that are worked on at once.
inline constexpr int kTileColumns = 32;

// out = a tile, where a: [rows, inner], tile: [inner, kTileColumns], out: [rows, kTileColumns].
// Sums over `inner` ascend, by fused multiply-add.
void MultiplyTile(std::span<const double> a, std::int64_t rows, std::int64_t inner,
                  std::span<const double> tile, std::span<double> out);

}  // namespace windlass::explain
