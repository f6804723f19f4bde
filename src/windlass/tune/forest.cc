#include "windlass/tune/forest.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <utility>

namespace windlass::tune {
namespace {

constexpr int kMostCategories = 64;

// Of squared sums: what part of a gain is rounding.
constexpr double kRounding = 1e-12;

bool IsSet(std::uint64_t bits, double category) {
  return (bits >> static_cast<unsigned>(category) & 1) != 0;
}

}  // namespace

RegressionForest::RegressionForest(std::vector<int> categories, const ForestOptions& options)
    : categories_([&] {
        for (int& count : categories) count = count > kMostCategories ? 0 : count;
        return std::move(categories);
      }()),
      options_(options) {}

void RegressionForest::Fit(std::span<const double* const> rows, std::span<const double> targets,
                           Random& random) {
  const std::size_t n = rows.size();
  targets_ = targets;
  columns_.assign(categories_.size(), std::vector<double>(n));
  std::vector<std::vector<std::uint32_t>> sorted(categories_.size());
  for (std::size_t f = 0; f < categories_.size(); ++f) {
    for (std::size_t i = 0; i < n; ++i) columns_[f][i] = rows[i][f];
    sorted[f].resize(n);
    std::iota(sorted[f].begin(), sorted[f].end(), 0U);
    std::ranges::stable_sort(sorted[f], {}, [&](std::uint32_t i) { return columns_[f][i]; });
  }
  nodes_.clear();
  roots_.clear();
  Sample sample;
  sample.is_left.resize(n);
  for (int tree = 0; tree < options_.trees; ++tree) {
    sample.counts.assign(n, 0);
    for (std::size_t i = 0; i < n; ++i) sample.counts[random.Below(n)] += 1;
    sample.order = sorted;
    for (std::vector<std::uint32_t>& order : sample.order) {
      std::erase_if(order, [&](std::uint32_t i) { return sample.counts[i] == 0; });
    }
    const std::size_t drawn = n - static_cast<std::size_t>(std::ranges::count(sample.counts, 0.0));
    if (categories_.empty()) {  // nothing to split by
      sample.order.emplace_back();
      for (std::uint32_t i = 0; i < n; ++i) {
        if (sample.counts[i] > 0) sample.order[0].push_back(i);
      }
    }
    roots_.push_back(static_cast<std::uint32_t>(nodes_.size()));
    nodes_.emplace_back();
    Grow(roots_.back(), 0, drawn, sample, random);
  }
  targets_ = {};
}

void RegressionForest::Grow(std::uint32_t node, std::size_t begin, std::size_t end, Sample& sample,
                            Random& random) {
  const std::span<const std::uint32_t> rows(&sample.order[0][begin], end - begin);
  double count = 0, sum = 0;
  for (const std::uint32_t i : rows) {
    count += sample.counts[i];
    sum += sample.counts[i] * targets_[i];
  }
  const double mean = sum / count;
  double squares = 0;
  for (const std::uint32_t i : rows) {
    squares += sample.counts[i] * (targets_[i] - mean) * (targets_[i] - mean);
  }
  nodes_[node].mean = mean;
  nodes_[node].variance = squares / count;
  if (count < options_.least_split || rows.size() < 2 || !(squares > 0)) return;

  // Features in random order, until enough of them were tried and one of them splits.
  std::vector<int> features(categories_.size());
  std::iota(features.begin(), features.end(), 0);
  const auto wanted =
      static_cast<std::size_t>(std::ceil(options_.features * static_cast<double>(features.size())));
  Split best;
  for (std::size_t k = 0; k < features.size(); ++k) {
    if (k >= wanted && best.feature >= 0) break;
    std::swap(features[k], features[k + random.Below(features.size() - k)]);
    const int feature = features[k];
    const std::span<const std::uint32_t> order(
        &sample.order[static_cast<std::size_t>(feature)][begin], end - begin);
    if (categories_[static_cast<std::size_t>(feature)] > 0) {
      TryCategories(feature, order, sample, best);
    } else {
      TryNumber(feature, order, sample, random, best);
    }
  }
  if (best.feature < 0) return;

  std::size_t middle = begin;
  for (const std::uint32_t i : rows) {
    sample.is_left[i] = GoesLeft(best, i) ? 1 : 0;
    middle += sample.is_left[i];
  }
  for (std::vector<std::uint32_t>& order : sample.order) {
    sample.right.clear();
    std::size_t to = begin;
    for (std::size_t k = begin; k < end; ++k) {
      if (sample.is_left[order[k]] != 0) {
        order[to++] = order[k];
      } else {
        sample.right.push_back(order[k]);
      }
    }
    std::ranges::copy(sample.right, order.begin() + static_cast<std::ptrdiff_t>(to));
  }
  const auto left = static_cast<std::uint32_t>(nodes_.size());
  nodes_.resize(nodes_.size() + 2);
  nodes_[node].feature = best.feature;
  nodes_[node].threshold = best.threshold;
  nodes_[node].left_categories = best.left_categories;
  nodes_[node].left = left;
  Grow(left, begin, middle, sample, random);
  Grow(left + 1, middle, end, sample, random);
}

void RegressionForest::TryNumber(int feature, std::span<const std::uint32_t> rows,
                                 const Sample& sample, Random& random, Split& best) const {
  const std::vector<double>& values = columns_[static_cast<std::size_t>(feature)];
  double count = 0, sum = 0, all = 0, total = 0;
  for (const std::uint32_t i : rows) {
    all += sample.counts[i];
    total += sample.counts[i] * targets_[i];
  }
  const double without = total * total / all;
  double gain = std::max(best.gain, kRounding * std::abs(without));
  std::size_t at = rows.size();
  for (std::size_t k = 0; k + 1 < rows.size(); ++k) {
    const std::uint32_t i = rows[k];
    count += sample.counts[i];
    sum += sample.counts[i] * targets_[i];
    if (values[i] == values[rows[k + 1]]) continue;
    const double one = sum * sum / count + (total - sum) * (total - sum) / (all - count) - without;
    if (one > gain) {
      gain = one;
      at = k;
    }
  }
  if (at == rows.size()) return;
  const double low = values[rows[at]], high = values[rows[at + 1]];
  // In [low, high): both sides keep their rows, whatever rounds.
  const double threshold = low + random.Uniform() * (high - low);
  best = {gain, feature, threshold < high ? threshold : low, 0};
}

void RegressionForest::TryCategories(int feature, std::span<const std::uint32_t> rows,
                                     const Sample& sample, Split& best) const {
  const std::vector<double>& values = columns_[static_cast<std::size_t>(feature)];
  std::array<double, kMostCategories> counts{}, sums{};
  double all = 0, total = 0;
  for (const std::uint32_t i : rows) {
    const auto category = static_cast<std::size_t>(values[i]);
    counts[category] += sample.counts[i];
    sums[category] += sample.counts[i] * targets_[i];
    all += sample.counts[i];
    total += sample.counts[i] * targets_[i];
  }
  std::vector<std::size_t> present;
  for (std::size_t c = 0; c < counts.size(); ++c) {
    if (counts[c] > 0) present.push_back(c);
  }
  std::ranges::stable_sort(present, {}, [&](std::size_t c) { return sums[c] / counts[c]; });
  const double without = total * total / all;
  double count = 0, sum = 0, gain = std::max(best.gain, kRounding * std::abs(without));
  std::uint64_t left = 0;
  for (std::size_t k = 0; k + 1 < present.size(); ++k) {
    count += counts[present[k]];
    sum += sums[present[k]];
    left |= std::uint64_t{1} << present[k];
    const double one = sum * sum / count + (total - sum) * (total - sum) / (all - count) - without;
    if (one <= gain) continue;
    gain = one;
    best = {one, feature, 0, left};
  }
}

bool RegressionForest::GoesLeft(const Split& split, std::uint32_t row) const {
  const auto feature = static_cast<std::size_t>(split.feature);
  const double value = columns_[feature][row];
  return categories_[feature] > 0 ? IsSet(split.left_categories, value) : value <= split.threshold;
}

RegressionForest::Prediction RegressionForest::Predict(const double* row) const {
  double mean = 0, second = 0;
  for (const std::uint32_t root : roots_) {
    const Node* node = &nodes_[root];
    while (node->feature >= 0) {
      const auto feature = static_cast<std::size_t>(node->feature);
      const bool left = categories_[feature] > 0 ? IsSet(node->left_categories, row[feature])
                                                 : row[feature] <= node->threshold;
      node = &nodes_[node->left + (left ? 0 : 1)];
    }
    mean += node->mean;
    second += node->variance + node->mean * node->mean;
  }
  const auto trees = static_cast<double>(roots_.size());
  mean /= trees;
  return {mean, std::max(0.0, second / trees - mean * mean)};
}

}  // namespace windlass::tune
