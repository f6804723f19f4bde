// How good the Gaussian process tuners are: too much work for a sanitizer.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "windlass/tune/tune_testing_internal.h"

namespace windlass::tune {
namespace {

constexpr const char* kTuners[] = {"gp", "gp-ei", "gp-lcb", "gp-pi", "gp-hedge", "gcp", "gcp-ei"};

double BestOf(const std::string& tuner, const Challenge& challenge, std::uint64_t seed,
              int trials) {
  const auto made = MakeTuner(tuner, challenge.space(), seed);
  double best = -std::numeric_limits<double>::infinity();
  for (int i = 0; i < trials; ++i) {
    const Suggestion one = made->Suggest(1)[0];
    challenge.space().Check(one.point);
    const double score = challenge.Score(one.point, [] {});
    made->Observe({i, one.point, score});
    best = std::max(best, score);
  }
  return best;
}

double Median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

TEST(GaussianProcessTuners, BeatUniformOnEverySmoothChallenge) {
  RegisterForTests();
  for (const char* name :
       {"rosenbrock-shifted", "branin", "bohachevsky-shifted", "hartmann6", "levy", "mixed"}) {
    const auto challenge = MakeChallenge(name);
    std::vector<double> uniform;
    for (std::uint64_t seed = 0; seed < 9; ++seed) {
      uniform.push_back(*challenge->best() - BestOf("uniform", *challenge, seed, 60));
    }
    for (const char* tuner : kTuners) {
      std::vector<double> regrets;
      for (std::uint64_t seed = 0; seed < 9; ++seed) {
        regrets.push_back(*challenge->best() - BestOf(tuner, *challenge, seed, 60));
      }
      EXPECT_LT(Median(regrets), 0.6 * Median(uniform)) << tuner << " on " << name;
    }
  }
}

TEST(GaussianProcessTuners, FindTheOptimum) {
  RegisterForTests();
  const std::map<std::string, double> most_regret = {
      {"rosenbrock", 1}, {"branin", 1e-4}, {"bohachevsky", 0.7}, {"mixed", 1e-6}};
  for (const auto& [name, most] : most_regret) {
    const auto challenge = MakeChallenge(name);
    std::vector<double> regrets;
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
      regrets.push_back(*challenge->best() - BestOf("gp-ei", *challenge, seed, 100));
    }
    EXPECT_LE(Median(regrets), most) << name;
  }
}

}  // namespace
}  // namespace windlass::tune
