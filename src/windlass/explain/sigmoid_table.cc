#include "windlass/explain/sigmoid_table.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <new>

#include "windlass/base/vector_math.h"
#include "windlass/explain/sigmoid_game.h"

namespace windlass::explain {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

constexpr int kNodes = SigmoidTable::kNodes;
using D = hn::FixedTag<double, 4>;
using V = hn::Vec<D>;
static_assert(kNodes % 4 == 0);
constexpr int kVectors = kNodes / 4;

// cos by its Taylor series, so that the polynomials do not depend on libm; |x| <= pi.
double Cosine(double x) {
  double term = 1;
  double sum = 1;
  for (int k = 1; k < 22; ++k) {
    term *= -x * x / ((2 * k - 1) * (2 * k));
    sum += term;
  }
  return sum;
}

// What is the same for all tables. From values at the nodes to powers by way of Chebyshev
// polynomials T_n: both steps are well conditioned, their product is not.
struct Chebyshev {
  std::array<double, kNodes> nodes;
  alignas(32) std::array<double, kNodes * kNodes> from_values;  // [node, n]
  alignas(32) std::array<double, kNodes * kNodes> to_powers;    // [n, power, highest first]
  std::array<double, kNodes * SigmoidTable::kPieces> scales;    // exp(-t) [piece, node]

  Chebyshev() {
    constexpr double kPi = 3.14159265358979323846;
    for (int i = 0; i < kNodes; ++i) nodes[i] = Cosine(kPi * (i + 0.5) / kNodes);
    for (int i = 0; i < kNodes; ++i) {
      double before = 1, now = nodes[i];
      from_values[i * kNodes] = 1.0 / kNodes;
      for (int n = 1; n < kNodes; ++n) {
        from_values[i * kNodes + n] = 2.0 / kNodes * now;
        const double next = 2 * nodes[i] * now - before;
        before = now;
        now = next;
      }
    }
    std::vector<std::vector<double>> t(kNodes, std::vector<double>(kNodes, 0.0));  // T_n in powers
    t[0][0] = 1;
    t[1][1] = 1;
    for (int n = 2; n < kNodes; ++n) {
      for (int m = 0; m < n; ++m) t[n][m + 1] += 2 * t[n - 1][m];
      for (int m = 0; m < n; ++m) t[n][m] -= t[n - 2][m];
    }
    for (int n = 0; n < kNodes; ++n) {
      for (int m = 0; m < kNodes; ++m) to_powers[n * kNodes + kNodes - 1 - m] = t[n][m];
    }
    for (int p = 0; p < SigmoidTable::kPieces; ++p) {
      for (int i = 0; i < kNodes; ++i) {
        scales[p * kNodes + i] =
            Exp(-SigmoidTable::kHalfWidth * (2 * (p - SigmoidTable::kReach) + nodes[i]));
      }
    }
  }
};

const Chebyshev& Polynomials() {
  static const Chebyshev chebyshev;
  return chebyshev;
}

// out[k] = sum_i in[i] * matrix[i, k], in the order of i; all of kNodes.
void Multiply(const double* in, const double* matrix, double* out) {
  const D d;
  V sum[kVectors];
#pragma GCC unroll 8
  for (int k = 0; k < kVectors; ++k) sum[k] = hn::Zero(d);
  for (int i = 0; i < kNodes; ++i) {
    const V value = hn::Set(d, in[i]);
#pragma GCC unroll 8
    for (int k = 0; k < kVectors; ++k) {
      sum[k] = hn::MulAdd(value, hn::LoadU(d, matrix + i * kNodes + 4 * k), sum[k]);
    }
  }
#pragma GCC unroll 8
  for (int k = 0; k < kVectors; ++k) hn::StoreU(sum[k], d, out + 4 * k);
}

// Stands in a slot while a thread computes what belongs there.
constexpr double kPlace = 0;
const double* const kBeingFilled = &kPlace;

}  // namespace

void SigmoidArena::Free::operator()(double* p) const { std::free(p); }

double* SigmoidArena::Allocate(std::size_t count) {
  count = (count + 3) / 4 * 4;
  const std::lock_guard lock(mutex_);
  if (left_ < count) {
    auto* chunk = static_cast<double*>(std::aligned_alloc(kChunkBytes, kChunkBytes));
    if (chunk == nullptr) throw std::bad_alloc();
    chunks_.emplace_back(chunk);
    ::madvise(chunk, kChunkBytes, MADV_HUGEPAGE);  // a hint: failing is no error
    left_ = kChunkBytes / sizeof(double);
  }
  double* const out = chunks_.back().get() + kChunkBytes / sizeof(double) - left_;
  left_ -= count;
  return out;
}

SigmoidTable::SigmoidTable(const SigmoidGame& game, SigmoidArena& arena)
    : game_(game), arena_(arena) {
  for (int g = 0; g < game.players(); ++g) open_.push_back(g);
}

SigmoidTable::SigmoidTable(const SigmoidTable& root, std::vector<int> folded)
    : game_(root.game_), arena_(root.arena_), root_(&root), folded_(std::move(folded)) {
  for (const int g : root.open()) {
    if (std::ranges::find(folded_, g) == folded_.end()) open_.push_back(g);
  }
}

SigmoidTable::Slot* SigmoidTable::PieceAt(int piece) const {
  std::atomic<Slot*>& at = pieces_[piece + kReach];
  if (Slot* there = at.load(std::memory_order_acquire)) return there;
  static std::mutex mutex;  // rarely wanted
  const std::lock_guard lock(mutex);
  Piece& owned = owned_pieces_[piece + kReach];
  if (!owned) {
    owned = std::make_unique<Slot[]>(std::size_t{1} << open_.size());
    at.store(owned.get(), std::memory_order_release);
  }
  return owned.get();
}

const double* SigmoidTable::Coefficients(std::uint32_t coalition, int piece) const {
  Slot& slot = PieceAt(piece)[coalition];
  const double* now = slot.load(std::memory_order_acquire);
  while (now == nullptr || now == kBeingFilled) {
    if (now == kBeingFilled) {
      slot.wait(kBeingFilled, std::memory_order_acquire);
    } else if (slot.compare_exchange_strong(now, kBeingFilled)) {
      try {
        double* const made = arena_.Allocate(stride());
        Fill(coalition, piece, made);
        now = made;
      } catch (...) {  // whoever waits tries in turn
        slot.store(nullptr, std::memory_order_release);
        slot.notify_all();
        throw;
      }
      slot.store(now, std::memory_order_release);
      slot.notify_all();
      return now;
    }
    now = slot.load(std::memory_order_acquire);
  }
  return now;
}

void SigmoidTable::FillMiddle(const std::function<void()>& check) const {
  constexpr std::uint32_t kAtOnce = 64;
  const auto coalitions = std::uint32_t{1} << open_.size();
  while (next_to_fill_.load(std::memory_order_relaxed) < coalitions) {
    const std::uint32_t begin = next_to_fill_.fetch_add(kAtOnce, std::memory_order_relaxed);
    check();
    for (std::uint32_t s = begin; s < std::min(begin + kAtOnce, coalitions); ++s) {
      Coefficients(s, 0);
    }
  }
}

void SigmoidTable::Fill(std::uint32_t coalition, int piece, double* out) const {
  if (root_ == nullptr) {
    FillFromGame(coalition, piece, out);
  } else {
    FillFromRoot(coalition, piece, out);
  }
}

void SigmoidTable::FillFromGame(std::uint32_t coalition, int piece, double* out) const {
  const Chebyshev& chebyshev = Polynomials();
  alignas(32) std::array<double, kNodes> values, series;
  game_.CenteredValues(
      coalition, std::span(chebyshev.scales).subspan((piece + kReach) * kNodes, kNodes), values);
  const double weight = game_.InWeight(std::popcount(coalition));
  for (double& value : values) value *= weight;
  Multiply(values.data(), chebyshev.from_values.data(), series.data());
  Multiply(series.data(), chebyshev.to_powers.data(), out);
}

void SigmoidTable::FillFromRoot(std::uint32_t coalition, int piece, double* out) const {
  const D d;
  const std::uint32_t players = Players(coalition);
  const int count = static_cast<int>(folded_.size());
  alignas(32) double terms[1 << kMostFolded][kNodes];
  alignas(32) double with[kMostFolded][kNodes];
  for (std::uint32_t f = 0; f < 1u << count; ++f) {
    std::uint32_t all = players;
    for (int j = 0; j < count; ++j) all |= (f >> j & 1) << folded_[j];
    std::copy_n(root_->Coefficients(all, piece), kNodes, terms[f]);
  }
  // Folding in half player by player gives all sums in two additions a term.
  for (int j = count - 1; j >= 0; --j) {
    const std::uint32_t half = 1u << j;
    for (int m = 0; m < kNodes; m += 4) {
      V sum = hn::Zero(d);
      for (std::uint32_t f = 0; f < half; ++f) {
        const V upper = hn::Load(d, &terms[half + f][m]);
        sum = hn::Add(sum, upper);
        hn::Store(hn::Add(hn::Load(d, &terms[f][m]), upper), d, &terms[f][m]);
      }
      hn::Store(sum, d, &with[j][m]);
    }
  }
  for (int m = 0; m < kNodes; ++m) {
    *out++ = terms[0][m];
    for (int j = 0; j < count; ++j) *out++ = with[j][m];
  }
}

std::uint32_t SigmoidTable::Players(std::uint32_t coalition) const {
  std::uint32_t players = 0;
  for (std::size_t j = 0; j < open_.size(); ++j) players |= (coalition >> j & 1) << open_[j];
  return players;
}

void SigmoidTable::Direct(std::uint32_t coalition, double x, std::span<double> out) const {
  const std::uint32_t players = Players(coalition);
  std::fill(out.begin(), out.end(), 0.0);
  for (std::uint32_t f = 0; f < 1u << folded_.size(); ++f) {
    std::uint32_t all = players;
    for (std::size_t j = 0; j < folded_.size(); ++j) all |= (f >> j & 1) << folded_[j];
    const double value = game_.InWeight(std::popcount(all)) *
                         game_.ValueDirect(all, game_.Center(all) + kHalfWidth * x);
    out[0] += value;
    for (std::size_t j = 0; j < folded_.size(); ++j) out[1 + j] += f >> j & 1 ? value : 0.0;
  }
}

}  // namespace windlass::explain
