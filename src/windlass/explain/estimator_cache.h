// The estimators of one plan, by what varies in a row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <span>

#include "windlass/explain/estimator.h"
#include "windlass/explain/hierarchy.h"
#include "windlass/explain/plan.h"

namespace windlass::explain {

// Made when a row first needs them, by whichever thread comes first while others wait, and
// forgotten when they take too much room, which changes no result. Rows need one for each number of
// varying players, and under a hierarchy one for each hierarchy of those players.
class EstimatorCache {
 public:
  // kept_bytes: for rows to come; one estimator may have more.
  explicit EstimatorCache(const Plan& plan, std::size_t kept_bytes = std::size_t{512} << 20);

  // varying: [at least 2], ascending. Thread safe. Throws as MakeEstimator does.
  std::shared_ptr<const Estimator> Of(std::span<const std::int32_t> varying) const;

 private:
  using Made = std::shared_future<std::shared_ptr<const Estimator>>;

  std::shared_ptr<const Estimator> Make(const Hierarchy& key) const;

  Plan plan_;  // what estimators ask of it
  std::size_t kept_bytes_;
  mutable std::mutex mutex_;
  mutable std::map<Hierarchy, Made> estimators_;  // without a plan's hierarchy: all at the top
  mutable std::size_t bytes_ = 0;
};

}  // namespace windlass::explain
