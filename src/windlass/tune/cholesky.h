// A Cholesky factor that grows by rows.
#pragma once

#include <span>
#include <vector>

namespace windlass::tune {

// Right-hand sides stand side by side in a panel [rows, width], the width a multiple of
// kPanelLanes; lanes that are not used hold any finite numbers.
inline constexpr int kPanelLanes = 4;
inline int PanelWidth(int count) { return (count + kPanelLanes - 1) / kPanelLanes * kPanelLanes; }

// L of A = L L^T, A symmetric and positive definite [size, size]. Every entry is one chain of fused
// multiply-adds in ascending order, whatever the blocking: a factor grown row by row, in blocks, or
// at once has the same bits, and so has a solution alone or beside others.
class Cholesky {
 public:
  int size() const { return size_; }

  // The lower triangle's row, [index + 1].
  std::span<const double> Row(int index) const;

  // Adds rows: panel [size() + count, PanelWidth(count)], panel[j][i] = A[size() + i][j], of which
  // those with j <= size() + i are read. Overwrites the panel. A pivot (squared) below `least` is
  // raised to it, as a jitter that only such rows get. O(count size^2).
  void Append(std::span<double> panel, int count, double least);

  // Forgets the rows from `size` on.
  void Truncate(int size) { size_ = size; }

  // L X = B in place, panel [size(), width]. Rows above `from` are taken as zeros.
  void SolveLower(double* panel, int width, int from = 0) const;

  // L^T x = b in place, [size()].
  void SolveUpper(std::span<double> x) const;

  // ln det A = 2 sum ln L[i][i].
  double LogDeterminant() const;

 private:
  // Rows of a slab share a stride.
  static constexpr int kSlab = 64;
  static int Stride(int index) { return (index / kSlab + 1) * kSlab; }
  double* MutableRow(int index);
  const double* RowAt(int index) const;

  std::vector<std::vector<double>> slabs_;
  int size_ = 0;
};

}  // namespace windlass::tune
