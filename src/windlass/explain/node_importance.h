// How much the nodes of a hierarchy move a model, for the summary.
#pragma once

#include <cstdint>
#include <vector>

#include "windlass/explain/explainer.h"
#include "windlass/explain/hierarchy.h"

namespace windlass::explain {

class NodeImportance {
 public:
  NodeImportance(const NamedHierarchy& hierarchy, std::int64_t outputs);

  // The next rows, in their order; failed ones are left out.
  void Append(const Attributions& attributions);

  // The mean over rows of the absolute value of the sum of a node's groups' attributions: of what
  // the node as one player has, where attributions are Owen values. Shape [outputs, nodes].
  std::vector<double> MeanAbs() const;

 private:
  std::vector<std::vector<std::int32_t>> players_;  // [nodes], of each
  std::vector<double> absolute_;                    // [outputs, nodes]: sums over rows
  std::int64_t rows_ = 0;
};

}  // namespace windlass::explain
