#include "windlass/explain/sigmoid_game.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include "windlass/base/vector_math.h"
#include "windlass/explain/shapley.h"
#include "windlass/explain/sigmoid_table.h"
#include "windlass/explain/sigmoid_walk_internal.h"

namespace windlass::explain {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

constexpr int kGroup = 16;  // background rows that share divisions

// Beyond these, products of four exponentials could overflow and logarithms are used instead.
constexpr double kSafeBound = 100;
constexpr double kSafeScale = 70;
static_assert(SigmoidTable::kFarthest < kSafeScale);

// The middle pieces of all tables fit here, so that what is kept does not grow without bounds.
constexpr std::size_t kTableBytes = std::size_t{128} << 20;

// A value is common when at least this share of the background (by weight) has it: below, more
// tables would be made than rows use them.
constexpr double kCommonShare = 0.6;

// Tables are made for rows that have all common values but for this many: those of fewer are large
// and wanted by few rows.
constexpr int kMostMissing = 2;

// Bytes of all tables where `common` players have a common value, in multiples of the root's: one
// with k folded is (k + 1) / 2^k as large.
double TablesOverRoot(int common) {
  double total = 1;
  double binomial = 1;  // of common over k
  for (int k = common; k > 0 && k >= common - kMostMissing; --k) {
    total += binomial * (k + 1) / (1 << k);
    binomial = binomial * k / (common - k + 1);
  }
  return total;
}

struct CommonValue {
  double value;
  double share;
};

// The value of most weight.
CommonValue MostCommon(std::span<const double> values, std::span<const double> weights) {
  std::vector<int> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {}, [&](int i) { return values[i]; });
  CommonValue most = {0, -1};
  for (std::size_t i = 0; i < order.size();) {
    const double value = values[order[i]];
    double share = 0;
    for (; i < order.size() && values[order[i]] == value; ++i) share += weights[order[i]];
    if (share > most.share) most = {value, share};
  }
  return most;
}

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
double LogSigmoid(double z) { return z < 0 ? z - Log(1 + Exp(z)) : -Log(1 + Exp(-z)); }

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
  std::vector<double> share(players_);
  for (int g = 0; g < players_; ++g) {
    std::vector<double> own(rows_);
    double largest = 0;
    double mean = 0;
    for (int b = 0; b < rows_; ++b) {
      own[b] = contributions_[b * players_ + g];
      largest = std::max(largest, std::abs(own[b]));
      mean = std::fma(weights_[b], own[b], mean);
    }
    bound_ += largest;
    const CommonValue common = MostCommon(own, weights_);
    share[g] = common.share;
    center_.push_back(common.share >= kCommonShare ? common.value : mean);
  }
  const auto tabulate = [&](int first, int count, double constant, std::vector<double>& factors,
                            std::vector<double>& centers) {
    const std::uint32_t size = 1u << count;
    factors.assign(std::size_t{size} * padded_, 1.0);
    centers.assign(size, 0.0);
    for (std::uint32_t s = 0; s < size; ++s) {
      for (int g = 0; g < count; ++g) {
        if (s >> g & 1) centers[s] += center_[first + g];
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
  for (int s = 1; s <= players_; ++s) in_weights_[s] = w[s - 1] + (s < players_ ? w[s] : 0.0);
  const std::size_t root = SigmoidTable::RootBytes(players_);
  if (bound_ > kSafeBound || root > kTableBytes) return;
  for (int g = 0; g < players_; ++g) {
    if (share[g] >= kCommonShare) common_.push_back(g);
  }
  std::ranges::stable_sort(common_, std::greater<>(), [&](int g) { return share[g]; });
  std::size_t most = std::min<std::size_t>(common_.size(), SigmoidTable::kMostFolded);
  const auto too_large = [&](std::size_t folded) {
    return static_cast<double>(root) * TablesOverRoot(static_cast<int>(folded)) > kTableBytes;
  };
  while (most > 0 && too_large(most)) --most;
  common_.resize(most);
  tables_ = std::vector<std::atomic<const SigmoidTable*>>(std::size_t{1} << most);
  arena_ = std::make_unique<SigmoidArena>();
  root_ = &Table(0);
}

SigmoidGame::~SigmoidGame() = default;

void SigmoidGame::Factors(std::uint32_t coalition, std::span<double> out) const {
  const std::uint32_t low = coalition & ((1u << low_players_) - 1);
  const std::uint32_t high = coalition >> low_players_;
  // The centre is divided out, so that nodes have the same scales for every coalition.
  const double center = Exp(-Center(coalition));
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

void SigmoidGame::CenteredValues(std::uint32_t coalition, std::span<const double> scales,
                                 std::span<double> out) const {
  std::vector<double> factors(padded_);
  Factors(coalition, factors);
  if (link_ == Link::kIdentity) {
    Means(factors, scales, out, {});
    return;
  }
  std::vector<double> q(scales.size());
  Means(factors, scales, out, q);
  const hn::FixedTag<double, 4> d;
  std::size_t i = 0;
  for (; i + 4 <= out.size(); i += 4) {
    const auto log_p = vector_math::Log(d, hn::LoadU(d, &out[i]));
    const auto log_q = vector_math::Log(d, hn::LoadU(d, &q[i]));
    hn::StoreU(hn::Sub(log_p, log_q), d, &out[i]);
  }
  for (; i < out.size(); ++i) out[i] = Log(out[i]) - Log(q[i]);
}

double SigmoidGame::Center(std::uint32_t coalition) const {
  return low_center_[coalition & ((1u << low_players_) - 1)] +
         high_center_[coalition >> low_players_];
}

double SigmoidGame::ValueDirect(std::uint32_t coalition, double t) const {
  if (bound_ > kSafeBound || !(std::abs(t) <= kSafeScale)) return ValueByLogarithms(coalition, t);
  const double scale = Exp(-(t - Center(coalition)));
  double value;
  CenteredValues(coalition, {&scale, 1}, {&value, 1});
  return value;
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

const SigmoidTable& SigmoidGame::Table(std::uint32_t folded) const {
  if (const SigmoidTable* there = tables_[folded].load(std::memory_order_acquire)) return *there;
  std::unique_ptr<SigmoidTable> made;
  if (folded == 0) {
    made = std::make_unique<SigmoidTable>(*this, *arena_);
  } else {
    std::vector<int> players;
    for (std::size_t i = 0; i < common_.size(); ++i) {
      if (folded >> i & 1) players.push_back(common_[i]);
    }
    made = std::make_unique<SigmoidTable>(*root_, std::move(players));
  }
  const std::lock_guard lock(tables_mutex_);
  if (tables_[folded].load(std::memory_order_relaxed) == nullptr) {
    tables_[folded].store(made.get(), std::memory_order_release);
    owned_tables_.push_back(std::move(made));
  }
  return *tables_[folded].load(std::memory_order_relaxed);
}

void SigmoidGame::ExplainByTables(std::span<const double> a, int rows,
                                  const std::function<void()>& check,
                                  std::span<const double> prediction, std::span<double> phi) const {
  root_->FillMiddle(check);
  // Rows that share a table stand together.
  std::vector<std::uint32_t> folded(rows, 0);
  for (std::size_t i = 0; i < common_.size(); ++i) {
    const int g = common_[i];
    for (int r = 0; r < rows; ++r) {
      folded[r] |= (a[g * kBlock + r] == center_[g] ? 1u : 0u) << i;
    }
  }
  for (std::uint32_t& own : folded) {
    if (std::popcount(own) + kMostMissing < static_cast<int>(common_.size())) own = 0;
  }
  std::vector<int> order(rows);
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {}, [&](int r) { return folded[r]; });

  SigmoidWalk walk(players_);
  for (int begin = 0; begin < rows;) {
    const std::uint32_t own = folded[order[begin]];
    int end = begin + 1;
    while (end < rows && end - begin < SigmoidWalk::kRows && folded[order[end]] == own) ++end;
    const SigmoidTable& table = Table(own);
    for (const int g : table.open()) {
      for (int k = begin; k < end; ++k) {
        const double x = (a[g * kBlock + order[k]] - center_[g]) / SigmoidTable::kHalfWidth;
        walk.x(g, k - begin) = x;
      }
    }
    check();
    walk.Run(table, end - begin);
    for (int k = begin; k < end; ++k) {
      const int r = order[k];
      // phi_g = sum_g - (what stays outside of any g), which is the same for all, so that it
      // follows from their total.
      const std::span own_phi = phi.subspan(static_cast<std::size_t>(r) * players_, players_);
      for (int g = 0; g < players_; ++g) own_phi[g] = walk.sum(g, k - begin);
      CloseToTotal(prediction[r] - base_value_, own_phi);
    }
    begin = end;
  }
}

void SigmoidGame::ExplainBlock(std::span<const double> a, int rows,
                               const std::function<void()>& check, std::span<double> prediction,
                               std::span<double> phi) const {
  for (int r = 0; r < rows; ++r) {
    double z = intercept_;
    for (int g = 0; g < players_; ++g) z += a[g * kBlock + r];
    prediction[r] = link_ == Link::kLogit ? z : Sigmoid(z);
  }
  if (root_ != nullptr) {
    ExplainByTables(a, rows, check, prediction, phi);
    return;
  }
  const std::uint32_t coalitions = 1u << players_;
  std::vector<double> v(coalitions);
  for (int r = 0; r < rows; ++r) {
    v[0] = base_value_;
    v[coalitions - 1] = prediction[r];
    for (std::uint32_t s = 1; s + 1 < coalitions; ++s) {
      if (s % 256 == 0) check();
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
