// That tuners find more than points at random do.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "windlass/tune/challenge.h"
#include "windlass/tune/tune_testing_internal.h"
#include "windlass/tune/tuner.h"

namespace windlass::tune {
namespace {

constexpr std::uint64_t kSeeds = 7;

class TunerQuality : public ::testing::TestWithParam<const char*> {
 protected:
  static void SetUpTestSuite() { RegisterForTests(); }
};

double MedianBest(const char* tuner, const Challenge& challenge, int batch) {
  std::vector<double> bests;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const auto made = MakeTuner(tuner, challenge.space(), seed);
    double best = -1e300;
    std::int64_t next = 0;
    while (next < 100) {
      for (const Suggestion& one : made->Suggest(batch)) {
        const double score = challenge.Score(one.point, [] {});
        best = std::max(best, score);
        made->Observe({next++, one.point, score});
      }
    }
    bests.push_back(best);
  }
  std::ranges::nth_element(bests, bests.begin() + kSeeds / 2);
  return bests[kSeeds / 2];
}

// Loss of the best of 100 trials, in the median, against uniform's: at most 60 % on functions that
// have a slope to follow, one by one and in batches of 5.
TEST_P(TunerQuality, BeatsUniformOnSmoothChallenges) {
  for (const char* name : {"rosenbrock", "rosenbrock-shifted", "branin", "branin-shifted",
                           "bohachevsky", "bohachevsky-shifted", "hartmann6"}) {
    const auto challenge = MakeChallenge(name);
    const double uniform = *challenge->best() - MedianBest("uniform", *challenge, 1);
    for (const int batch : {1, 5}) {
      const double loss = *challenge->best() - MedianBest(GetParam(), *challenge, batch);
      EXPECT_LT(loss, 0.6 * uniform) << name << " in batches of " << batch;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, TunerQuality,
                         ::testing::Values("cma-es", "forest-ei", "forest-lcb", "forest-pi",
                                           "tpe"));

}  // namespace
}  // namespace windlass::tune
