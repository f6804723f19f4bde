#include "windlass/explain/sigmoid_game.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "windlass/base/vector_math.h"
#include "windlass/explain/shapley.h"
#include "windlass/explain/sigmoid_grid.h"

namespace windlass::explain {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

constexpr int kGroup = 16;  // background rows that share divisions
constexpr int kLeafPlayers = 3;
constexpr int kLeaf = 1 << kLeafPlayers;
constexpr int kBlock = SigmoidGame::kBlock;

// Beyond these, products of four exponentials could overflow and logarithms are used instead.
constexpr double kSafeBound = 100;
constexpr double kSafeScale = 70;

// Interpolation tables of all coalitions must fit here; they are of no use when they miss the
// caches anyway.
constexpr std::size_t kGridBytes = std::size_t{96} << 20;

// log(sum exp(values[i]) * weights[i]).
double LogSumExp(std::span<const double> values, std::span<const double> weights) {
  double largest = -std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (weights[i] > 0) largest = std::max(largest, values[i]);
  }
  double sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    sum = std::fma(weights[i], Exp(values[i] - largest), sum);
  }
  return largest + Log(sum);
}

// log sigmoid(z).
double LogSigmoid(double z) {
  return z < 0 ? z - Log(1 + Exp(z)) : -Log(1 + Exp(-z));
}

}  // namespace

SigmoidGame::SigmoidGame(std::vector<double> contributions, std::vector<double> weights,
                         int players, double intercept, Link link)
    : contributions_(std::move(contributions)),
      weights_(std::move(weights)),
      players_(players),
      rows_(static_cast<int>(weights_.size())),
      padded_((rows_ + kGroup - 1) / kGroup * kGroup),
      intercept_(intercept),
      link_(link),
      low_players_(players / 2) {
  weights_.resize(padded_, 0.0);
  bound_ = std::abs(intercept_);
  std::vector<double> mean(players_, 0.0);
  for (int g = 0; g < players_; ++g) {
    double largest = 0;
    for (int b = 0; b < rows_; ++b) {
      const double c = contributions_[b * players_ + g];
      largest = std::max(largest, std::abs(c));
      mean[g] = std::fma(weights_[b], c, mean[g]);
    }
    bound_ += largest;
  }
  const auto tabulate = [&](int first, int count, double constant, std::vector<double>& factors,
                            std::vector<double>& centers) {
    const std::uint32_t size = 1u << count;
    factors.assign(std::size_t{size} * padded_, 1.0);
    centers.assign(size, 0.0);
    for (std::uint32_t s = 0; s < size; ++s) {
      for (int g = 0; g < count; ++g) {
        if (s >> g & 1) centers[s] += mean[first + g];
      }
      for (int b = 0; b < rows_; ++b) {
        double outside = constant;
        for (int g = 0; g < count; ++g) {
          if ((s >> g & 1) == 0) outside += contributions_[b * players_ + first + g];
        }
        factors[std::size_t{s} * padded_ + b] = Exp(-outside);
      }
    }
  };
  if (bound_ <= kSafeBound) {
    tabulate(0, low_players_, intercept_, low_factors_, low_center_);
    tabulate(low_players_, players_ - low_players_, 0.0, high_factors_, high_center_);
  }
  base_value_ = ValueDirect(0, 0.0);
  const std::vector<double> w = ShapleyWeights(players_);
  in_weights_.resize(players_ + 1);
  out_weights_.resize(players_ + 1);
  for (int s = 0; s <= players_; ++s) {
    const double before = s > 0 ? w[s - 1] : 0.0;
    const double after = s < players_ ? w[s] : 0.0;
    in_weights_[s] = before + after;
    out_weights_[s] = after;
  }
  const std::size_t bytes =
      (std::size_t{1} << players_) * SigmoidGrid::kStride * sizeof(double);
  if (bound_ <= kSafeBound && players_ > kLeafPlayers && bytes <= kGridBytes) {
    grid_ = std::make_unique<SigmoidGrid>(*this);
  }
}

SigmoidGame::~SigmoidGame() = default;

void SigmoidGame::Factors(std::uint32_t coalition, std::span<double> out) const {
  const std::uint32_t low = coalition & ((1u << low_players_) - 1);
  const std::uint32_t high = coalition >> low_players_;
  // The centre is divided out, so that a grid's nodes have the same scales for every coalition.
  const double center = Exp(-(low_center_[low] + high_center_[high]));
  const double* a = &low_factors_[std::size_t{low} * padded_];
  const double* b = &high_factors_[std::size_t{high} * padded_];
  const hn::FixedTag<double, 4> d;
  const auto centers = hn::Set(d, center);
  for (int k = 0; k < padded_; k += 4) {
    const auto product = hn::Mul(hn::LoadU(d, a + k), hn::LoadU(d, b + k));
    hn::StoreU(hn::Mul(product, centers), d, &out[k]);
  }
}

namespace {

// sum_b w_b / (1 + factor_b scale_n) for Count scales at once, which share the loads. Four terms
// share one division: w1/d1 + w2/d2 = (w1 d2 + w2 d1) / (d1 d2), twice over. A sum runs in four
// lanes over groups of sixteen rows, whatever Count is.
template <int Count>
void WeightedMeans(const double* factors, const double* weights, int padded, const double* scales,
                   double* means) {
  const hn::FixedTag<double, 4> d;
  using V = hn::Vec<decltype(d)>;
  const V one = hn::Set(d, 1.0);
  V scale[Count], sum[Count];
  for (int n = 0; n < Count; ++n) {
    scale[n] = hn::Set(d, scales[n]);
    sum[n] = hn::Zero(d);
  }
  for (int b = 0; b < padded; b += kGroup) {
    const V f1 = hn::LoadU(d, factors + b);
    const V f2 = hn::LoadU(d, factors + b + 4);
    const V f3 = hn::LoadU(d, factors + b + 8);
    const V f4 = hn::LoadU(d, factors + b + 12);
    const V w1 = hn::LoadU(d, weights + b);
    const V w2 = hn::LoadU(d, weights + b + 4);
    const V w3 = hn::LoadU(d, weights + b + 8);
    const V w4 = hn::LoadU(d, weights + b + 12);
#pragma GCC unroll 4
    for (int n = 0; n < Count; ++n) {
      const V d1 = hn::MulAdd(f1, scale[n], one);
      const V d2 = hn::MulAdd(f2, scale[n], one);
      const V d3 = hn::MulAdd(f3, scale[n], one);
      const V d4 = hn::MulAdd(f4, scale[n], one);
      const V d12 = hn::Mul(d1, d2);
      const V d34 = hn::Mul(d3, d4);
      const V n12 = hn::MulAdd(w1, d2, hn::Mul(w2, d1));
      const V n34 = hn::MulAdd(w3, d4, hn::Mul(w4, d3));
      const V numerator = hn::MulAdd(n12, d34, hn::Mul(n34, d12));
      sum[n] = hn::Add(sum[n], hn::Div(numerator, hn::Mul(d12, d34)));
    }
  }
  for (int n = 0; n < Count; ++n) {
    alignas(32) double lanes[4];
    hn::Store(sum[n], d, lanes);
    means[n] = (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
  }
}

// 1 - p keeps its digits while p is not close to 1.
constexpr double kCloseToOne = 0.9;

}  // namespace

void SigmoidGame::Means(std::span<const double> factors, std::span<const double> scales,
                        std::span<double> p, std::span<double> q) const {
  const auto means = [&](const double* f, const double* scale, std::size_t count, double* out) {
    if (count == 4) {
      WeightedMeans<4>(f, weights_.data(), padded_, scale, out);
    } else {
      for (std::size_t n = 0; n < count; ++n) {
        WeightedMeans<1>(f, weights_.data(), padded_, scale + n, out + n);
      }
    }
  };
  std::vector<double> inverse;  // w q / (1 + q) = w / (1 + 1 / q)
  for (std::size_t begin = 0; begin < scales.size(); begin += 4) {
    const std::size_t count = std::min<std::size_t>(4, scales.size() - begin);
    means(factors.data(), &scales[begin], count, &p[begin]);
    if (q.empty()) continue;
    bool close = false;
    for (std::size_t n = begin; n < begin + count; ++n) {
      q[n] = 1 - p[n];
      close = close || p[n] > kCloseToOne;
    }
    if (!close) continue;
    if (inverse.empty()) {
      inverse.resize(padded_);
      for (int b = 0; b < padded_; ++b) inverse[b] = 1 / factors[b];
    }
    double scale[4], mean[4];
    for (std::size_t n = 0; n < count; ++n) scale[n] = 1 / scales[begin + n];
    means(inverse.data(), scale, count, mean);
    for (std::size_t n = 0; n < count; ++n) {
      if (p[begin + n] > kCloseToOne) q[begin + n] = mean[n];
    }
  }
}

double SigmoidGame::ValueDirect(std::uint32_t coalition, double t) const {
  if (bound_ > kSafeBound || !(std::abs(t) <= kSafeScale)) return ValueByLogarithms(coalition, t);
  const std::uint32_t low = coalition & ((1u << low_players_) - 1);
  const std::uint32_t high = coalition >> low_players_;
  std::vector<double> factors(padded_);
  Factors(coalition, factors);
  const double scale = Exp(-(t - (low_center_[low] + high_center_[high])));
  double p, q;
  if (link_ == Link::kIdentity) {
    Means(factors, {&scale, 1}, {&p, 1}, {});
    return p;
  }
  Means(factors, {&scale, 1}, {&p, 1}, {&q, 1});
  return Log(p) - Log(q);
}

double SigmoidGame::ValueByLogarithms(std::uint32_t coalition, double t) const {
  std::vector<double> margin(rows_);
  for (int b = 0; b < rows_; ++b) {
    double outside = intercept_;
    for (int g = 0; g < players_; ++g) {
      if ((coalition >> g & 1) == 0) outside += contributions_[b * players_ + g];
    }
    margin[b] = outside + t;
  }
  const std::span<const double> weights(weights_.data(), rows_);
  if (link_ == Link::kIdentity) {
    double sum = 0;
    for (int b = 0; b < rows_; ++b) sum = std::fma(weights[b], Sigmoid(margin[b]), sum);
    return sum;
  }
  std::vector<double> log_p(rows_), log_q(rows_);
  for (int b = 0; b < rows_; ++b) {
    log_p[b] = LogSigmoid(margin[b]);
    log_q[b] = LogSigmoid(-margin[b]);
  }
  return LogSumExp(log_p, weights) - LogSumExp(log_q, weights);
}

namespace {

// Walks all coalitions for one block of rows, depth first over the players from the last to the
// fourth; the eight coalitions of the first three players are a leaf whose values stay in
// registers. With u = (w[s-1] + w[s]) v and o = w[s] v, phi_g = sum over S with g of u - sum of o.
class Walk {
 public:
  Walk(const SigmoidGame& game, const SigmoidGrid& grid, std::span<const double> in_weights,
       std::span<const double> out_weights, std::span<const double> low_center,
       std::span<const double> high_center, std::span<const double> a,
       std::span<const double> prediction, int rows)
      : game_(game),
        grid_(grid),
        in_weights_(in_weights),
        out_weights_(out_weights),
        low_center_(low_center),
        high_center_(high_center),
        a_(a.data()),
        prediction_(prediction.data()),
        rows_((rows + 3) / 4 * 4),
        players_(game.players()),
        stride_(rows_ + 24),
        buffers_(static_cast<std::size_t>(3 * players_ + 3) * stride_, 0.0) {}

  // Afterwards phi(g, row) tells.
  void Run() {
    Visit(players_ - 1, 0, Buffer(3 * players_), Buffer(3 * players_ + 1));
    for (int g = 0; g < players_; ++g) {
      double* phi = Phi(g);
      const double* out = Buffer(3 * players_ + 2);
      for (int r = 0; r < rows_; ++r) phi[r] -= out[r];
    }
  }

  double phi(int player, int row) { return Phi(player)[row]; }

 private:
  using D = hn::FixedTag<double, 4>;
  using V = hn::Vec<D>;

  double* Buffer(int index) { return buffers_.data() + static_cast<std::size_t>(index) * stride_; }
  double* Phi(int player) { return Buffer(player); }

  void Visit(int player, std::uint32_t coalition, const double* base, double* total) {
    if (player < kLeafPlayers) {
      Leaf(coalition, base, total);
      return;
    }
    const D d;
    Visit(player - 1, coalition, base, total);
    double* with = Buffer(players_ + player);
    double* with_total = Buffer(2 * players_ + player);
    const double* a = a_ + static_cast<std::size_t>(player) * kBlock;
    for (int r = 0; r < rows_; r += 4) {
      hn::StoreU(hn::Add(hn::LoadU(d, base + r), hn::LoadU(d, a + r)), d, with + r);
    }
    Visit(player - 1, coalition | 1u << player, with, with_total);
    double* phi = Phi(player);
    for (int r = 0; r < rows_; r += 4) {
      const V sum = hn::LoadU(d, with_total + r);
      hn::StoreU(hn::Add(hn::LoadU(d, phi + r), sum), d, phi + r);
      hn::StoreU(hn::Add(hn::LoadU(d, total + r), sum), d, total + r);
    }
  }

  double CenterOf(std::uint32_t coalition) const {
    const int low = static_cast<int>(std::countr_zero(low_center_.size()));
    return low_center_[coalition & (low_center_.size() - 1)] + high_center_[coalition >> low];
  }

  void Leaf(std::uint32_t coalition, const double* base, double* total) {
    const D d;
    const double* cells[kLeaf];
    V offset[kLeaf], in[kLeaf], out[kLeaf];
    for (int k = 0; k < kLeaf; ++k) {
      const std::uint32_t s = coalition | k;
      cells[k] = grid_.cells(s);
      offset[k] = hn::Set(d, SigmoidGrid::Offset(CenterOf(s)));
      in[k] = hn::Set(d, in_weights_[std::popcount(s)]);
      out[k] = hn::Set(d, out_weights_[std::popcount(s)]);
    }
    const bool nobody = coalition == 0;
    const bool everybody = (coalition | 7u) == (1u << players_) - 1;
    double* phi[kLeafPlayers] = {Phi(0), Phi(1), Phi(2)};
    double* out_sum = Buffer(3 * players_ + 2);
    for (int r = 0; r < rows_; r += 4) {
      const V a0 = hn::LoadU(d, a_ + r);
      const V a1 = hn::LoadU(d, a_ + kBlock + r);
      const V a2 = hn::LoadU(d, a_ + 2 * kBlock + r);
      V t[kLeaf];
      t[0] = hn::LoadU(d, base + r);
      t[1] = hn::Add(t[0], a0);
      t[2] = hn::Add(t[0], a1);
      t[3] = hn::Add(t[1], a1);
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) t[4 + k] = hn::Add(t[k], a2);
      V v[kLeaf];
#pragma GCC unroll 8
      for (int k = 0; k < kLeaf; ++k) v[k] = Interpolate(cells[k], offset[k], t[k]);
      if (nobody) v[0] = hn::Set(d, game_.base_value());
      if (everybody) v[kLeaf - 1] = hn::LoadU(d, prediction_ + r);
      const V any = hn::Add(hn::Add(hn::Add(v[0], v[1]), hn::Add(v[2], v[3])),
                            hn::Add(hn::Add(v[4], v[5]), hn::Add(v[6], v[7])));
      if (HWY_UNLIKELY(!hn::AllTrue(d, hn::Eq(any, any)))) {
        for (int k = 0; k < kLeaf; ++k) {
          if ((nobody && k == 0) || (everybody && k == kLeaf - 1)) continue;
          v[k] = OneByOne(coalition | k, hn::GetLane(offset[k]), t[k]);
        }
      }
      V u[kLeaf];
      V outside = hn::LoadU(d, out_sum + r);
#pragma GCC unroll 8
      for (int k = 0; k < kLeaf; ++k) {
        u[k] = hn::Mul(in[k], v[k]);
        outside = hn::MulAdd(out[k], v[k], outside);
      }
      hn::StoreU(outside, d, out_sum + r);
      const V u23 = hn::Add(u[2], u[3]);
      const V u45 = hn::Add(u[4], u[5]);
      const V u67 = hn::Add(u[6], u[7]);
      const V with2 = hn::Add(u45, u67);
      const V with1 = hn::Add(u23, u67);
      const V with0 = hn::Add(hn::Add(u[1], u[3]), hn::Add(u[5], u[7]));
      hn::StoreU(hn::Add(hn::LoadU(d, phi[0] + r), with0), d, phi[0] + r);
      hn::StoreU(hn::Add(hn::LoadU(d, phi[1] + r), with1), d, phi[1] + r);
      hn::StoreU(hn::Add(hn::LoadU(d, phi[2] + r), with2), d, phi[2] + r);
      hn::StoreU(hn::Add(hn::Add(hn::Add(u[0], u[1]), u23), with2), d, total + r);
    }
  }

  // Four rows at once, each on its own cell; NaN for a row whose cell is not filled or that is
  // off the grid. Lane by lane the arithmetic of SigmoidGrid::Value.
  static HWY_INLINE V Interpolate(const double* cells, V offset, V t) {
    const D d;
    const hn::RebindToUnsigned<D> du;
    const hn::FixedTag<double, 2> half;
    const V u = hn::MulAdd(t, hn::Set(d, 1 / SigmoidGrid::kCellWidth), offset);
    const V magic = hn::Set(d, SigmoidGrid::kMagic);  // its sum has the index in the low bits
    const V shifted = hn::Add(u, magic);
    const V s = hn::Sub(u, hn::Sub(shifted, magic));
    // Max and Min send NaN to an end as well.
    const V inside = hn::Min(hn::Max(shifted, hn::Set(d, SigmoidGrid::kMagic - 1)),
                             hn::Set(d, SigmoidGrid::kMagic + SigmoidGrid::kCells));
    alignas(32) std::uint64_t index[4];
    static_assert(SigmoidGrid::kCoefficients == 8);
    hn::Store(hn::ShiftLeft<3>(hn::BitCast(du, inside)), du, index);
    const double* c0 = cells + static_cast<std::int32_t>(index[0]);
    const double* c1 = cells + static_cast<std::int32_t>(index[1]);
    const double* c2 = cells + static_cast<std::int32_t>(index[2]);
    const double* c3 = cells + static_cast<std::int32_t>(index[3]);
    // Two coefficients of four rows at a time: 128-bit loads and unpacking do the transposition.
    V value, low, high;
    const auto pair = [&](int m) HWY_ATTR {
      const V even = hn::Combine(d, hn::LoadU(half, c2 + m), hn::LoadU(half, c0 + m));
      const V odd = hn::Combine(d, hn::LoadU(half, c3 + m), hn::LoadU(half, c1 + m));
      low = hn::InterleaveLower(d, even, odd);
      high = hn::InterleaveUpper(d, even, odd);
    };
    pair(6);
    value = hn::MulAdd(high, s, low);
    pair(4);
    value = hn::MulAdd(hn::MulAdd(value, s, high), s, low);
    pair(2);
    value = hn::MulAdd(hn::MulAdd(value, s, high), s, low);
    pair(0);
    value = hn::MulAdd(hn::MulAdd(value, s, high), s, low);
    return value;
  }

  V OneByOne(std::uint32_t coalition, double offset, V t) const {
    const D d;
    alignas(32) double lanes[4];
    hn::Store(t, d, lanes);
    for (double& lane : lanes) lane = grid_.Value(coalition, offset, lane);
    return hn::Load(d, lanes);
  }

  const SigmoidGame& game_;
  const SigmoidGrid& grid_;
  std::span<const double> in_weights_, out_weights_, low_center_, high_center_;
  const double* a_;           // [players, kBlock]
  const double* prediction_;  // [kBlock]
  int rows_;
  int players_;
  int stride_;  // off powers of two, at which buffers would fall onto the same cache sets
  std::vector<double> buffers_;  // phi, then bases and totals of each player, roots, outsiders
};

}  // namespace

void SigmoidGame::ExplainBlock(std::span<const double> a, int rows, std::span<double> prediction,
                               std::span<double> phi) const {
  std::vector<double> full(kBlock, 0.0);
  for (int r = 0; r < rows; ++r) {
    double z = intercept_;
    for (int g = 0; g < players_; ++g) z += a[g * kBlock + r];
    full[r] = link_ == Link::kLogit ? z : Sigmoid(z);
    prediction[r] = full[r];
  }
  if (grid_) {
    Walk walk(*this, *grid_, in_weights_, out_weights_, low_center_, high_center_, a, full, rows);
    walk.Run();
    for (int r = 0; r < rows; ++r) {
      for (int g = 0; g < players_; ++g) phi[r * players_ + g] = walk.phi(g, r);
    }
    return;
  }
  const std::uint32_t coalitions = 1u << players_;
  std::vector<double> v(coalitions);
  for (int r = 0; r < rows; ++r) {
    v[0] = base_value_;
    v[coalitions - 1] = full[r];
    for (std::uint32_t s = 1; s + 1 < coalitions; ++s) {
      double t = 0;
      for (int g = players_ - 1; g >= 0; --g) {
        if (s >> g & 1) t += a[g * kBlock + r];
      }
      v[s] = ValueDirect(s, t);
    }
    ShapleyValues(v, players_, phi.subspan(static_cast<std::size_t>(r) * players_, players_));
  }
}

}  // namespace windlass::explain
