#include <hwy/highway.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <numbers>
#include <utility>

#include "windlass/explain/tree_leaf_internal.h"

namespace windlass::explain {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// B(m + 1, n + 1) = m! n! / (m + n + 1)! = integral of t^m (1 - t)^n: the weight of a coalition of
// m others, out of m + n. Shape [size, size].
std::vector<double> Betas(int size) {
  std::vector<double> beta(static_cast<std::size_t>(size) * size);
  for (int m = 0; m < size; ++m) {
    double value = 1.0 / (m + 1);
    for (int n = 0; n < size; ++n) {
      beta[m * size + n] = value;
      value = value * (n + 1) / (m + n + 2);
    }
  }
  return beta;
}

// cos(pi x) for x in [0, 1], by its series: a start for Newton's method that no libm decides.
double CosPi(double x) {
  const double square = std::numbers::pi * x * std::numbers::pi * x;
  double term = 1, sum = 1;
  for (int k = 1; k <= 20; ++k) {
    term *= -square / ((2 * k - 1) * (2 * k));
    sum += term;
  }
  return sum;
}

// sums[c]: over the subsets S of c with at least `shift` members, weight[|S| - shift] q(all - S).
void WeighSubsets(std::span<const double> weight, int shift, std::span<const double> q,
                  std::span<double> sums) {
  for (std::size_t s = 0; s < sums.size(); ++s) {
    const int at = std::popcount(s) - shift;
    const bool weighed = at >= 0 && at < std::ssize(weight);
    sums[s] = weighed ? weight[at] * q[sums.size() - 1 - s] : 0.0;
  }
  SumSubsets(sums);
}

}  // namespace

// Newton's method on the Legendre polynomial (Press et al., Numerical Recipes, 4.6), run until it
// no longer moves.
void GaussLegendre(int count, std::vector<double>& nodes, std::vector<double>& weights) {
  nodes.resize(count);
  weights.resize(count);
  for (int i = 0; i < count; ++i) {
    double z = CosPi((i + 0.75) / (count + 0.5));
    double slope = 0;
    for (int step = 0; step < 100; ++step) {
      double p = 1, before = 0;
      for (int j = 0; j < count; ++j) {
        const double older = std::exchange(before, p);
        p = ((2 * j + 1) * z * before - j * older) / (j + 1);
      }
      slope = count * (z * p - before) / (z * z - 1);
      const double next = z - p / slope;
      if (std::abs(next - z) < 1e-16) break;
      z = next;
    }
    nodes[i] = (1 - z) / 2;
    weights[i] = 1 / ((1 - z * z) * slope * slope);
  }
}

void SumSubsets(std::span<double> sums) {
  const hn::FixedTag<double, 4> d;
  const auto size = static_cast<std::int64_t>(sums.size());
  for (std::int64_t bit = 1; bit < size; bit *= 2) {
    for (std::int64_t begin = 0; begin < size; begin += 2 * bit) {
      double* low = &sums[begin];
      std::int64_t i = 0;
      for (; i + 4 <= bit; i += 4) {
        hn::StoreU(hn::Add(hn::LoadU(d, low + bit + i), hn::LoadU(d, low + i)), d, low + bit + i);
      }
      for (; i < bit; ++i) low[bit + i] += low[i];
    }
  }
}

void SumSupersets(int players, std::span<double> q) {
  const std::size_t patterns = std::size_t{1} << players;
  for (std::size_t bit = 1; bit < patterns; bit *= 2) {
    for (std::size_t t = 0; t < patterns; ++t) {
      if ((t & bit) == 0) q[t] += q[t + bit];
    }
  }
}

void TabulateLeaf(Order order, double value, int players, std::span<const double> q,
                  std::span<const std::int32_t> to, std::int64_t width, std::span<double> table) {
  const std::size_t patterns = std::size_t{1} << players;
  std::vector<double> work(3 * patterns);
  const std::span sums0 = std::span(work).first(patterns);
  const std::span sums1 = std::span(work).subspan(patterns, patterns);
  const std::span sums2 = std::span(work).subspan(2 * patterns, patterns);
  if (order == Order::kValues) {
    // phi_j(c) = value * sum over S within c - j of w(|S|) ([j in c] q(D - S - j) - q(D - S)). The
    // first terms, by S + j instead of S, are those of a sum over the subsets of c with j.
    std::vector<double> weight = ShapleyWeights(players);
    for (double& w : weight) w *= value;
    WeighSubsets(weight, 0, q, sums0);
    WeighSubsets(weight, 1, q, sums1);
    for (std::size_t c = 0; c < patterns; ++c) {
      double* row = table.data() + c * width;
      for (int j = 0; j < players; ++j) {
        const std::size_t without = c & ~(std::size_t{1} << j);
        row[to[j]] += sums1[c] - sums1[without] - sums0[without];
      }
    }
    return;
  }
  if (players < 2) return;
  // value * sum over S within c - i - j of w(|S|) (second difference of the game), in the
  // same way: the terms with i (with j, with both) are those of subsets that have them.
  std::vector<double> weight =
      ShapleyWeights(players - 1);  // s! (players - 2 - s)! / (players - 1)!
  for (double& w : weight) w *= value;
  WeighSubsets(weight, 0, q, sums0);
  WeighSubsets(weight, 1, q, sums1);
  WeighSubsets(weight, 2, q, sums2);
  for (std::size_t c = 0; c < patterns; ++c) {
    double* row = table.data() + c * width;
    std::int64_t pair = 0;
    for (int i = 0; i < players; ++i) {
      const std::size_t no_i = c & ~(std::size_t{1} << i);
      for (int j = i + 1; j < players; ++j) {
        const std::size_t no_j = c & ~(std::size_t{1} << j), neither = no_i & no_j;
        const double both = sums2[c] - sums2[no_i] - sums2[no_j] + sums2[neither];
        const double with_i = sums1[no_j] - sums1[neither];
        const double with_j = sums1[no_i] - sums1[neither];
        row[to[pair++]] += both - with_i - with_j + sums0[neither];
      }
    }
  }
}

WideLeaf::WideLeaf(double value, std::vector<double> ratio)
    : value_(value), players_(static_cast<int>(ratio.size())), ratio_(std::move(ratio)) {
  GaussLegendre((players_ + 1) / 2, nodes_, weights_);
}

WideLeaf::WideLeaf(double value, int players, const std::vector<std::uint8_t>& patterns,
                   std::span<const double> weights)
    : value_(value), players_(players), beta_(Betas(players + 1)) {
  std::map<std::vector<std::uint8_t>, double> shares;
  for (std::size_t b = 0; b < weights.size(); ++b) {
    const auto* from = patterns.data() + b * players;
    shares[{from, from + players}] += weights[b];
  }
  for (const auto& [pattern, share] : shares) {
    patterns_.insert(patterns_.end(), pattern.begin(), pattern.end());
    shares_.push_back(share);
  }
}

void WideLeaf::Add(Order order, const std::uint8_t* c, double* out) const {
  if (owen_ != nullptr) {
    AddOwen(c, out);
  } else if (ratio_.empty()) {
    AddInterventional(order, c, out);
  } else {
    AddPath(order, c, out);
  }
}

void WideLeaf::AddOwen(const std::uint8_t* c, double* out) const {
  const std::vector<double> in(c, c + players_);
  if (!ratio_.empty()) return owen_->Add(value_, in, ratio_, out);
  std::vector<double> pattern(players_);
  for (std::size_t b = 0; b < shares_.size(); ++b) {
    const auto* from = &patterns_[b * players_];
    bool reached = true;
    for (int i = 0; i < players_; ++i) {
      pattern[i] = from[i];
      reached = reached && (from[i] != 0 || c[i] != 0);
    }
    if (reached) owen_->Add(value_ * shares_[b], in, pattern, out);
  }
}

// The weights of coalitions are integrals of t^s (1 - t)^(others - s), so that
//   phi_j = value (c_j - r_j) integral of the product over i != j of ((1 - t) r_i + t c_i),
// and the same without i and j for a pair; a polynomial in t, integrated exactly.
void WideLeaf::AddPath(Order order, const std::uint8_t* c, double* out) const {
  std::vector<double> factor(players_), before(players_ + 1), after(players_ + 1);
  for (std::size_t k = 0; k < nodes_.size(); ++k) {
    const double t = nodes_[k];
    before[0] = 1;
    for (int i = 0; i < players_; ++i) {
      factor[i] = (1 - t) * ratio_[i] + (c[i] != 0 ? t : 0.0);
      before[i + 1] = before[i] * factor[i];
    }
    after[players_] = 1;
    for (int i = players_ - 1; i >= 0; --i) after[i] = after[i + 1] * factor[i];
    const auto gain = [&](int i) { return c[i] - ratio_[i]; };
    const double w = value_ * weights_[k];
    if (order == Order::kValues) {
      for (int j = 0; j < players_; ++j) out[j] += w * gain(j) * before[j] * after[j + 1];
      continue;
    }
    for (int i = 0; i < players_; ++i) {
      double product = w * gain(i) * before[i];  // times the factors between i and j
      for (int j = i + 1; j < players_; ++j) {
        out[PairIndex(i, j, players_)] += product * gain(j) * after[j + 1];
        product *= factor[j];
      }
    }
  }
}

// A background row reaches the leaf together with the m players that only x passes (they must be
// in) and without the n that only it passes (they must be out), if each player is passed by one.
void WideLeaf::AddInterventional(Order order, const std::uint8_t* c, double* out) const {
  const int size = players_ + 1;
  for (std::size_t b = 0; b < shares_.size(); ++b) {
    const std::uint8_t* pattern = &patterns_[b * players_];
    int m = 0, n = 0;
    bool reached = true;
    for (int i = 0; i < players_ && reached; ++i) {
      reached = c[i] != 0 || pattern[i] != 0;
      m += c[i] != 0 && pattern[i] == 0 ? 1 : 0;
      n += c[i] == 0 ? 1 : 0;
    }
    if (!reached) continue;
    const double w = value_ * shares_[b];
    const auto only_x = [&](int i) { return pattern[i] == 0; };
    const auto both = [&](int i) { return pattern[i] != 0 && c[i] != 0; };
    if (order == Order::kValues) {
      const double in = m > 0 ? w * beta_[(m - 1) * size + n] : 0.0;
      const double not_in = n > 0 ? w * beta_[m * size + n - 1] : 0.0;
      for (int i = 0; i < players_; ++i) {
        if (!both(i)) out[i] += only_x(i) ? in : -not_in;
      }
      continue;
    }
    const double in_in = m > 1 ? w * beta_[(m - 2) * size + n] : 0.0;
    const double in_out = m > 0 && n > 0 ? w * beta_[(m - 1) * size + n - 1] : 0.0;
    const double out_out = n > 1 ? w * beta_[m * size + n - 2] : 0.0;
    for (int i = 0; i < players_; ++i) {
      if (both(i)) continue;
      for (int j = i + 1; j < players_; ++j) {
        if (both(j)) continue;
        double& to = out[PairIndex(i, j, players_)];
        if (only_x(i) != only_x(j)) {
          to -= in_out;
        } else {
          to += only_x(i) ? in_in : out_out;
        }
      }
    }
  }
}

}  // namespace windlass::explain
