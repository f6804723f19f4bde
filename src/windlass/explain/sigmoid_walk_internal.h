// Sums the polynomials of a SigmoidTable over all coalitions of its open players, for many rows.
#pragma once

#include <vector>

#include "windlass/explain/sigmoid_table.h"

namespace windlass::explain {

class SigmoidWalk {
 public:
  // Rows at a time; they share each look at a coalition's coefficients. Buffers of this many rows
  // stay in the first cache. A multiple of all numbers of rows that Leaf takes at a time.
  static constexpr int kRows = 240;

  explicit SigmoidWalk(int players);

  // What the player adds to the row's x: (a_g - c_g) / kHalfWidth, for open players of the table.
  double& x(int player, int row) { return inputs_[player * kStride + row]; }

  // rows <= kRows. Sets sum(g, row) to the weighted values of all coalitions that have g in.
  void Run(const SigmoidTable& table, int rows);

  double sum(int player, int row) const { return sums_[player * kStride + row]; }

 private:
  template <int kFunctions>
  friend class WalkOf;

  // off powers of two, at which buffers would fall onto the same cache sets
  static constexpr int kStride = kRows + 8;

  std::vector<double> inputs_;  // [players, kStride]
  std::vector<double> sums_;    // [players, kStride]
  std::vector<double> at_;      // [players + 1, kStride]: x of the coalitions on the way down
  std::vector<double> totals_;  // [players + 1, kStride]: T summed over those below
  std::vector<std::vector<int>> outside_;  // [players + 1]: rows whose x is off the middle piece
};

}  // namespace windlass::explain
