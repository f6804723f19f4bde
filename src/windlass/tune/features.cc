#include "windlass/tune/features.h"

#include <algorithm>

namespace windlass::tune {
namespace {

constexpr double kRootHalf = 0x1.6a09e667f3bcdp-1;

}  // namespace

Features::Features(const Space& space) : space_(&space) {
  for (const int index : space.varied()) {
    const Parameter& parameter = space[index];
    const bool one = parameter.ordered() || parameter.size() == 2;
    first_.push_back(groups_.features());
    smooth_.push_back(parameter.ordered() ? groups_.features() : -1);
    groups_.group.insert(groups_.group.end(), one ? 1 : static_cast<std::size_t>(parameter.size()),
                         groups_.groups);
    ++groups_.groups;
  }
}

void Features::Encode(std::span<const double> coordinates, std::span<double> features) const {
  const std::span<const int> varied = space_->varied();
  for (std::size_t c = 0; c < first_.size(); ++c) {
    const auto first = static_cast<std::size_t>(first_[c]);
    const Parameter& parameter = (*space_)[varied[c]];
    const double value = coordinates[c];
    if (smooth_[c] >= 0) {
      features[first] = value;
    } else if (parameter.size() == 2) {
      features[first] = value == 0.5 ? 0.5 : value < 0.5 ? 0.0 : 1.0;
    } else {
      const auto choices = static_cast<std::size_t>(parameter.size());
      std::fill_n(features.begin() + static_cast<std::ptrdiff_t>(first), choices, 0.0);
      // The middle of an odd number of choices is also what does not count: its parent tells.
      features[first + static_cast<std::size_t>(parameter.FromUnit(value))] = kRootHalf;
    }
  }
}

std::vector<double> Canonical(const Space& space, std::span<const double> coordinates) {
  return space.ToUnit(space.FromUnit(coordinates));
}

}  // namespace windlass::tune
