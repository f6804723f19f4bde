#include "windlass/tune/cholesky.h"

#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "windlass/base/vector_math.h"

namespace windlass::tune {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using Lanes = hn::CappedTag<double, kPanelLanes>;
using LaneVector = hn::Vec<Lanes>;

std::size_t Offset(int row, int width) {
  return static_cast<std::size_t>(row) * static_cast<std::size_t>(width);
}

// panel[j0 + r] -= sum over k in [from, j0) of rows[r][k] panel[k], for kRows rows and kVectors
// vectors of the panel, held in registers.
template <int kRows, int kVectors>
void SubtractProducts(const double* const* rows, double* panel, int width, int from, int j0) {
  const Lanes d;
  LaneVector sums[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      sums[r][v] = hn::LoadU(d, panel + Offset(j0 + r, width) + v * kPanelLanes);
    }
  }
  const double* from_panel = panel + Offset(from, width);
  for (int k = from; k < j0; ++k, from_panel += width) {
    LaneVector values[kVectors];
    for (int v = 0; v < kVectors; ++v) values[v] = hn::LoadU(d, from_panel + v * kPanelLanes);
    for (int r = 0; r < kRows; ++r) {
      const LaneVector factor = hn::Set(d, rows[r][k]);
      for (int v = 0; v < kVectors; ++v) {
        sums[r][v] = hn::NegMulAdd(factor, values[v], sums[r][v]);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      hn::StoreU(sums[r][v], d, panel + Offset(j0 + r, width) + v * kPanelLanes);
    }
  }
}

// The same for all of a panel's width.
template <int kRows, int kMostVectors>
void SubtractRows(const double* const* rows, double* panel, int width, int from, int j0) {
  int lane = 0;
  for (; lane + kMostVectors * kPanelLanes <= width; lane += kMostVectors * kPanelLanes) {
    SubtractProducts<kRows, kMostVectors>(rows, panel + lane, width, from, j0);
  }
  if constexpr (kMostVectors > 2) {
    for (; lane + 2 * kPanelLanes <= width; lane += 2 * kPanelLanes) {
      SubtractProducts<kRows, 2>(rows, panel + lane, width, from, j0);
    }
  }
  for (; lane < width; lane += kPanelLanes) {
    SubtractProducts<kRows, 1>(rows, panel + lane, width, from, j0);
  }
}

// panel[j] /= pivot.
void DivideRow(double* panel, int width, int j, double pivot) {
  const Lanes d;
  const LaneVector divisor = hn::Set(d, pivot);
  for (int lane = 0; lane < width; lane += kPanelLanes) {
    double* at = panel + Offset(j, width) + lane;
    hn::StoreU(hn::Div(hn::LoadU(d, at), divisor), d, at);
  }
}

// Rows j0 .. j0 + kRows of L X = B, the ones before them being done.
template <int kRows, int kMostVectors>
void SolveRows(const double* const* rows, double* panel, int width, int from, int j0) {
  SubtractRows<kRows, kMostVectors>(rows, panel, width, from, j0);
  for (int r = 0; r < kRows; ++r) {
    if (r > 0) SubtractRows<1, kMostVectors>(rows + r, panel, width, std::max(from, j0), j0 + r);
    DivideRow(panel, width, j0 + r, rows[r][j0 + r]);
  }
}

}  // namespace

double* Cholesky::MutableRow(int index) {
  return slabs_[static_cast<std::size_t>(index / kSlab)].data() +
         Offset(index % kSlab, Stride(index));
}

const double* Cholesky::RowAt(int index) const {
  return slabs_[static_cast<std::size_t>(index / kSlab)].data() +
         Offset(index % kSlab, Stride(index));
}

std::span<const double> Cholesky::Row(int index) const {
  return {RowAt(index), static_cast<std::size_t>(index) + 1};
}

void Cholesky::SolveLower(double* panel, int width, int from) const {
  int j = from;
  // Few right-hand sides: many rows at once, so that chains of additions overlap.
  const int step = width <= 2 * kPanelLanes ? 8 : 4;
  for (; j + step <= size_; j += step) {
    const double* rows[8];
    for (int r = 0; r < step; ++r) rows[r] = RowAt(j + r);
    if (step == 8) {
      SolveRows<8, 1>(rows, panel, width, from, j);
    } else {
      SolveRows<4, 3>(rows, panel, width, from, j);
    }
  }
  for (; j < size_; ++j) {
    const double* row = RowAt(j);
    SolveRows<1, 8>(&row, panel, width, from, j);
  }
}

void Cholesky::Append(std::span<double> panel, int count, double least) {
  const int width = PanelWidth(count);
  SolveLower(panel.data(), width);
  for (int i = 0; i < count; ++i) {
    const int j = size_;
    if (static_cast<std::size_t>(j / kSlab) >= slabs_.size()) {
      slabs_.emplace_back(Offset(kSlab, Stride(j)));
    }
    double* row = MutableRow(j);
    for (int k = 0; k < j; ++k) row[k] = panel[Offset(k, width) + static_cast<std::size_t>(i)];
    // All lanes of row j at once; lane i itself is the pivot, squared.
    SubtractRows<1, 8>(&row, panel.data(), width, 0, j);
    const double square = panel[Offset(j, width) + static_cast<std::size_t>(i)];
    row[j] = std::sqrt(square > least ? square : least);
    DivideRow(panel.data(), width, j, row[j]);
    ++size_;
  }
}

void Cholesky::SolveUpper(std::span<double> x) const {
  const Lanes d;
  for (int j = size_ - 1; j >= 0;) {
    // Four rows at once: their own triangle first, then what they take from all before them.
    const int block = std::min(4, j + 1);
    const int first = j - block + 1;
    const double* rows[4];
    LaneVector factors[4];
    for (int r = 0; r < block; ++r) rows[r] = RowAt(j - r);
    for (int r = 0; r < block; ++r) {
      const auto at = static_cast<std::size_t>(j - r);
      x[at] /= rows[r][j - r];
      for (int k = first; k < j - r; ++k) {
        x[static_cast<std::size_t>(k)] =
            __builtin_fma(-x[at], rows[r][k], x[static_cast<std::size_t>(k)]);
      }
      factors[r] = hn::Set(d, x[at]);
    }
    int k = 0;
    if (block == 4) {
      for (; k + kPanelLanes <= first; k += kPanelLanes) {
        LaneVector sum = hn::LoadU(d, x.data() + k);
        for (int r = 0; r < 4; ++r) {
          sum = hn::NegMulAdd(factors[r], hn::LoadU(d, rows[r] + k), sum);
        }
        hn::StoreU(sum, d, x.data() + k);
      }
    }
    for (; k < first; ++k) {
      for (int r = 0; r < block; ++r) {
        x[static_cast<std::size_t>(k)] = __builtin_fma(-x[static_cast<std::size_t>(j - r)],
                                                       rows[r][k], x[static_cast<std::size_t>(k)]);
      }
    }
    j = first - 1;
  }
}

double Cholesky::LogDeterminant() const {
  double sum = 0;
  for (int i = 0; i < size_; ++i) sum += Log(RowAt(i)[i]);
  return 2 * sum;
}

}  // namespace windlass::tune
