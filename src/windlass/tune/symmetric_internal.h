// Symmetric matrices.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

namespace windlass::tune {

// Eigenvalues of a symmetric matrix [n][n], which becomes the eigenvectors, one a column: Jacobi's
// cyclic rotations (Golub and Van Loan 1996, 8.4), in a fixed order.
inline std::vector<double> Eigen(std::vector<double>& matrix, std::size_t n) {
  std::vector<double> a = matrix;
  std::vector<double>& v = matrix;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) v[i * n + j] = i == j ? 1 : 0;
  }
  constexpr int kSweeps = 30;
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    double off = 0, on = 0;
    for (std::size_t i = 0; i < n; ++i) {
      on += a[i * n + i] * a[i * n + i];
      for (std::size_t j = 0; j < i; ++j) off += a[i * n + j] * a[i * n + j];
    }
    if (off <= 1e-32 * on) break;
    for (std::size_t p = 0; p + 1 < n; ++p) {
      for (std::size_t q = p + 1; q < n; ++q) {
        if (a[p * n + q] == 0) continue;
        const double theta = (a[q * n + q] - a[p * n + p]) / (2 * a[p * n + q]);
        const double t = (theta >= 0 ? 1 : -1) / (std::abs(theta) + std::sqrt(theta * theta + 1));
        const double c = 1 / std::sqrt(t * t + 1);
        const double s = t * c;
        for (std::size_t k = 0; k < n; ++k) {
          const double x = a[k * n + p], y = a[k * n + q];
          a[k * n + p] = c * x - s * y;
          a[k * n + q] = s * x + c * y;
        }
        for (std::size_t k = 0; k < n; ++k) {
          const double x = a[p * n + k], y = a[q * n + k];
          a[p * n + k] = c * x - s * y;
          a[q * n + k] = s * x + c * y;
          const double left = v[k * n + p], right = v[k * n + q];
          v[k * n + p] = c * left - s * right;
          v[k * n + q] = s * left + c * right;
        }
      }
    }
  }
  std::vector<double> values;
  for (std::size_t i = 0; i < n; ++i) values.push_back(a[i * n + i]);
  return values;
}

}  // namespace windlass::tune
