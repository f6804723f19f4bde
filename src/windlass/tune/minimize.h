// Minimising a smooth function within bounds.
#pragma once

#include <functional>
#include <span>
#include <vector>

namespace windlass::tune {

// The value at x, and into `gradient` (of x's length) the slopes.
using SmoothFunction = std::function<double(std::span<const double> x, std::span<double> gradient)>;

struct Box {
  std::vector<double> low;
  std::vector<double> high;
};

// L-BFGS (Nocedal 1980, memory of 8) on the variables that are not held by a bound, with steps
// projected into the box and halved until they are worth it (Armijo). Starts at `x`, which becomes
// the best point seen, and calls at most `evaluations` times; returns the value there. A value
// that is not finite counts as infinite.
double Minimize(const SmoothFunction& function, const Box& box, int evaluations,
                std::vector<double>& x);

}  // namespace windlass::tune
