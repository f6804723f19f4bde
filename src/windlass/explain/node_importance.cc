#include "windlass/explain/node_importance.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace windlass::explain {

NodeImportance::NodeImportance(const NamedHierarchy& hierarchy, std::int64_t outputs)
    : players_(PlayersOfNodes(hierarchy.hierarchy)),
      absolute_(static_cast<std::size_t>(outputs) * players_.size(), 0.0) {}

void NodeImportance::Append(const Attributions& attributions) {
  if (absolute_.empty()) return;
  std::set<std::int64_t> failed;
  for (const Failure& failure : attributions.failures) failed.insert(failure.row);
  const std::int64_t outputs = std::ssize(absolute_) / std::ssize(players_);
  const std::int64_t rows = std::ssize(attributions.prediction) / outputs;
  const std::int64_t players =
      std::ssize(attributions.phi) / std::max<std::int64_t>(1, rows * outputs);
  for (std::int64_t r = 0; r < rows; ++r) {
    if (failed.contains(r)) continue;
    ++rows_;
    for (std::int64_t k = 0; k < outputs; ++k) {
      const double* phi = &attributions.phi[(r * outputs + k) * players];
      for (std::size_t n = 0; n < players_.size(); ++n) {
        double sum = 0;
        for (const std::int32_t p : players_[n]) sum += phi[p];
        absolute_[k * players_.size() + n] += std::abs(sum);
      }
    }
  }
}

std::vector<double> NodeImportance::MeanAbs() const {
  std::vector<double> mean = absolute_;
  for (double& value : mean) value /= static_cast<double>(std::max<std::int64_t>(1, rows_));
  return mean;
}

}  // namespace windlass::explain
