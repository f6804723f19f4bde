// Exact Gaussian process regression that grows by points.
#pragma once

#include <span>
#include <vector>

#include "windlass/tune/cholesky.h"

namespace windlass::tune {

// Which features share a length-scale: those of one category's choices do. group[feature] is in
// 0 .. groups - 1.
struct FeatureGroups {
  std::vector<int> group;
  int groups = 0;
  int features() const { return static_cast<int>(group.size()); }
};

struct KernelParameters {
  std::vector<double> lengths;  // of each group, in units of its features
  double noise = 1e-6;          // the variance of the noise over that of the signal
};

// The smallest pivot (squared, over the signal's variance) of a factor: what points as good as
// equal, without noise, leave.
inline constexpr double kLeastPivot = 1e-11;

// Matern 5/2 of a squared distance, and its slope in it (Rasmussen and Williams 2006, eq. 4.17).
double Matern(double squared_distance);
double MaternSlope(double squared_distance);

// y = mean + f + noise, cov f = signal Matern52(|x - x'| over length-scales), one length-scale a
// feature group (automatic relevance). The mean is the generalised least squares one, and the
// signal's variance the one that is most likely under a weak inverse gamma prior around 1, so
// targets should be near standardised. Points are rows of [count, features].
class GaussianProcess {
 public:
  GaussianProcess(FeatureGroups groups, KernelParameters parameters);

  int size() const { return factor_.size(); }
  const KernelParameters& parameters() const { return parameters_; }
  double mean() const { return mean_; }
  double signal() const { return signal_; }

  // O(count size^2). The posterior mean takes points that have no target yet to be what it
  // expects of them ("kriging believer", Ginsbourger et al. 2010), and so does not change.
  void Append(std::span<const double> points, int count);
  void Truncate(int size);

  // Of all points, [size()]. O(size^2).
  void SetTargets(std::span<const double> targets);

  // The posterior of f, as it is without noise.
  void Means(std::span<const double> points, int count, std::span<double> means) const;
  void Variances(std::span<const double> points, int count, std::span<double> variances) const;

  // Of one point, with slopes in its features (added to `slopes`, times `weight`).
  double Mean(std::span<const double> point) const;
  void AddMeanSlopes(std::span<const double> point, double weight, std::span<double> slopes) const;
  // Sets `slopes`.
  double Variance(std::span<const double> point, std::span<double> slopes) const;

  // At the point of that index, O(1): what the posterior mean makes of its own target.
  double MeanAt(int index) const;

  // Variances of one process under the signal's variance of another.
  void set_signal(double signal) { signal_ = signal; }

 private:
  // Scaled by the length-scales: [features, width] and back.
  std::vector<double> Scale(std::span<const double> points, int count) const;
  // panel[j][i] = Matern of point j and scaled point i, for j < size.
  void Covariances(std::span<const double> scaled, int width, int size, double* panel) const;
  // slopes += sum over j of weights[j] d k(point, j) / d point.
  void AddSlopes(std::span<const double> scaled, std::span<const double> weights,
                 std::span<double> slopes) const;

  FeatureGroups groups_;
  KernelParameters parameters_;
  std::vector<double> inverse_lengths_;  // of each feature
  std::vector<double> points_;           // [size, features], scaled
  std::vector<double> targets_;
  std::vector<double> weights_;  // K^-1 (targets - mean), [size]
  Cholesky factor_;              // of (covariance + noise) / signal
  double mean_ = 0;
  double signal_ = 1;
};

}  // namespace windlass::tune
