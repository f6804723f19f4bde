// Acquisition functions: how much a point promises, from the posterior of its score.
#pragma once

#include <cstdint>

namespace windlass::tune {

enum class AcquisitionKind : std::uint8_t {
  kMean,                 // the posterior mean
  kExpectedImprovement,  // its logarithm (Jones et al. 1998; Ament et al. 2023)
  kConfidenceBound,      // mean + kappa deviation: the lower bound of what is minimised (Cox and
                         // John 1992, Srinivas et al. 2010)
  kProbability,          // of improvement, its logarithm (Kushner 1964)
};

// Scores are maximised.
struct Acquisition {
  AcquisitionKind kind = AcquisitionKind::kExpectedImprovement;
  double best = 0;   // what has to be improved on
  double xi = 0;     // by how much at least
  double kappa = 2;  // of the confidence bound

  // The larger the better, finite for finite arguments; a deviation below 1e-12 counts as that.
  // With slopes in both arguments.
  struct Value {
    double value = 0;
    double mean_slope = 0;
    double deviation_slope = 0;
  };
  Value At(double mean, double deviation) const;
};

}  // namespace windlass::tune
