#include "windlass/tune/cholesky.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <vector>

#include "windlass/base/random.h"

namespace windlass::tune {
namespace {

using Matrix = std::vector<std::vector<double>>;

// B B^T + 1/10, of random B.
Matrix RandomMatrix(int n, std::uint64_t seed) {
  Random random(seed, 0);
  const auto size = static_cast<std::size_t>(n);
  Matrix b(size, std::vector<double>(size)), a = b;
  for (auto& row : b) {
    for (double& value : row) value = random.Uniform() - 0.5;
  }
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j < size; ++j) {
      for (std::size_t k = 0; k < size; ++k) a[i][j] += b[i][k] * b[j][k];
    }
    a[i][i] += 0.1;
  }
  return a;
}

void AppendRows(Cholesky& factor, const Matrix& a, int count) {
  const int size = factor.size(), width = PanelWidth(count);
  std::vector<double> panel(static_cast<std::size_t>((size + count) * width));
  for (int i = 0; i < count; ++i) {
    for (int j = 0; j <= size + i; ++j) {
      panel[static_cast<std::size_t>(j * width + i)] =
          a[static_cast<std::size_t>(size + i)][static_cast<std::size_t>(j)];
    }
  }
  factor.Append(panel, count, 0);
}

void ExpectSameBits(const Cholesky& a, const Cholesky& b) {
  ASSERT_EQ(a.size(), b.size());
  for (int i = 0; i < a.size(); ++i) {
    for (int j = 0; j <= i; ++j) {
      ASSERT_EQ(a.Row(i)[static_cast<std::size_t>(j)], b.Row(i)[static_cast<std::size_t>(j)])
          << i << " " << j;
    }
  }
}

TEST(Cholesky, FactorsAndSolves) {
  for (const int n : {1, 2, 3, 5, 17, 64, 65, 130, 203}) {
    const Matrix a = RandomMatrix(n, static_cast<std::uint64_t>(n));
    Cholesky factor;
    AppendRows(factor, a, n);
    for (int i = 0; i < n; ++i) {
      for (int j = 0; j <= i; ++j) {
        double sum = 0;
        for (int k = 0; k <= j; ++k) {
          sum += factor.Row(i)[static_cast<std::size_t>(k)] *
                 factor.Row(j)[static_cast<std::size_t>(k)];
        }
        ASSERT_NEAR(sum, a[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)], 1e-12 * n);
      }
    }
    // A x = A 1: x = 1, in the second of four lanes, and the others stay what they are.
    std::vector<double> panel(static_cast<std::size_t>(4 * n));
    for (int i = 0; i < n; ++i) {
      for (const double value : a[static_cast<std::size_t>(i)]) {
        panel[static_cast<std::size_t>(4 * i + 1)] += value;
      }
    }
    factor.SolveLower(panel.data(), 4);
    std::vector<double> x;
    for (int i = 0; i < n; ++i) {
      x.push_back(panel[static_cast<std::size_t>(4 * i + 1)]);
      EXPECT_EQ(panel[static_cast<std::size_t>(4 * i)], 0);
    }
    factor.SolveUpper(x);
    for (const double value : x) EXPECT_NEAR(value, 1, 1e-9);
  }
}

TEST(Cholesky, HasTheSameBitsHoweverItGrows) {
  const int n = 203;
  const Matrix a = RandomMatrix(n, 1);
  Cholesky whole;
  AppendRows(whole, a, n);
  for (const int step : {1, 3, 48, 64, 100}) {
    Cholesky grown;
    while (grown.size() < n) AppendRows(grown, a, std::min(step, n - grown.size()));
    ExpectSameBits(whole, grown);
    // Rows that were taken back leave no trace.
    grown.Truncate(70);
    AppendRows(grown, RandomMatrix(90, 2), 20);
    grown.Truncate(70);
    while (grown.size() < n) AppendRows(grown, a, std::min(31, n - grown.size()));
    ExpectSameBits(whole, grown);
  }
}

TEST(Cholesky, SolutionsDoNotDependOnTheirNeighbours) {
  const int n = 150;
  Cholesky factor;
  AppendRows(factor, RandomMatrix(n, 3), n);
  Random random(4, 0);
  for (const int width : {8, 12, 20, 48}) {
    std::vector<double> panel(static_cast<std::size_t>(n * width));
    for (double& value : panel) value = random.Uniform();
    std::vector<double> alone(static_cast<std::size_t>(n * 4));
    const int lane = width - 3;
    for (int i = 0; i < n; ++i) {
      alone[static_cast<std::size_t>(4 * i)] = panel[static_cast<std::size_t>(i * width + lane)];
    }
    factor.SolveLower(panel.data(), width);
    factor.SolveLower(alone.data(), 4);
    for (int i = 0; i < n; ++i) {
      ASSERT_EQ(alone[static_cast<std::size_t>(4 * i)],
                panel[static_cast<std::size_t>(i * width + lane)]);
    }
  }
}

TEST(Cholesky, RaisesPivotsThatAreTooSmall) {
  Cholesky factor;
  std::vector<double> panel(12, 1.0);
  factor.Append(panel, 3, 1e-8);
  EXPECT_EQ(factor.Row(1)[1], std::sqrt(1e-8));
  EXPECT_TRUE(std::isfinite(factor.LogDeterminant()));
}

}  // namespace
}  // namespace windlass::tune
