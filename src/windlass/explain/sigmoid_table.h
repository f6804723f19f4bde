// Piecewise polynomials for the values of a SigmoidGame, alone or summed over coalitions.
//
// The root table. For coalition S the game's value depends on a row through t = sum_{g in S} a_g
// only. With c_g a fixed number for each player (its common value, below), x = sum_{g in S} (a_g -
// c_g) / kHalfWidth cuts the axis into pieces: piece p has x in [2p - 1, 2p + 1]. On a piece the
// value is a polynomial through kNodes Chebyshev points: singularities lie at distance pi of the
// real axis (sigmoid_game.h), so that each node makes the error about 2.25 times smaller; 28 leave
// some 1e-11.
// Nearly all rows lie on the middle piece, whose coefficients are the same for all rows: they are
// evaluated many rows at a time, without any look-up by row.
//
// Folded tables. Where many rows share a group's value (a capital gain of nothing, the country
// that most people come from), the sums that Shapley values need can be taken over that player
// beforehand: at a_g = c_g, x does not depend on whether g is in, so that sums of values over
// coalitions of such players are again polynomials in x, and their coefficients are sums of
// coefficients. With F the set of folded players, a folded table has for each coalition S of the
// others
//     T(S) = sum over f in F of w(S + f) v(S + f),   W_h(S) = the terms of it with h in f.
// A row that has the common value in k of M groups then needs (k + 1) 2^(M - k) polynomials instead
// of 2^M. The root table is the one with no player folded.
//
// Coefficients are computed when a row first needs them. Threads share them.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace windlass::explain {

class SigmoidGame;

// Memory for many small arrays of doubles that live as long as this does, in large pages: first
// touches of small ones would cost as much as what is computed into them. Thread safe.
class SigmoidArena {
 public:
  // Not initialised; aligned to 32 bytes. count * 8 <= kChunkBytes.
  double* Allocate(std::size_t count);

 private:
  static constexpr std::size_t kChunkBytes = std::size_t{2} << 20;

  struct Free {
    void operator()(double* p) const;
  };

  std::mutex mutex_;
  std::vector<std::unique_ptr<double[], Free>> chunks_;
  std::size_t left_ = 0;  // doubles at the end of the last chunk
};

class SigmoidTable {
 public:
  static constexpr int kNodes = 28;
  static constexpr double kHalfWidth = 3.5;
  static constexpr int kReach = 8;  // pieces on either side of the middle one
  static constexpr int kPieces = 2 * kReach + 1;
  static constexpr int kMostFolded = 6;

  // The largest distance from 0 that t - (sum of c_g) has on a piece.
  static constexpr double kFarthest = (2 * kReach + 1) * kHalfWidth;

  // What the middle pieces of the root table take, in bytes.
  static std::size_t RootBytes(int players) {
    return (std::size_t{1} << players) * kNodes * sizeof(double);
  }

  // The root table: all players are open. The game and the arena must outlive it.
  SigmoidTable(const SigmoidGame& game, SigmoidArena& arena);

  // The table in which these players are folded. The root must outlive it.
  SigmoidTable(const SigmoidTable& root, std::vector<int> folded);

  std::span<const int> open() const { return open_; }
  std::span<const int> folded() const { return folded_; }

  // T, then W of each folded player, in their order.
  int functions() const { return 1 + static_cast<int>(folded_.size()); }

  // Polynomials of a coalition of open players (bit j: the j-th is in) in x - 2 * piece, which lies
  // in [-1, 1]; |piece| <= kReach. Shape [kNodes, functions], from the highest power to the lowest.
  const double* Coefficients(std::uint32_t coalition, int piece) const;

  // All functions from the game's definition, at any x. out: [functions].
  void Direct(std::uint32_t coalition, double x, std::span<double> out) const;

  // Computes the middle pieces of all coalitions, together with other threads that call this.
  // `check` may throw to stop; what is missing then is computed when wanted.
  void FillMiddle(const std::function<void()>& check) const;

 private:
  using Slot = std::atomic<const double*>;  // null, kBeingFilled, or the coefficients
  using Piece = std::unique_ptr<Slot[]>;    // [2^open]

  std::size_t stride() const { return static_cast<std::size_t>(kNodes) * functions(); }
  Slot* PieceAt(int piece) const;
  void Fill(std::uint32_t coalition, int piece, double* out) const;
  void FillFromGame(std::uint32_t coalition, int piece, double* out) const;
  void FillFromRoot(std::uint32_t coalition, int piece, double* out) const;
  std::uint32_t Players(std::uint32_t coalition) const;

  const SigmoidGame& game_;
  SigmoidArena& arena_;
  const SigmoidTable* root_ = nullptr;
  std::vector<int> open_;
  std::vector<int> folded_;
  mutable std::array<std::atomic<Slot*>, kPieces> pieces_ = {};
  mutable std::array<Piece, kPieces> owned_pieces_;
  mutable std::atomic<std::uint32_t> next_to_fill_ = 0;
};

}  // namespace windlass::explain
