#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "windlass/base/vector_math.h"
#include "windlass/explain/sigmoid_walk_internal.h"

namespace windlass::explain {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using D = hn::FixedTag<double, 4>;
using V = hn::Vec<D>;

// Sums that are under way at the same time: enough to hide the latency of a multiply-add, few
// enough for sixteen registers.
constexpr int kSums = 12;

}  // namespace

// Depth first over the open players from the last to the first.
template <int kFunctions>
class WalkOf {
 public:
  WalkOf(SigmoidWalk& walk, const SigmoidTable& table, int rows)
      : walk_(walk), table_(table), rows_((rows + 3) / 4 * 4), real_rows_(rows) {
    for (int f = 1; f < kFunctions; ++f) folded_[f] = Sum(table.folded()[f - 1]);
  }

  void Run() {
    const int open = static_cast<int>(table_.open().size());
    std::fill_n(At(open), rows_, 0.0);
    walk_.outside_[open].clear();
    Visit(open - 1, 0, open, Total(open));
  }

 private:
  static constexpr int kVectors = kSums / kFunctions;
  static constexpr int kPadded = (kFunctions + 3) / 4 * 4;

  double* At(int level) { return &walk_.at_[level * SigmoidWalk::kStride]; }
  double* Total(int level) { return &walk_.totals_[level * SigmoidWalk::kStride]; }
  double* Sum(int player) { return &walk_.sums_[player * SigmoidWalk::kStride]; }

  // Sets `total` to the sum of T over the coalitions that have the players of `coalition`, at
  // `level`'s x, and any of the open players up to `place`.
  void Visit(int place, std::uint32_t coalition, int level, double* total) {
    if (place < 0) {
      Leaf(coalition, level, total);
      return;
    }
    const D d;
    Visit(place - 1, coalition, level, total);
    const int player = table_.open()[place];
    Step(level, place, &walk_.inputs_[player * SigmoidWalk::kStride]);
    double* with_total = Total(place);
    Visit(place - 1, coalition | 1u << place, place, with_total);
    double* sum = Sum(player);
    for (int r = 0; r < rows_; r += 4) {
      const V with = hn::LoadU(d, with_total + r);
      hn::StoreU(hn::Add(hn::LoadU(d, sum + r), with), d, sum + r);
      hn::StoreU(hn::Add(hn::LoadU(d, total + r), with), d, total + r);
    }
  }

  // x of one player more.
  void Step(int from, int to, const double* more) {
    const D d;
    const double* before = At(from);
    double* after = At(to);
    std::vector<int>& outside = walk_.outside_[to];
    outside.clear();
    const V one = hn::Set(d, 1.0);
    for (int r = 0; r < rows_; r += 4) {
      const V x = hn::Add(hn::LoadU(d, before + r), hn::LoadU(d, more + r));
      hn::StoreU(x, d, after + r);
      const auto off = hn::Gt(hn::Abs(x), one);
      if (HWY_UNLIKELY(!hn::AllFalse(d, off))) {
        for (int k = r; k < std::min(r + 4, real_rows_); ++k) {
          if (!(std::abs(after[k]) <= 1)) outside.push_back(k);
        }
      }
    }
  }

  void Leaf(std::uint32_t coalition, int level, double* total) {
    const double* c = table_.Coefficients(coalition, 0);
    const std::vector<int>& outside = walk_.outside_[level];
    if (outside.empty()) {
      Middle<false>(c, At(level), total);
      return;
    }
    if (static_cast<int>(outside.size()) < real_rows_) {
      Middle<true>(c, At(level), total);
    }
    alignas(32) std::array<double, kPadded> values;
    for (const int r : outside) {
      Elsewhere(coalition, At(level)[r], values);
      total[r] = values[0];
      for (int f = 1; f < kFunctions; ++f) folded_[f][r] += values[f];
    }
  }

  // All functions at an x off the middle piece; lanes of a vector are functions here.
  void Elsewhere(std::uint32_t coalition, double x, std::span<double, kPadded> out) {
    const double piece = std::floor((x + 1) / 2);
    if (!(std::abs(piece) <= SigmoidTable::kReach)) {
      table_.Direct(coalition, x, out.template first<kFunctions>());
      return;
    }
    const D d;
    const V at = hn::Set(d, x - 2 * piece);
    const double* c = table_.Coefficients(coalition, static_cast<int>(piece));
    const double* end = c + SigmoidTable::kNodes * kFunctions;
    V sum[kPadded / 4];
    for (V& s : sum) s = hn::Zero(d);
    const auto last = hn::FirstN(d, kFunctions - (kPadded - 4));
    for (; c != end; c += kFunctions) {
#pragma GCC unroll 2
      for (int k = 0; k < kPadded / 4; ++k) {
        const V more =
            4 * k + 4 <= kFunctions ? hn::LoadU(d, c + 4 * k) : hn::MaskedLoad(last, d, c + 4 * k);
        sum[k] = hn::MulAdd(sum[k], at, more);
      }
    }
    for (int k = 0; k < kPadded / 4; ++k) hn::Store(sum[k], d, &out[4 * k]);
  }

  // The middle piece for all rows. kMasked: rows off it add nothing.
  template <bool kMasked>
  void Middle(const double* c, const double* x, double* total) {
    int r = 0;
    for (; r + 4 * kVectors <= rows_; r += 4 * kVectors) Rows<kVectors, kMasked>(c, x, total, r);
    if constexpr (kVectors > 3) {
      for (; r + 12 <= rows_; r += 12) Rows<3, kMasked>(c, x, total, r);
    }
    if constexpr (kVectors > 1) {
      for (; r < rows_; r += 4) Rows<1, kMasked>(c, x, total, r);
    }
  }

  template <int kAtOnce, bool kMasked>
  HWY_INLINE void Rows(const double* c, const double* x, double* total, int r) {
    const D d;
    constexpr int kAll = kFunctions * kAtOnce;
    V sum[kAll];
#pragma GCC unroll 16
    for (int k = 0; k < kAll; ++k) sum[k] = hn::Set(d, c[k / kAtOnce]);
    const double* end = c + SigmoidTable::kNodes * kFunctions;
    for (c += kFunctions; c != end; c += kFunctions) {
#pragma GCC unroll 16
      for (int k = 0; k < kAll; ++k) {
        sum[k] =
            hn::MulAdd(sum[k], hn::LoadU(d, x + r + 4 * (k % kAtOnce)), hn::Set(d, c[k / kAtOnce]));
      }
    }
    if constexpr (kMasked) {
#pragma GCC unroll 16
      for (int k = 0; k < kAll; ++k) {
        const V at = hn::LoadU(d, x + r + 4 * (k % kAtOnce));
        sum[k] = hn::IfThenElseZero(hn::Le(hn::Abs(at), hn::Set(d, 1.0)), sum[k]);
      }
    }
#pragma GCC unroll 16
    for (int k = 0; k < kAll; ++k) {
      if (k < kAtOnce) {
        hn::StoreU(sum[k], d, total + r + 4 * k);
      } else {
        double* to = folded_[k / kAtOnce] + r + 4 * (k % kAtOnce);
        hn::StoreU(hn::Add(hn::LoadU(d, to), sum[k]), d, to);
      }
    }
  }

  SigmoidWalk& walk_;
  const SigmoidTable& table_;
  int rows_;
  int real_rows_;
  std::array<double*, kFunctions> folded_ = {};  // sums of the folded players, from 1
};

SigmoidWalk::SigmoidWalk(int players)
    : inputs_(static_cast<std::size_t>(players) * kStride, 0.0),
      sums_(inputs_.size()),
      at_(static_cast<std::size_t>(players + 1) * kStride),
      totals_(at_.size()),
      outside_(players + 1) {}

void SigmoidWalk::Run(const SigmoidTable& table, int rows) {
  std::fill(sums_.begin(), sums_.end(), 0.0);
  for (const int player : table.open()) {  // lanes beyond the last row
    for (int r = rows; r % 4 != 0; ++r) x(player, r) = 0;
  }
  static_assert(SigmoidTable::kMostFolded == 6);
  switch (table.functions()) {
    case 1: return WalkOf<1>(*this, table, rows).Run();
    case 2: return WalkOf<2>(*this, table, rows).Run();
    case 3: return WalkOf<3>(*this, table, rows).Run();
    case 4: return WalkOf<4>(*this, table, rows).Run();
    case 5: return WalkOf<5>(*this, table, rows).Run();
    case 6: return WalkOf<6>(*this, table, rows).Run();
    default: return WalkOf<7>(*this, table, rows).Run();
  }
}

}  // namespace windlass::explain
