// The hyper-parameters of a Gaussian process, by how likely they make what was seen.
#pragma once

#include <span>
#include <vector>

#include "windlass/tune/gaussian_process.h"

namespace windlass::tune {

// ln(length) of each group, then ln(noise).
std::vector<double> ToLogs(const KernelParameters& parameters);
KernelParameters FromLogs(std::span<const double> logs);

// What the search starts from: the priors' middle.
KernelParameters TypicalParameters(int groups);

// The log marginal likelihood of targets [n] at points [n, features], the mean and the signal's
// variance being the most likely ones (so constants aside: -(n + 1)/2 ln signal - 1/2 ln det K),
// plus the log of priors on length-scales and noise; and its slopes in the logs. Rasmussen and
// Williams (2006), eq. 5.9. O(n^3).
struct Likelihood {
  double posterior = 0;   // with the priors: what is maximised
  double likelihood = 0;  // without them
  std::vector<double> slopes;
};
Likelihood LogLikelihood(const FeatureGroups& groups, std::span<const double> points,
                         std::span<const double> targets, std::span<const double> logs);

// Maximises it from `start` with at most that many evaluations.
struct KernelFit {
  KernelParameters parameters;
  double likelihood = 0;
  double posterior = 0;
};
KernelFit FitKernel(const FeatureGroups& groups, std::span<const double> points,
                    std::span<const double> targets, const KernelParameters& start,
                    int evaluations);

}  // namespace windlass::tune
