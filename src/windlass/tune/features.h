// What a Gaussian process sees of a point.
#pragma once

#include <span>
#include <vector>

#include "windlass/tune/gaussian_process.h"
#include "windlass/tune/space.h"

namespace windlass::tune {

// From coordinates of the unit cube to features. A number or an ordinal is its coordinate, of
// integers that of the rounded value (Garrido-Merchan and Hernandez-Lobato 2020); a boolean 0 or 1;
// a category sqrt(1/2) at its choice, so that two choices are 1 apart (Hamming). One length-scale a
// parameter. What does not count is at the middle, so that it tells nothing: its parent does.
class Features {
 public:
  explicit Features(const Space& space);

  const FeatureGroups& groups() const { return groups_; }

  // Of coordinates as Space::ToUnit gives them, into [features].
  void Encode(std::span<const double> coordinates, std::span<double> features) const;

  // The feature that is the coordinate; -1 where it is a category or a boolean.
  int FeatureOf(int coordinate) const { return smooth_[static_cast<std::size_t>(coordinate)]; }

 private:
  const Space* space_;
  FeatureGroups groups_;
  std::vector<int> first_;   // of each coordinate, its first feature
  std::vector<int> smooth_;  // of each coordinate
};

// The coordinates of the point that these ones stand for: rounded, and 1/2 for what does not count.
std::vector<double> Canonical(const Space& space, std::span<const double> coordinates);

}  // namespace windlass::tune
