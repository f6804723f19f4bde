#include "windlass/explain/student.h"

#include <limits>

namespace windlass::explain {

double Student95(double freedom) {
  if (!(freedom >= 1)) return std::numeric_limits<double>::infinity();
  const double x = 1 / freedom;
  // Between whole numbers t is convex in 1 / freedom, so that a straight line is no smaller.
  constexpr double kOne = 12.706204736, kTwo = 4.302652730, kThree = 3.182446305;
  if (freedom < 2) return kTwo + (x - 0.5) * 2 * (kOne - kTwo);
  if (freedom < 3) return kThree + (x - 1.0 / 3) * 6 * (kTwo - kThree);
  constexpr double z = 1.959963985;
  constexpr double z2 = z * z;
  constexpr double g1 = z * (z2 + 1) / 4;
  constexpr double g2 = z * ((5 * z2 + 16) * z2 + 3) / 96;
  constexpr double g3 = z * (((3 * z2 + 19) * z2 + 17) * z2 - 15) / 384;
  constexpr double g4 = z * ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) / 92160;
  return z + x * (g1 + x * (g2 + x * (g3 + x * g4)));
}

}  // namespace windlass::explain
