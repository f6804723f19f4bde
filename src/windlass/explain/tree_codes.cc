#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "windlass/base/error.h"
#include "windlass/explain/tree_codes_internal.h"

namespace windlass::explain {
namespace {

constexpr std::int16_t kBelowAll = -1;
constexpr std::int16_t kAboveAll = std::numeric_limits<std::int16_t>::max();

bool IsPlain(const model::TreeNode& node) { return node.categories < 0 && !node.equal; }

}  // namespace

SplitCodes::Key SplitCodes::KeyOf(const model::TreeNode& node) {
  return {node.column, node.missing_left, node.zero_is_missing,          node.categories,
          node.equal,  node.single,       node.equal ? node.number : 0.0};
}

SplitCodes::SplitCodes(const model::TreeEnsemble& ensemble, std::span<const std::int32_t> trees)
    : ensemble_(&ensemble), thresholds_(ensemble.columns) {
  for (const std::int32_t tree : trees) {
    for (const model::TreeNode& node : ensemble.nodes_of(tree)) {
      if (node.leaf()) continue;
      if (IsPlain(node)) thresholds_[node.column].push_back(node.number);
      const auto [at, added] =
          view_of_.emplace(KeyOf(node), static_cast<std::int32_t>(views_.size()));
      if (!added) continue;
      View view{node.column, node.missing_left, node.zero_is_missing, -1};
      if (!IsPlain(node)) {
        view.predicate = static_cast<std::int32_t>(predicates_.size());
        predicates_.push_back(node);
      }
      views_.push_back(view);
    }
  }
  for (auto& one : thresholds_) {
    std::ranges::sort(one);
    one.erase(std::unique(one.begin(), one.end()), one.end());
    if (std::ssize(one) > kMaxThresholds) {
      throw Error(ErrorCode::kInternal, fmt::format("{} thresholds of a column", one.size()));
    }
  }
}

SplitCodes::Split SplitCodes::Of(const model::TreeNode& node) const {
  const std::int32_t view = view_of_.at(KeyOf(node));
  if (views_[view].predicate >= 0) return {view, 1};
  const auto& thresholds = thresholds_[node.column];
  const auto at = std::ranges::lower_bound(thresholds, node.number) - thresholds.begin();
  return {view, static_cast<std::int16_t>(at + 1)};
}

void SplitCodes::Encode(const double* x, std::int64_t rows, std::int64_t columns,
                        std::int64_t stride, std::int16_t* codes) const {
  for (std::int64_t v = 0; v < views(); ++v) {
    const View& view = views_[v];
    std::int16_t* to = codes + v * stride;
    const double* from = x + view.column;
    if (view.predicate >= 0) {
      for (std::int64_t r = 0; r < rows; ++r) {
        to[r] = ensemble_->GoesLeft(predicates_[view.predicate], from[r * columns]) ? 0 : 1;
      }
      continue;
    }
    const std::int16_t missing = view.missing_left ? kBelowAll : kAboveAll;
    const double* thresholds = thresholds_[view.column].data();
    const std::int64_t count = std::ssize(thresholds_[view.column]);
    for (std::int64_t r = 0; r < rows; ++r) {
      const double value = from[r * columns];
      // How many thresholds are at most the value, by halving without branches.
      const double* base = thresholds;
      std::int64_t left = count;
      while (left > 1) {
        const std::int64_t half = left / 2;
        base += base[half - 1] <= value ? half : 0;
        left -= half;
      }
      const auto rank = static_cast<std::int16_t>(base - thresholds + (*base <= value ? 1 : 0));
      const bool is_missing =
          value != value || (view.zero_is_missing && value <= 1e-35 && value >= -1e-35);
      to[r] = is_missing ? missing : rank;
    }
  }
}

}  // namespace windlass::explain
