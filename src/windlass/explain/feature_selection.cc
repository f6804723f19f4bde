#include "windlass/explain/feature_selection.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "windlass/base/vector_math.h"
#include "windlass/explain/regression.h"

namespace windlass::explain {
namespace {

// The Cholesky factor of the active features' Gram matrix, grown by a row a feature.
class ActiveFactor {
 public:
  ActiveFactor(std::span<const double> gram, std::size_t features)
      : gram_(gram), features_(features) {}

  // Returns false, changing nothing, when the feature depends on the others to rounding.
  bool Add(std::span<const std::int32_t> active, std::int32_t feature) {
    std::vector<double> row(active.size() + 1);
    const double before = gram_[feature * features_ + feature];
    double diagonal = before;
    for (std::size_t i = 0; i < active.size(); ++i) {
      double value = gram_[feature * features_ + active[i]];
      for (std::size_t k = 0; k < i; ++k) value = std::fma(-row[k], rows_[i][k], value);
      row[i] = value / rows_[i][i];
      diagonal = std::fma(-row[i], row[i], diagonal);
    }
    if (!(diagonal > 1e-13 * before)) return false;
    row.back() = std::sqrt(diagonal);
    rows_.push_back(std::move(row));
    return true;
  }

  void Rebuild(std::span<const std::int32_t> active) {
    rows_.clear();
    for (std::size_t i = 0; i < active.size(); ++i) Add(active.first(i), active[i]);
  }

  void Solve(std::span<double> b) const {
    for (std::size_t i = 0; i < b.size(); ++i) {
      for (std::size_t k = 0; k < i; ++k) b[i] = std::fma(-rows_[i][k], b[k], b[i]);
      b[i] /= rows_[i][i];
    }
    for (std::size_t i = b.size(); i-- > 0;) {
      b[i] /= rows_[i][i];
      for (std::size_t k = 0; k < i; ++k) b[k] = std::fma(-rows_[i][k], b[i], b[k]);
    }
  }

 private:
  std::span<const double> gram_;
  std::size_t features_;
  std::vector<std::vector<double>> rows_;
};

}  // namespace

void WalkLars(std::span<const double> gram, std::span<const double> correlation, bool lasso,
              const std::function<bool(const LarsCorner&)>& visit) {
  const auto features = static_cast<std::int32_t>(correlation.size());
  std::vector<double> coef(features, 0.0);
  std::vector<double> c(correlation.begin(), correlation.end());
  std::vector<std::int32_t> active;
  enum State : std::uint8_t { kOut, kIn, kDependent };
  std::vector<State> state(features, kOut);
  ActiveFactor factor(gram, features);
  double start = 0;
  for (const double value : c) start = std::max(start, std::abs(value));
  const double nothing = 1e-12 * start;

  if (!visit({coef, c, active})) return;
  std::int32_t dropped = -1;
  std::vector<double> direction, slope(features);
  // A lasso path may drop features; a bound keeps rounding from making it run in circles.
  for (int step = 0; step < 8 * features + 8; ++step) {
    double largest = 0;
    std::int32_t best = -1;
    for (std::int32_t j = 0; j < features; ++j) {
      if (state[j] == kIn) {
        largest = std::max(largest, std::abs(c[j]));
      } else if (state[j] == kOut && j != dropped &&
                 (best < 0 || std::abs(c[j]) > std::abs(c[best]))) {
        best = j;
      }
    }
    if (dropped < 0) {
      if (best < 0 || std::abs(c[best]) <= nothing) return;
      if (!factor.Add(active, best)) {
        state[best] = kDependent;
        continue;
      }
      state[best] = kIn;
      active.push_back(best);
      largest = std::max(largest, std::abs(c[best]));
    }
    // Move so that all active correlations shrink at one rate; slope is how fast each one does.
    direction.assign(active.size(), 0.0);
    for (std::size_t i = 0; i < active.size(); ++i) direction[i] = c[active[i]] > 0 ? 1 : -1;
    factor.Solve(direction);
    for (std::int32_t j = 0; j < features; ++j) {
      slope[j] = 0;
      for (std::size_t i = 0; i < active.size(); ++i) {
        slope[j] = std::fma(gram[static_cast<std::size_t>(j) * features + active[i]], direction[i],
                            slope[j]);
      }
    }
    double length = largest;  // all the way to least squares
    for (std::int32_t j = 0; j < features; ++j) {
      if (state[j] != kOut) continue;
      // The one that just left starts at the active ones' correlation and falls behind it; it can
      // only come back with the other sign.
      const bool positive = !(j == dropped && c[j] > 0);
      const bool negative = !(j == dropped && c[j] < 0);
      if (positive && 1 - slope[j] > 1e-14) {
        length = std::min(length, std::max(0.0, (largest - c[j]) / (1 - slope[j])));
      }
      if (negative && 1 + slope[j] > 1e-14) {
        length = std::min(length, std::max(0.0, (largest + c[j]) / (1 + slope[j])));
      }
    }
    dropped = -1;
    std::size_t leaving = 0;
    if (lasso) {
      for (std::size_t i = 0; i < active.size(); ++i) {
        const double zero = -coef[active[i]] / direction[i];
        if (zero > 0 && zero < length) {
          length = zero;
          dropped = active[i];
          leaving = i;
        }
      }
    }
    for (std::size_t i = 0; i < active.size(); ++i) {
      coef[active[i]] = std::fma(length, direction[i], coef[active[i]]);
    }
    for (std::int32_t j = 0; j < features; ++j) c[j] = std::fma(-length, slope[j], c[j]);
    if (dropped >= 0) {
      coef[dropped] = 0;
      state[dropped] = kOut;
      active.erase(active.begin() + static_cast<std::ptrdiff_t>(leaving));
      factor.Rebuild(active);
    }
    if (!visit({coef, c, active})) return;
    if (largest - length <= nothing) return;
  }
}

FeatureSelection::FeatureSelection(const Design& design, L1Reg reg, int features)
    : design_(design), reg_(reg), features_(features) {
  if (reg == L1Reg::kNone) return;
  const std::size_t players = design.players;
  // Both rows of both coalitions of a pair: with weights w (M - s) twice the row z, with w s twice
  // the row 1 - z, up to sign. Signs alternate, so that columns have mean zero.
  gram_.assign(players * players, 0.0);
  std::vector<std::int32_t> members, others;
  for (std::int64_t pair = 0; pair < design.pairs(); ++pair) {
    members.clear();
    others.clear();
    for (std::size_t i = 0; i < players; ++i) {
      (design.contains(pair, static_cast<int>(i)) ? members : others)
          .push_back(static_cast<std::int32_t>(i));
    }
    const auto size = static_cast<double>(members.size());
    sizes_.push_back(size);
    const double inside = 2 * design.weights[pair] * (static_cast<double>(players) - size);
    const double outside = 2 * design.weights[pair] * size;
    for (const auto i : members) {
      for (const auto j : members) gram_[i * players + j] += inside;
    }
    for (const auto i : others) {
      for (const auto j : others) gram_[i * players + j] += outside;
    }
  }
  scale_.assign(players, 1.0);
  if (reg == L1Reg::kNumFeatures) return;
  for (std::size_t i = 0; i < players; ++i) {
    scale_[i] = std::sqrt(gram_[i * players + i] / (4.0 * static_cast<double>(design.pairs())));
  }
  for (std::size_t i = 0; i < players; ++i) {
    for (std::size_t j = 0; j < players; ++j) gram_[i * players + j] /= scale_[i] * scale_[j];
  }
}

std::vector<std::int32_t> FeatureSelection::Select(std::span<const double> inside,
                                                   std::span<const double> outside,
                                                   double total) const {
  const auto players = static_cast<double>(design_.players);
  // X^T y, y^T y and the sum of y over the four rows of every pair.
  std::vector<double> xty(design_.players, 0.0);
  double common = 0;
  double square = 0;
  double sum = 0;
  for (std::int64_t pair = 0; pair < design_.pairs(); ++pair) {
    const double w = design_.weights[pair];
    const double s = sizes_[pair];
    const double one = inside[pair];
    const double two = outside[pair];
    const double term = w * std::fma(players, one - two, (players - 2 * s) * total);
    common += w * s * (two - one + total);
    for (int word = 0; word < design_.words; ++word) {
      for (std::uint64_t left = design_.masks[pair * design_.words + word]; left != 0;
           left &= left - 1) {
        xty[64 * word + std::countr_zero(left)] += term;
      }
    }
    square += w * ((players - s) * (one * one + (two - total) * (two - total)) +
                   s * ((one - total) * (one - total) + two * two));
    sum += (std::sqrt(w * (players - s)) + std::sqrt(w * s)) * (one + two - total);
  }
  for (int i = 0; i < design_.players; ++i) xty[i] = (xty[i] + common) / scale_[i];

  std::vector<std::int32_t> selected;
  if (reg_ == L1Reg::kNumFeatures) {
    WalkLars(gram_, xty, false, [&](const LarsCorner& corner) {
      selected.assign(corner.active.begin(), corner.active.end());
      return std::ssize(selected) < features_;
    });
  } else {
    const double n = 4.0 * static_cast<double>(design_.pairs());
    square = std::max(square - sum * sum / n, 0.0);  // y has an intercept of its own
    struct Candidate {
      std::vector<std::int32_t> features;
      double residual;
    };
    std::vector<Candidate> candidates;
    WalkLars(gram_, xty, true, [&](const LarsCorner& corner) {
      // |y - X coef|^2 = y^T y - coef . (X^T y + correlation)
      double residual = square;
      Candidate candidate;
      for (int i = 0; i < design_.players; ++i) {
        residual = std::fma(-corner.coef[i], xty[i] + corner.correlation[i], residual);
        if (std::abs(corner.coef[i]) > std::numeric_limits<double>::epsilon()) {
          candidate.features.push_back(i);
        }
      }
      candidate.residual = std::max(residual, 0.0);
      candidates.push_back(std::move(candidate));
      return true;
    });
    // The path ends at least squares over all.
    const double variance = candidates.back().residual / (n - players - 1);
    const double penalty = reg_ == L1Reg::kAic ? 2.0 : Log(n);
    // Where nothing is left over there is no noise to weigh features against.
    if (!(variance > 1e-20 * square / n)) return candidates.back().features;
    double least = std::numeric_limits<double>::infinity();
    for (Candidate& candidate : candidates) {
      const double criterion =
          candidate.residual / variance + penalty * static_cast<double>(candidate.features.size());
      if (criterion < least) {
        least = criterion;
        selected = candidate.features;
      }
    }
  }
  std::ranges::sort(selected);
  return selected;
}

}  // namespace windlass::explain
