// Where an acquisition function is largest in a space.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "windlass/base/random.h"
#include "windlass/tune/acquisition.h"
#include "windlass/tune/features.h"
#include "windlass/tune/gaussian_process.h"
#include "windlass/tune/space.h"

namespace windlass::tune {

struct SearchTask {
  const Space* space;
  const Features* features;
  const GaussianProcess* process;   // of all points: what the result is best under
  const GaussianProcess* variance;  // where it is cheaper, one of some points that the variance is
                                    // taken from on the way; else `process`
  Acquisition acquisition;
  std::span<const std::vector<double>> starts;  // coordinates around which to look, the best first
  std::function<bool(const std::vector<double>&)> taken;  // coordinates not to return
};

// Candidates (quasi-random ones, and the starts moved a little, at several scales), from the best
// of which gradients lead up the ordered coordinates, then neighbours along the discrete ones, each
// evaluated at the values that it rounds to. Returns canonical coordinates (features.h), not taken
// ones; empty where it met no other.
std::vector<double> SearchAcquisition(const SearchTask& task, Random random);

// Additive recurrence (Roberts 2018, after Kronecker): point `index` of a sequence that fills the
// unit cube evenly, moved by `shift` [dimensions] around.
std::vector<double> QuasiRandomPoint(std::uint64_t index, std::span<const double> shift);

}  // namespace windlass::tune
