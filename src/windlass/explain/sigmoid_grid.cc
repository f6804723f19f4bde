#include "windlass/explain/sigmoid_grid.h"

#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <new>

#include "windlass/base/vector_math.h"
#include "windlass/explain/sigmoid_game.h"

namespace windlass::explain {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
constexpr double kPi = 3.14159265358979323846;

// cos by its Taylor series, so that the grid does not depend on libm; |x| <= pi.
double Cosine(double x) {
  double term = 1;
  double sum = 1;
  for (int k = 1; k < 22; ++k) {
    term *= -x * x / ((2 * k - 1) * (2 * k));
    sum += term;
  }
  return sum;
}

// Chebyshev points of the first kind on [-1, 1].
std::vector<double> ChebyshevPoints(int count) {
  std::vector<double> points(count);
  for (int i = 0; i < count; ++i) points[i] = Cosine(kPi * (i + 0.5) / count);
  return points;
}

// Coefficients in powers of s of the polynomial that takes given values at the points. Row m of
// the result gives coefficient m from the values. Shape [count, count], through Chebyshev
// polynomials: c_n = (2 - [n = 0]) / count * sum_i f_i T_n(x_i).
std::vector<double> PowersFromValues(const std::vector<double>& points) {
  const int count = static_cast<int>(points.size());
  std::vector<std::vector<double>> chebyshev(count);  // coefficients of T_n in powers
  for (int n = 0; n < count; ++n) {
    chebyshev[n].assign(count, 0.0);
    if (n < 2) {
      chebyshev[n][n] = 1;
      continue;
    }
    for (int m = 0; m < n; ++m) chebyshev[n][m + 1] += 2 * chebyshev[n - 1][m];
    for (int m = 0; m < n; ++m) chebyshev[n][m] -= chebyshev[n - 2][m];
  }
  std::vector<double> matrix(count * count, 0.0);
  for (int i = 0; i < count; ++i) {
    double before = 1;
    double now = points[i];
    for (int n = 0; n < count; ++n) {
      const double t_n = n == 0 ? 1.0 : now;
      const double c = (n == 0 ? 1.0 : 2.0) / count * t_n;
      for (int m = 0; m < count; ++m) matrix[m * count + i] += c * chebyshev[n][m];
      if (n > 0) {
        const double next = 2 * points[i] * now - before;
        before = now;
        now = next;
      }
    }
  }
  return matrix;
}

// Lagrange basis polynomials of the nodes at x (barycentric form), [nodes].
std::vector<double> LagrangeAt(const std::vector<double>& nodes, double x) {
  std::vector<double> basis(nodes.size(), 0.0);
  const auto exact = std::find(nodes.begin(), nodes.end(), x);
  if (exact != nodes.end()) {
    basis[exact - nodes.begin()] = 1;
    return basis;
  }
  const int count = static_cast<int>(nodes.size());
  double sum = 0;
  for (int i = 0; i < count; ++i) {
    const double angle = kPi * (i + 0.5) / count;
    const double sine = Cosine(angle - kPi / 2);
    basis[i] = (i % 2 == 0 ? sine : -sine) / (x - nodes[i]);
    sum += basis[i];
  }
  for (double& b : basis) b /= sum;
  return basis;
}

double CenterOfPiece(int piece) {
  return (piece + 0.5) * SigmoidGrid::kPieceWidth - SigmoidGrid::kReach;
}

}  // namespace

void SigmoidGrid::Free::operator()(double* p) const { std::free(p); }

SigmoidGrid::SigmoidGrid(const SigmoidGame& game) : game_(game) {
  const std::size_t count = (std::size_t{1} << game.players()) * kStride;
  // Large pages: a leaf of coalitions reads from a dozen small ones, too many for the TLB.
  constexpr std::size_t kLargePage = std::size_t{2} << 20;
  const std::size_t bytes =
      (count * sizeof(double) + kLargePage - 1) / kLargePage * kLargePage;
  cells_.reset(static_cast<double*>(std::aligned_alloc(kLargePage, bytes)));
  if (!cells_) throw std::bad_alloc();
  ::madvise(cells_.get(), bytes, MADV_HUGEPAGE);  // a hint: failing is no error
  std::fill_n(cells_.get(), count, std::numeric_limits<double>::quiet_NaN());

  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  tails_.assign(std::size_t{2} << game.players(), {kNaN, {kNaN, kNaN, kNaN, kNaN}});
  const std::vector<double> nodes = ChebyshevPoints(kNodes);
  for (int piece = 0; piece < kPieces; ++piece) {
    for (const double node : nodes) {
      node_scale_.push_back(Exp(-(CenterOfPiece(piece) + node * kPieceWidth / 2)));
    }
  }
  const std::vector<double> local = ChebyshevPoints(kCoefficients);
  const std::vector<double> powers = PowersFromValues(local);
  constexpr int kColumns = kCellsAPiece * kCoefficients;
  to_cells_.assign(kNodes * kColumns, 0.0);
  for (int cell = 0; cell < kCellsAPiece; ++cell) {
    for (int j = 0; j < kCoefficients; ++j) {
      const double x = (2.0 * cell + 1 + local[j]) / kCellsAPiece - 1;
      const std::vector<double> basis = LagrangeAt(nodes, x);
      for (int m = 0; m < kCoefficients; ++m) {
        // powers of u - i, which runs over half of what the local points run over
        const double power = powers[m * kCoefficients + j] * static_cast<double>(1 << m);
        for (int i = 0; i < kNodes; ++i) {
          to_cells_[i * kColumns + cell * kCoefficients + m] += power * basis[i];
        }
      }
    }
  }
}

void SigmoidGrid::Fill(std::uint32_t coalition, int piece) const {
  const hn::ScalableTag<double> d;
  constexpr int kColumns = kCellsAPiece * kCoefficients;
  std::vector<double> factors(game_.padded_);
  game_.Factors(coalition, factors);
  alignas(64) std::array<double, kNodes> p, q;
  const std::span scales = std::span(node_scale_).subspan(piece * kNodes, kNodes);
  if (game_.link_ == Link::kIdentity) {
    game_.Means(factors, scales, p, {});
  } else {
    game_.Means(factors, scales, p, q);
    for (int i = 0; i < kNodes; i += static_cast<int>(hn::Lanes(d))) {
      const auto log_p = vector_math::Log(d, hn::Load(d, &p[i]));
      const auto log_q = vector_math::Log(d, hn::Load(d, &q[i]));
      hn::Store(hn::Sub(log_p, log_q), d, &p[i]);
    }
  }
  alignas(64) std::array<double, kColumns> out;
  constexpr int kAtOnce = 8;  // vectors of sums that stay in registers
  const hn::FixedTag<double, 4> d4;
  for (int c = 0; c < kColumns; c += 4 * kAtOnce) {
    hn::Vec<decltype(d4)> sum[kAtOnce];
    for (auto& v : sum) v = hn::Zero(d4);
    for (int i = 0; i < kNodes; ++i) {
      const auto value = hn::Set(d4, p[i]);
      const double* row = &to_cells_[i * kColumns + c];
#pragma GCC unroll 8
      for (int k = 0; k < kAtOnce; ++k) {
        sum[k] = hn::MulAdd(value, hn::LoadU(d4, row + 4 * k), sum[k]);
      }
    }
    for (int k = 0; k < kAtOnce; ++k) hn::Store(sum[k], d4, &out[c + 4 * k]);
  }
  double* to = cells_.get() + std::size_t{coalition} * kStride +
               (1 + piece * kCellsAPiece) * kCoefficients;
  for (int c = 0; c < kColumns; ++c) {
    __atomic_store(&to[c], &out[c], __ATOMIC_RELAXED);
  }
}

// To the right, with y = exp(-(t - center)), q_b = F_b y and moments M_m = sum_b w_b F_b^m:
// Q = 1 - P = M1 y - M2 y^2 + M3 y^3 - ..., and logit = log(1 - Q) - log Q, both logarithms as
// series in y. To the left the same holds of P with 1 / F_b, and the logit changes its sign.
void SigmoidGrid::FillTail(std::uint32_t coalition, bool right) const {
  constexpr double kLargestTerm = 1e-3;  // its fourth power is what is left out
  std::vector<double> factors(game_.padded_);
  game_.Factors(coalition, factors);
  double m[4] = {};
  double largest = 0;
  for (int b = 0; b < game_.rows_; ++b) {
    const double f = right ? factors[b] : 1 / factors[b];
    double power = game_.weights_[b];
    for (double& moment : m) {
      power *= f;
      moment += power;
    }
    if (game_.weights_[b] > 0) largest = std::max(largest, f);
  }
  Tail tail;
  tail.limit = kLargestTerm / largest;
  if (game_.link_ == Link::kIdentity) {
    const double sign = right ? -1 : 1;
    tail.c[0] = right ? 1 : 0;
    tail.c[1] = sign * m[0];
    tail.c[2] = -sign * m[1];
    tail.c[3] = sign * m[2];
  } else {
    const double r1 = m[1] / m[0];
    const double r2 = m[2] / m[0];
    const double r3 = m[3] / m[0];
    const double sign = right ? 1 : -1;
    tail.c[0] = -sign * Log(m[0]);
    tail.c[1] = sign * (r1 - m[0]);
    tail.c[2] = sign * (r1 * r1 / 2 - r2 + m[1] - m[0] * m[0] / 2);
    tail.c[3] = sign * (r3 - r1 * r2 + r1 * r1 * r1 / 3 - m[2] + m[0] * m[1] -
                        m[0] * m[0] * m[0] / 3);
  }
  Tail& to = tails_[2 * std::size_t{coalition} + (right ? 1 : 0)];
  for (int i = 0; i < 4; ++i) __atomic_store(&to.c[i], &tail.c[i], __ATOMIC_RELAXED);
  __atomic_store(&to.limit, &tail.limit, __ATOMIC_RELAXED);
}

double SigmoidGrid::BeyondTheGrid(std::uint32_t coalition, double u, double t) const {
  const double distance = (u - (kCells - 1) / 2.0) * kCellWidth;  // of t from the centre
  const bool right = distance > 0;
  const double y = Exp(-std::abs(distance));
  const Tail& tail = tails_[2 * std::size_t{coalition} + (right ? 1 : 0)];
  const double slope = game_.link_ == Link::kLogit ? distance : 0.0;
  const auto evaluate = [&] {
    const double series =
        std::fma(std::fma(std::fma(tail.c[3], y, tail.c[2]), y, tail.c[1]), y, tail.c[0]);
    return y <= tail.limit ? slope + series : std::numeric_limits<double>::quiet_NaN();
  };
  double value = evaluate();
  if (value == value) return value;
  if (tail.limit != tail.limit || tail.c[0] != tail.c[0] || tail.c[1] != tail.c[1] ||
      tail.c[2] != tail.c[2] || tail.c[3] != tail.c[3]) {
    FillTail(coalition, right);
    value = evaluate();
    if (value == value) return value;
  }
  return game_.ValueDirect(coalition, t);
}

double SigmoidGrid::Value(std::uint32_t coalition, double offset, double t) const {
  const double u = std::fma(t, 1 / kCellWidth, offset);
  const double cell = (u + kMagic) - kMagic;
  if (!(cell >= 0 && cell < kCells)) return BeyondTheGrid(coalition, u, t);
  const int index = static_cast<int>(cell);
  const double* c = cells(coalition) + index * kCoefficients;
  const double s = u - cell;
  const auto evaluate = [&] {
    double value = c[7];
    for (int m = 6; m >= 0; --m) value = std::fma(value, s, c[m]);
    return value;
  };
  const double value = evaluate();
  if (value == value) return value;
  Fill(coalition, index / kCellsAPiece);
  return evaluate();
}

}  // namespace windlass::explain
