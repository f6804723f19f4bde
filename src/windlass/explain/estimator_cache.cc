#include "windlass/explain/estimator_cache.h"

#include <utility>

#include "windlass/explain/owen.h"

namespace windlass::explain {

EstimatorCache::EstimatorCache(const Plan& plan, std::size_t kept_bytes) : kept_bytes_(kept_bytes) {
  plan_.method = plan.method;
  plan_.nsamples = plan.nsamples;
  plan_.tolerance = plan.tolerance;
  plan_.seed = plan.seed;
  plan_.l1_reg = plan.l1_reg;
  plan_.l1_features = plan.l1_features;
  plan_.interactions = plan.interactions;
  plan_.hierarchy = plan.hierarchy;
}

std::shared_ptr<const Estimator> EstimatorCache::Make(const Hierarchy& key) const {
  if (plan_.hierarchy.empty()) return MakeEstimator(plan_, key.players());
  return MakeOwenEstimator(plan_, key);
}

std::shared_ptr<const Estimator> EstimatorCache::Of(std::span<const std::int32_t> varying) const {
  Hierarchy key;
  if (plan_.hierarchy.empty()) {
    key.homes.assign(varying.size(), Hierarchy::kTop);
  } else {
    key = Prune(plan_.hierarchy, varying);
  }
  std::promise<std::shared_ptr<const Estimator>> promise;
  Made made;
  {
    const std::lock_guard lock(mutex_);
    const auto [at, inserted] = estimators_.try_emplace(key);
    if (inserted) at->second = promise.get_future().share();
    if (!inserted) made = at->second;
  }
  if (made.valid()) return made.get();
  std::shared_ptr<const Estimator> estimator;
  try {
    estimator = Make(key);
  } catch (...) {
    promise.set_exception(std::current_exception());
    const std::lock_guard lock(mutex_);
    estimators_.erase(key);
    throw;
  }
  promise.set_value(estimator);
  const std::lock_guard lock(mutex_);
  if (bytes_ + estimator->bytes() > kept_bytes_) {
    // Of those that are being made, too: whoever waits for one has it.
    std::erase_if(estimators_, [&](const auto& entry) { return entry.first != key; });
    bytes_ = 0;
  }
  bytes_ += estimator->bytes();
  return estimator;
}

}  // namespace windlass::explain
