#include "windlass/explain/regression.h"

#include <hwy/highway.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "windlass/base/error.h"
#include "windlass/explain/dense.h"

namespace windlass::explain {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// Single-precision numbers that are summed at once, and how many by single precision.
constexpr std::int64_t kLanes = 16;
constexpr std::int64_t kBlock = 2048;

// sum_p term(p) g[p] over `count` pairs, a multiple of kLanes; term gives eight at a time. Lane l
// adds up the pairs p = l (mod 16) of a block by fused multiply-add in single precision, which is
// plenty for a variance, then lanes are added in halves and blocks in double precision: the same
// bytes for any width of registers.
template <typename Term>
double LaneSum(std::int64_t count, const float* g, Term term) {
  const hn::FixedTag<float, 8> d;
  double sum = 0;
  for (std::int64_t begin = 0; begin < count; begin += kBlock) {
    const std::int64_t end = std::min(begin + kBlock, count);
    auto low = hn::Zero(d);
    auto high = hn::Zero(d);
    for (std::int64_t p = begin; p < end; p += kLanes) {
      low = hn::MulAdd(term(d, p), hn::LoadU(d, g + p), low);
      high = hn::MulAdd(term(d, p + 8), hn::LoadU(d, g + p + 8), high);
    }
    float lanes[8];
    hn::StoreU(hn::Add(low, high), d, lanes);
    sum += ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
           ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
  }
  return sum;
}

// Calls visit(player) for the members of a coalition, ascending.
template <typename Visit>
void ForMembers(const Design& design, std::int64_t pair, Visit visit) {
  for (int word = 0; word < design.words; ++word) {
    for (std::uint64_t left = design.masks[pair * design.words + word]; left != 0;
         left &= left - 1) {
      visit(64 * word + std::countr_zero(left));
    }
  }
}

// What the mean square of all errors counts for beside a player's own.
constexpr double kPriorFreedom = 2;

// Of the columns with powers of g, for each player and unit of mean weight: what ridge regression
// would take by Bayes' rule were their part of the game a few times as large as what is left. By
// measurement (benchmarks/results/2026-11-26-estimators.md) 0.05 and 0.1 are alike, 0.4 is worse.
constexpr double kPenalty = 0.05;

// What a squared residual is divided by; it stays away from 0.
double Divisor(double leverage) { return std::max(1 - leverage, 0.25); }

// Sum over pairs of weight c c^T, [players, players].
std::vector<double> Normal(const Design& design, std::span<const double> weights) {
  const int players = design.players;
  // c_i c_j is 1/4 where both players are on one side and -1/4 where not: 1/4 of the total weight
  // less half of the weight of pairs that part them.
  std::vector<double> own(players, 0.0);  // weight of the pairs whose coalition has the player
  std::vector<double> both(static_cast<std::size_t>(players) * players, 0.0);
  double total = 0;
  std::vector<int> members;
  for (std::int64_t pair = 0; pair < design.pairs(); ++pair) {
    members.clear();
    ForMembers(design, pair, [&](int player) { members.push_back(player); });
    const double weight = weights[pair];
    total += weight;
    for (std::size_t i = 0; i < members.size(); ++i) {
      own[members[i]] += weight;
      for (std::size_t j = 0; j <= i; ++j) {
        both[static_cast<std::size_t>(members[i]) * players + members[j]] += weight;
      }
    }
  }
  std::vector<double> normal(both.size());
  for (int i = 0; i < players; ++i) {
    for (int j = 0; j <= i; ++j) {
      const double parted = own[i] + own[j] - 2 * both[static_cast<std::size_t>(i) * players + j];
      const double value = 0.25 * total - 0.5 * parted;
      normal[static_cast<std::size_t>(i) * players + j] = value;
      normal[static_cast<std::size_t>(j) * players + i] = value;
    }
  }
  return normal;
}

// g of every pair.
std::vector<double> CurvatureOf(const Design& design) {
  std::vector<double> g(design.pairs());
  for (std::int64_t pair = 0; pair < design.pairs(); ++pair) {
    int size = 0;
    for (int word = 0; word < design.words; ++word) {
      size += std::popcount(design.masks[pair * design.words + word]);
    }
    const double m = 2.0 * size / design.players - 1;
    g[pair] = m * m - 1;
  }
  return g;
}

// The factor of normal + ridge u u^T, where u is 1 for the `players` first columns, those under the
// constraint, and 0 for others. Under the constraint the added term is constant, so that it changes
// no solution; it makes the matrix definite where the constraint alone decides (two players). A
// sampled design may, if hardly ever, leave players that it cannot tell apart; a little more on the
// diagonal then treats them alike.
std::vector<double> Factor(std::vector<double> normal, int size, int players) {
  double trace = 0;
  for (int i = 0; i < size; ++i) trace += normal[i * size + i];
  for (int i = 0; i < players; ++i) {
    for (int j = 0; j < players; ++j) normal[i * size + j] += trace / size;
  }
  std::vector<double> factor = normal;
  for (double ridge = 1e-10; !Cholesky(factor, size); ridge *= 100) {
    if (ridge > 1) {
      throw Error(ErrorCode::kInternal, "the normal matrix of a regression is singular");
    }
    factor = normal;
    for (int i = 0; i < size; ++i) factor[i * size + i] += ridge * trace / size;
  }
  return factor;
}

// Where the solution goes when the total grows by one: 1 scaled to sum 1 in the inverse's metric.
std::vector<double> Share(std::span<const double> factor, int size, int players) {
  std::vector<double> share(size, 0.0);
  for (int i = 0; i < players; ++i) share[i] = 1;
  CholeskySolve(factor, size, share);
  double sum = 0;
  for (int i = 0; i < players; ++i) sum += share[i];
  for (double& value : share) value /= sum;
  return share;
}

}  // namespace

Regression::Regression(const Design& design, int powers) : design_(design), powers_(powers) {
  const int players = design.players;
  const std::int64_t pairs = design.pairs();
  const int size = players * (1 + powers);
  padded_pairs_ = (pairs + kLanes - 1) / kLanes * kLanes;
  g_ = CurvatureOf(design);

  // One block of normal equations for each power of g.
  std::vector<double> normal(static_cast<std::size_t>(size) * size, 0.0);
  std::vector<double> weights = design.weights;
  for (int power = 0; power <= 2 * powers; ++power) {
    const std::vector<double> block = Normal(design, weights);
    for (int one = 0; one <= powers; ++one) {
      const int two = power - one;
      if (two < 0 || two > powers) continue;
      for (int i = 0; i < players; ++i) {
        std::copy_n(&block[i * players], players,
                    &normal[static_cast<std::size_t>(one * players + i) * size + two * players]);
      }
    }
    if (power == 0) normal_ = block;
    for (std::int64_t pair = 0; pair < pairs; ++pair) weights[pair] *= g_[pair];
  }
  double mean_weight = 0;
  for (const double weight : design.weights) mean_weight += weight / static_cast<double>(pairs);
  for (int i = players; i < size; ++i) {
    normal[static_cast<std::size_t>(i) * size + i] += kPenalty * players * mean_weight;
  }
  const std::vector<double> factor = Factor(std::move(normal), size, players);
  share_ = Share(factor, size, players);
  inverse_.assign(static_cast<std::size_t>(size) * size, 0.0);
  std::vector<double> column(size);
  for (int j = 0; j < size; ++j) {
    std::ranges::fill(column, 0.0);
    column[j] = 1;
    CholeskySolve(factor, size, column);
    double sum = 0;
    for (int i = 0; i < players; ++i) sum += column[i];
    for (int i = 0; i < size; ++i) {
      inverse_[static_cast<std::size_t>(i) * size + j] = std::fma(-sum, share_[i], column[i]);
    }
  }

  // c_i g^k changes by the mean of g^k before and after when i joins, and in all by 1 (k = 0) or 0.
  for (int power = 0; power <= powers; ++power) {
    double mean = 0;
    for (int s = 0; s <= players; ++s) {
      const double m = 2.0 * s / players - 1;
      double value = s == 0 || s == players ? 0.5 : 1.0;
      for (int k = 0; k < power; ++k) value *= m * m - 1;
      mean += value / players;
    }
    own_.push_back(mean);
    others_.push_back(players > 1 ? ((power == 0 ? 1 : 0) - mean) / (players - 1) : 0);
  }

  // Column by column: the fit for h = 1 in one pair and total = 0, and what it attributes.
  leverage_.resize(pairs);
  map_.assign(static_cast<std::size_t>(players) * padded_pairs_, 0.0F);
  std::vector<double> sums(players, 0.0), own(players, 0.0), pooled(players, 0.0);
  std::vector<double> features(size), phi(players);
  for (std::int64_t pair = 0; pair < pairs; ++pair) {
    double scale = 0.5;
    for (int power = 0; power <= powers; ++power, scale *= g_[pair]) {
      for (int i = 0; i < players; ++i) {
        features[power * players + i] = design.contains(pair, i) ? scale : -scale;
      }
    }
    double fitted = 0;
    for (int i = 0; i < size; ++i) {
      const double* row = &inverse_[static_cast<std::size_t>(i) * size];
      column[i] = design.weights[pair] * Dot(row, features.data(), size);
      fitted += features[i] * column[i];
    }
    leverage_[pair] = fitted;
    Attribute(column, phi);
    // Were the errors of all pairs alike, with variance 1, the variance of phi_i would be a sum of
    // left_out map^2 over pairs, of which each tells its own part and the mean the rest.
    if (design.left_out[pair] > 0) residual_freedom_ += 1 - fitted;
    const double divisor = Divisor(fitted);
    for (int i = 0; i < players; ++i) {
      map_[i * padded_pairs_ + pair] = static_cast<float>(phi[i]);
      const double all = design.left_out[pair] * phi[i] * phi[i];
      const double told = all * (1 - fitted) / divisor;
      sums[i] += all;
      own[i] += told * told / divisor;
      pooled[i] += all - told;
    }
  }
  freedom_.resize(players);
  for (int i = 0; i < players; ++i) {
    const double variance = own[i] + pooled[i] * pooled[i] / residual_freedom_;
    freedom_[i] = variance > 0 ? sums[i] * sums[i] / variance : 0;
  }
  alike_ = std::move(sums);
}

void Regression::Attribute(std::span<const double> fit, std::span<double> phi) const {
  const std::size_t players = phi.size();
  std::copy_n(fit.begin(), players, phi.begin());
  for (int power = 1; power <= powers_; ++power) {
    const auto own = fit.subspan(power * players, players);
    double sum = 0;
    for (const double value : own) sum += value;
    for (std::size_t i = 0; i < players; ++i) {
      phi[i] += own_[power] * own[i] + others_[power] * (sum - own[i]);
    }
  }
}

std::vector<double> Regression::Residuals(std::span<const double> h, double total,
                                          std::span<const double> fit) const {
  std::vector<double> residuals(h.begin(), h.end());
  if (powers_ == 0) {
    SubtractFit<1>(total, fit, residuals);
  } else {
    SubtractFit<2>(total, fit, residuals);
  }
  return residuals;
}

// c . x is the sum of x over members less half of all; members' sums come from tables by bytes of a
// mask.
template <int kColumns>
void Regression::SubtractFit(double total, std::span<const double> fit,
                             std::span<double> residuals) const {
  const int players = design_.players;
  const int words = design_.words;
  double half[kColumns] = {0.5 * total};
  for (int k = 1; k < kColumns; ++k) {
    for (int i = 0; i < players; ++i) half[k] += 0.5 * fit[k * players + i];
  }
  std::vector<double> sums(static_cast<std::size_t>(words) * 8 * 256 * kColumns, 0.0);
  for (int byte = 0; byte < (players + 7) / 8; ++byte) {
    double* table = &sums[static_cast<std::size_t>(byte) * 256 * kColumns];
    const int count = std::min(8, players - 8 * byte);
    for (int i = 0; i < count; ++i) {
      for (int set = 0; set < 1 << i; ++set) {
        for (int k = 0; k < kColumns; ++k) {
          table[(set + (1 << i)) * kColumns + k] =
              table[set * kColumns + k] + fit[k * players + 8 * byte + i];
        }
      }
    }
  }
  for (std::size_t pair = 0; pair < residuals.size(); ++pair) {
    double fitted[kColumns];
    for (int k = 0; k < kColumns; ++k) fitted[k] = -half[k];
    const double* table = sums.data();
    for (int word = 0; word < words; ++word) {
      std::uint64_t mask = design_.masks[pair * words + word];
      const int bytes = std::min(8, (players - 64 * word + 7) / 8);
      for (int byte = 0; byte < bytes; ++byte, table += 256 * kColumns, mask >>= 8) {
        const double* of_byte = table + (mask & 255) * kColumns;
        for (int k = 0; k < kColumns; ++k) fitted[k] += of_byte[k];
      }
    }
    double scale = 1;
    for (int k = 0; k < kColumns; ++k, scale *= g_[pair]) residuals[pair] -= scale * fitted[k];
  }
}

Regression::Spread Regression::SpreadOf(std::span<const double> residuals) const {
  Spread result;
  result.of_pair.assign(padded_pairs_, 0.0F);
  double sum = 0;
  for (std::int64_t pair = 0; pair < design_.pairs(); ++pair) {
    if (design_.left_out[pair] > 0) sum += residuals[pair] * residuals[pair];
  }
  if (!(sum > 0)) return result;
  result.mean = sum / residual_freedom_;
  for (std::int64_t pair = 0; pair < design_.pairs(); ++pair) {
    const double divisor = Divisor(leverage_[pair]);
    const double lacking = 1 - (1 - leverage_[pair]) / divisor;
    const double own = residuals[pair] * residuals[pair] / (result.mean * divisor);
    result.of_pair[pair] = static_cast<float>(design_.left_out[pair] * (lacking + own));
  }
  return result;
}

double Regression::Variance(const Spread& spread, int i) const {
  const float* map = &map_[i * padded_pairs_];
  const double own = LaneSum(padded_pairs_, spread.of_pair.data(), [map](auto d, std::int64_t p) {
    const auto entry = hn::LoadU(d, map + p);
    return hn::Mul(entry, entry);
  });
  return spread.mean * (freedom_[i] * own + kPriorFreedom * alike_[i]) /
         (freedom_[i] + kPriorFreedom);
}

double Regression::Variance(const Spread& spread, int i, int j, double sign) const {
  const float* one = &map_[i * padded_pairs_];
  const float* two = &map_[j * padded_pairs_];
  return spread.mean *
         LaneSum(padded_pairs_, spread.of_pair.data(), [one, two, sign](auto d, std::int64_t p) {
           const auto entry = hn::MulAdd(hn::Set(d, static_cast<float>(sign)),
                                         hn::LoadU(d, two + p), hn::LoadU(d, one + p));
           return hn::Mul(entry, entry);
         });
}

double Regression::DegreesOfFreedom(int i) const {
  return residual_freedom_ >= 1 ? freedom_[i] + std::min(kPriorFreedom, residual_freedom_) : 0;
}

void Regression::Solve(std::span<const double> h, double total, std::span<double> fit) const {
  const auto size = static_cast<int>(fit.size());
  std::vector<double> right(size);
  if (powers_ == 0) {
    RightSide<1>(h, right);
  } else {
    RightSide<2>(h, right);
  }
  for (int i = 0; i < size; ++i) {
    const double* row = &inverse_[static_cast<std::size_t>(i) * size];
    fit[i] = std::fma(share_[i], total, Dot(row, right.data(), size));
  }
}

// Sums over the coalitions that have a player: by the sixteen patterns of four players, then
// folded.
template <int kColumns>
void Regression::RightSide(std::span<const double> h, std::span<double> right) const {
  const int players = design_.players;
  const int words = design_.words;
  std::vector<double> bins(static_cast<std::size_t>(words) * 16 * 16 * kColumns, 0.0);
  double all[kColumns] = {};
  for (std::size_t pair = 0; pair < h.size(); ++pair) {
    double terms[kColumns];
    terms[0] = design_.weights[pair] * h[pair];
    for (int k = 1; k < kColumns; ++k) terms[k] = terms[k - 1] * g_[pair];
    for (int k = 0; k < kColumns; ++k) all[k] += terms[k];
    double* bin = bins.data();
    for (int word = 0; word < words; ++word) {
      std::uint64_t mask = design_.masks[pair * words + word];
      const int nibbles = std::min(16, (players - 64 * word + 3) / 4);
      for (int nibble = 0; nibble < nibbles; ++nibble, bin += 16 * kColumns, mask >>= 4) {
        double* to = bin + (mask & 15) * kColumns;
        for (int k = 0; k < kColumns; ++k) to[k] += terms[k];
      }
    }
  }
  for (int i = 0; i < players; ++i) {
    const double* bin = &bins[static_cast<std::size_t>(i / 4) * 16 * kColumns];
    double inside[kColumns] = {};
    for (int pattern = 0; pattern < 16; ++pattern) {
      if ((pattern >> (i % 4) & 1) == 0) continue;
      for (int k = 0; k < kColumns; ++k) inside[k] += bin[pattern * kColumns + k];
    }
    for (int k = 0; k < kColumns; ++k) right[k * players + i] = inside[k] - 0.5 * all[k];
  }
}

void Regression::SolveSelected(std::span<const double> h, double total,
                               std::span<const std::int32_t> selected,
                               std::span<double> phi) const {
  const auto size = static_cast<int>(selected.size());
  const std::size_t players = design_.players;
  for (double& value : phi) value = 0;
  if (size == 0) return;
  double all = 0;
  std::vector<double> inside(players, 0.0);
  for (std::int64_t pair = 0; pair < design_.pairs(); ++pair) {
    const double term = design_.weights[pair] * h[pair];
    all += term;
    ForMembers(design_, pair, [&](int player) { inside[player] += term; });
  }
  std::vector<double> normal(static_cast<std::size_t>(size) * size);
  std::vector<double> solution(size);
  for (int i = 0; i < size; ++i) {
    solution[i] = inside[selected[i]] - 0.5 * all;
    for (int j = 0; j < size; ++j) {
      normal[i * size + j] = normal_[selected[i] * players + selected[j]];
    }
  }
  const std::vector<double> factor = Factor(std::move(normal), size, size);
  CholeskySolve(factor, size, solution);
  const std::vector<double> share = Share(factor, size, size);
  double sum = 0;
  for (const double value : solution) sum += value;
  for (int i = 0; i < size; ++i) phi[selected[i]] = std::fma(share[i], total - sum, solution[i]);
}

}  // namespace windlass::explain
