// Piecewise polynomials for the values of a SigmoidGame.
//
// For coalition S the axis t is cut into cells of width 1/2 around the background's mean of t, an
// absolute grid that no row can move. On a cell v is a polynomial of degree 7: singularities are
// at distance pi or more, so the error falls by a factor of about 25 a degree and ends near 1e-11.
// Eight cells at a time are filled from one Chebyshev interpolant over a piece of width 4 with 20
// nodes (a factor of 3.4 a node: 2e-11), which costs 20 evaluations of the game instead of 64.
//
// Beyond the grid all of q_b = exp(-margin) are small (or all large), and v is t plus a power series
// in exp(-t) (or exp(t)), of which four terms are kept where they suffice.
//
// Unfilled cells hold NaN in all eight coefficients, so that evaluating one is noticed in the
// result, at no cost in the loop. Threads share the cells: every coefficient is one aligned
// 8-byte word, all threads would write the same bits, and a cell read while it is being written
// mixes finite numbers with NaN and so still gives NaN.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace windlass::explain {

class SigmoidGame;

class SigmoidGrid {
 public:
  static constexpr int kCoefficients = 8;
  static constexpr int kCellsAPiece = 8;
  static constexpr int kPieces = 9;
  static constexpr int kNodes = 20;
  static constexpr double kCellWidth = 0.5;
  static constexpr int kCells = kPieces * kCellsAPiece;
  static constexpr int kStride = (kCells + 2) * kCoefficients;  // one NaN cell on either side
  static constexpr double kPieceWidth = kCellsAPiece * kCellWidth;
  static constexpr double kReach = kPieces * kPieceWidth / 2;  // on either side of the centre

  explicit SigmoidGrid(const SigmoidGame& game);

  // Adding it to a number of moderate size rounds that to an integer, found in the low bits.
  static constexpr double kMagic = 0x1.8p52;

  // The position of t on the grid is u = t / kCellWidth + Offset(center): cell i is [i - 1/2, i +
  // 1/2], and its polynomial one in u - i.
  static double Offset(double center) { return (kCells - 1) / 2.0 - center / kCellWidth; }

  // Cell i is at i * kCoefficients, for i from -1 to kCells.
  const double* cells(std::uint32_t coalition) const {
    return cells_.get() + std::size_t{coalition} * kStride + kCoefficients;
  }

  // v(coalition) at t: by the cell, which is filled first if need be; by the series off the grid,
  // or directly where that does not converge fast enough.
  double Value(std::uint32_t coalition, double offset, double t) const;

 private:
  // slope * |t - center| + sum of c[m] y^m, y = exp(-|t - center|) up to `limit`.
  struct Tail {
    double limit;
    double c[4];
  };

  void Fill(std::uint32_t coalition, int piece) const;
  void FillTail(std::uint32_t coalition, bool right) const;
  double BeyondTheGrid(std::uint32_t coalition, double u, double t) const;

  struct Free {
    void operator()(double* p) const;
  };

  const SigmoidGame& game_;
  std::unique_ptr<double[], Free> cells_;       // [2^players, kStride]
  mutable std::vector<Tail> tails_;             // [2^players, 2]: left, right; filled like cells
  std::vector<double> node_scale_;              // exp(-t) at the nodes, [kPieces, kNodes]
  std::vector<double> to_cells_;                // node values to coefficients,
                                                // [kNodes, kCellsAPiece * kCoefficients]
};

}  // namespace windlass::explain
