#include "windlass/tune/acquisition.h"

#include <algorithm>

#include "windlass/base/vector_math.h"
#include "windlass/tune/normal.h"

namespace windlass::tune {

Acquisition::Value Acquisition::At(double mean, double deviation) const {
  if (kind == AcquisitionKind::kMean) return {mean, 1, 0};
  if (kind == AcquisitionKind::kConfidenceBound) return {mean + kappa * deviation, 1, kappa};
  deviation = std::max(deviation, 1e-12);
  const double z = (mean - best - xi) / deviation;
  if (kind == AcquisitionKind::kProbability) {
    const double slope = LogNormalCdfSlope(z);
    return {LogNormalCdf(z), slope / deviation, -slope * z / deviation};
  }
  const Improvement improvement = ExpectedImprovement(z);
  return {Log(deviation) + improvement.log, improvement.slope / deviation,
          (1 - improvement.slope * z) / deviation};
}

}  // namespace windlass::tune
