#include "windlass/explain/pair_regression.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "windlass/base/cancel.h"
#include "windlass/base/error.h"
#include "windlass/base/student.h"
#include "windlass/explain/dense.h"
#include "windlass/explain/shapley.h"

namespace windlass::explain {
namespace {

// Of the ridge, in units of the mean weight of a coalition. By measurement
// (benchmarks/results/2026-11-26-interactions.md) 0.03 to 0.3 are alike from twice as many pairs of
// coalitions as pairs of players on.
constexpr double kRidge = 0.1;

// What Student's t gains in degrees of freedom from the part of the variance that all coalitions of
// a size tell together.
constexpr double kSharedFreedom = 4;

int SizeOf(const Design& design, std::int64_t pair) {
  int size = 0;
  for (int word = 0; word < design.words; ++word) {
    size += std::popcount(design.masks[pair * design.words + word]);
  }
  return size;
}

// sum_i weights[i] a[i]^2; sums of squares of a map's row.
double WeightedSquares(const double* a, const double* weights, std::int64_t count) {
  // Eight lanes, added in halves; the compiler need not find them.
  double lanes[8] = {};
  std::int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
#pragma GCC unroll 8
    for (int lane = 0; lane < 8; ++lane) {
      lanes[lane] = std::fma(a[i + lane] * a[i + lane], weights[i + lane], lanes[lane]);
    }
  }
  double sum = ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
               ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
  for (; i < count; ++i) sum = std::fma(a[i] * a[i], weights[i], sum);
  return sum;
}

std::int64_t CountBoth(const std::vector<std::uint64_t>& a, const std::vector<std::uint64_t>& b,
                       std::int64_t begin, std::int64_t end) {
  std::int64_t count = 0;
  for (std::int64_t w = begin; w < end; ++w) count += std::popcount(a[w] & b[w]);
  return count;
}

}  // namespace

PairRegression::PairRegression(const Design& design)
    : players_(design.players), coalitions_(design.pairs()) {
  Sort(design);
  const std::int64_t pairs = Pairs(players_);
  std::vector<Bits> parted;  // [pairs], the coalitions that part them
  for (int i = 0; i < players_; ++i) {
    for (int j = i + 1; j < players_; ++j) {
      Bits& bits = parted.emplace_back(has_[i]);
      for (std::size_t w = 0; w < bits.size(); ++w) bits[w] ^= has_[j][w];
    }
  }
  std::vector<double> normal = Normal(parted);
  if (!Cholesky(normal, static_cast<int>(pairs))) {
    throw Error(ErrorCode::kInternal, "the normal matrix of interactions is singular");
  }
  inverse_ = CholeskyInverse(normal, static_cast<int>(pairs));
  SetLeverages(parted);
  MakeMap(Adjustment(parted), parted);
}

// Puts coalitions of a size next to each other.
void PairRegression::Sort(const Design& design) {
  std::vector<int> size(coalitions_);  // of the smaller one of a coalition and its complement
  for (std::int64_t c = 0; c < coalitions_; ++c) size[c] = SizeOf(design, c);
  order_.resize(coalitions_);
  std::iota(order_.begin(), order_.end(), 0);
  std::ranges::stable_sort(order_, {}, [&](std::int64_t c) { return size[c]; });
  std::int64_t words = 0;
  double mean_weight = 0;
  for (const double weight : design.weights) mean_weight += weight / double(coalitions_);
  for (std::int64_t begin = 0; begin < coalitions_;) {
    Stratum stratum;
    const int t = size[order_[begin]], n = players_;
    stratum.begin = begin;
    while (begin < coalitions_ && size[order_[begin]] == t) ++begin;
    stratum.end = begin;
    stratum.first_word = words;
    stratum.end_word = words += (stratum.end - stratum.begin + 63) / 64;
    stratum.weight = design.weights[order_[stratum.begin]] / mean_weight;
    stratum.left_out = design.left_out[order_[stratum.begin]];
    // Twice the number of coalitions of this size, for their complements count as much, times the
    // Shapley weight among players - 1: 2 binom(n, t) s! (n - 2 - s)! / (n - 1)!, where s of the
    // t are others than the two.
    const double share = (2 * t == n ? 1.0 : 2.0) * n / double(stratum.end - stratum.begin);
    stratum.parted = -share / (double(t) * (n - t));
    if (t >= 2) stratum.both = share / (double(t) * (t - 1));
    if (n - t >= 2) stratum.neither = share / (double(n - t) * (n - t - 1));
    strata_.push_back(stratum);
  }
  has_.assign(players_, Bits(words, 0));
  for (const Stratum& stratum : strata_) {
    for (std::int64_t place = stratum.begin; place < stratum.end; ++place) {
      const std::int64_t bit = place - stratum.begin;
      member_begin_.push_back(std::ssize(members_));
      for (int i = 0; i < players_; ++i) {
        if (!design.contains(order_[place], i)) continue;
        has_[i][stratum.first_word + bit / 64] |= std::uint64_t{1} << (bit % 64);
        members_.push_back(i);
      }
    }
  }
  member_begin_.push_back(std::ssize(members_));
}

// Sum over coalitions of weight p p^T, p being 1 for pairs that are parted, and the ridge.
std::vector<double> PairRegression::Normal(const std::vector<Bits>& parted) const {
  const std::size_t pairs = parted.size();
  std::vector<double> normal(pairs * pairs, 0.0);
  for (std::size_t a = 0; a < pairs; ++a) {
    if (a % 64 == 0) ProcessCancelToken().Check();
    for (std::size_t b = 0; b <= a; ++b) {
      double sum = a == b ? kRidge : 0;
      for (const Stratum& s : strata_) {
        sum += s.weight * double(CountBoth(parted[a], parted[b], s.first_word, s.end_word));
      }
      normal[a * pairs + b] = normal[b * pairs + a] = sum;
    }
  }
  return normal;
}

// [pairs, pairs]: what the fit's columns have of interactions by the estimate size by size, and
// twice the identity, which is what they have in truth, both with a plus sign: (2 + Q X).
std::vector<double> PairRegression::Adjustment(const std::vector<Bits>& parted) const {
  const std::size_t pairs = parted.size();
  std::vector<double> result(pairs * pairs, 0.0);
  Bits both(has_[0].size());
  for (int i = 0; i < players_; ++i) {
    for (int j = i + 1; j < players_; ++j) {
      const auto a = static_cast<std::size_t>(PairIndex(i, j, players_));
      if (a % 64 == 0) ProcessCancelToken().Check();
      for (std::size_t w = 0; w < both.size(); ++w) both[w] = has_[i][w] & has_[j][w];
      for (std::size_t b = 0; b < pairs; ++b) {
        double sum = a == b ? 2 : 0;
        for (const Stratum& s : strata_) {
          const auto count = [&](const Bits& of) {
            return CountBoth(of, parted[b], s.first_word, s.end_word);
          };
          const std::int64_t in_parted = count(parted[a]), in_both = count(both);
          const std::int64_t left = count(parted[b]) - in_parted - in_both;
          sum += s.parted * double(in_parted) + s.both * double(in_both) + s.neither * double(left);
        }
        result[a * pairs + b] = sum;
      }
    }
  }
  return result;
}

// All coalitions of a size are drawn alike: their mean leverage is what any has, but for chance.
void PairRegression::SetLeverages(const std::vector<Bits>& parted) {
  const std::size_t pairs = parted.size();
  for (Stratum& s : strata_) {
    double sum = 0;
    for (std::size_t a = 0; a < pairs; ++a) {
      double row = 0;
      for (std::size_t b = 0; b < pairs; ++b) {
        row += inverse_[a * pairs + b] *
               double(CountBoth(parted[a], parted[b], s.first_word, s.end_word));
      }
      sum += row;
    }
    const double leverage = s.weight * sum / double(s.end - s.begin);
    s.divisor = std::max(1 - leverage, 0.25);
  }
}

// interactions = -2 beta + Q (e - X beta) with beta = inverse X^T W e, so that the map is
// Q - (2 + Q X) inverse X^T W.
void PairRegression::MakeMap(std::span<const double> adjusted, const std::vector<Bits>& parted) {
  const auto pairs = static_cast<std::int64_t>(parted.size());
  std::vector<double> tile(pairs * kTileColumns), out(pairs * kTileColumns);
  std::vector<double> product(pairs * pairs);  // (2 + Q X) inverse
  for (std::int64_t begin = 0; begin < pairs; begin += kTileColumns) {
    ProcessCancelToken().Check();
    const std::int64_t count = std::min<std::int64_t>(kTileColumns, pairs - begin);
    for (std::int64_t k = 0; k < pairs; ++k) {
      std::copy_n(&inverse_[k * pairs + begin], count, &tile[k * kTileColumns]);
    }
    MultiplyTile(adjusted, pairs, pairs, tile, out);
    for (std::int64_t k = 0; k < pairs; ++k) {
      std::copy_n(&out[k * kTileColumns], count, &product[k * pairs + begin]);
    }
  }
  map_.assign(pairs * coalitions_, 0.0);
  const auto bit = [](const Bits& bits, const Stratum& s, std::int64_t place) {
    const std::int64_t at = place - s.begin;
    return (bits[s.first_word + at / 64] >> (at % 64) & 1) != 0;
  };
  for (const Stratum& s : strata_) {
    for (std::int64_t begin = s.begin; begin < s.end; begin += kTileColumns) {
      ProcessCancelToken().Check();
      const std::int64_t count = std::min<std::int64_t>(kTileColumns, s.end - begin);
      std::ranges::fill(tile, 0.0);
      for (std::int64_t a = 0; a < pairs; ++a) {
        for (std::int64_t c = 0; c < count; ++c) {
          if (bit(parted[a], s, begin + c)) tile[a * kTileColumns + c] = -s.weight;
        }
      }
      MultiplyTile(product, pairs, pairs, tile, out);
      for (int i = 0, a = 0; i < players_; ++i) {
        for (int j = i + 1; j < players_; ++j, ++a) {
          for (std::int64_t c = 0; c < count; ++c) {
            const bool in_i = bit(has_[i], s, begin + c), in_j = bit(has_[j], s, begin + c);
            const double own = in_i != in_j ? s.parted : in_i ? s.both : s.neither;
            map_[a * coalitions_ + begin + c] = own + out[a * kTileColumns + c];
          }
        }
      }
    }
  }
  alike_.resize(pairs * strata_.size());
  t_.resize(pairs);
  for (std::int64_t a = 0; a < pairs; ++a) {
    double variance = 0, squares = 0;  // of errors alike in all coalitions
    for (std::size_t k = 0; k < strata_.size(); ++k) {
      const Stratum& s = strata_[k];
      double sum = 0;
      for (std::int64_t c = s.begin; c < s.end; ++c) {
        const double square = map_[a * coalitions_ + c] * map_[a * coalitions_ + c];
        sum += square;
        squares += s.left_out * square * s.left_out * square;
      }
      alike_[a * strata_.size() + k] = sum;
      variance += s.left_out * sum;
    }
    const double freedom = squares > 0 ? variance * variance / squares : 0;
    t_[a] = Student95(freedom + kSharedFreedom);
  }
}

// [pairs]: inverse X^T W e.
std::vector<double> PairRegression::Fit(std::span<const double> sorted) const {
  std::vector<double> own(players_, 0.0);
  std::vector<double> both(static_cast<std::size_t>(players_) * players_, 0.0);
  for (const Stratum& s : strata_) {
    for (std::int64_t c = s.begin; c < s.end; ++c) {
      const double term = s.weight * sorted[c];
      for (std::int64_t m = member_begin_[c]; m < member_begin_[c + 1]; ++m) {
        double* row = &both[members_[m] * players_];
        own[members_[m]] += term;
        for (std::int64_t k = member_begin_[c]; k < m; ++k) row[members_[k]] += term;
      }
    }
  }
  const std::int64_t pairs = Pairs(players_);
  std::vector<double> right(pairs), beta(pairs);
  for (int i = 0, a = 0; i < players_; ++i) {
    for (int j = i + 1; j < players_; ++j, ++a) {
      right[a] = own[i] + own[j] - 2 * both[j * players_ + i];
    }
  }
  for (std::int64_t a = 0; a < pairs; ++a) {
    beta[a] = Dot(&inverse_[a * pairs], right.data(), pairs);
  }
  return beta;
}

// What a fit leaves. A coalition parts its members' pairs with all others, less twice those among
// its members.
std::vector<double> PairRegression::Residuals(std::span<const double> sorted,
                                              std::span<const double> beta) const {
  std::vector<double> with_all(players_, 0.0);
  std::vector<double> of_pair(static_cast<std::size_t>(players_) * players_, 0.0);
  for (int i = 0, a = 0; i < players_; ++i) {
    for (int j = i + 1; j < players_; ++j, ++a) {
      of_pair[j * players_ + i] = 2 * beta[a];
      with_all[i] += beta[a];
      with_all[j] += beta[a];
    }
  }
  std::vector<double> residuals(sorted.begin(), sorted.end());
  for (std::int64_t c = 0; c < coalitions_; ++c) {
    double fitted = 0;
    for (std::int64_t m = member_begin_[c]; m < member_begin_[c + 1]; ++m) {
      const double* row = &of_pair[members_[m] * players_];
      fitted += with_all[members_[m]];
      for (std::int64_t k = member_begin_[c]; k < m; ++k) fitted -= row[members_[k]];
    }
    residuals[c] -= fitted;
  }
  return residuals;
}

void PairRegression::Run(std::span<const double> even, std::span<double> interactions,
                         std::span<double> half_width) const {
  std::vector<double> sorted(coalitions_);
  for (std::int64_t c = 0; c < coalitions_; ++c) sorted[c] = even[order_[c]];
  std::vector<double> squares = Residuals(sorted, Fit(sorted));
  std::vector<double> mean(strata_.size(), 0.0);  // squared error that a coalition adds
  for (std::size_t k = 0; k < strata_.size(); ++k) {
    const Stratum& s = strata_[k];
    for (std::int64_t c = s.begin; c < s.end; ++c) {
      squares[c] *= s.left_out * squares[c] / s.divisor;
      mean[k] += squares[c] / double(s.end - s.begin);
    }
  }
  for (std::int64_t a = 0; a < std::ssize(interactions); ++a) {
    const double* row = &map_[a * coalitions_];
    interactions[a] = Dot(row, sorted.data(), coalitions_);
    const double own = WeightedSquares(row, squares.data(), coalitions_);
    const double shared = Dot(&alike_[a * strata_.size()], mean.data(), std::ssize(strata_));
    half_width[a] = t_[a] * std::sqrt(0.5 * (own + shared));
  }
}

}  // namespace windlass::explain
