#include "windlass/tune/challenge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "windlass/base/error.h"
#include "windlass/tune/tune_testing_internal.h"
#include "windlass/tune/tuner.h"

namespace windlass::tune {
namespace {

double ScoreAt(const char* name, const Json& values) {
  const auto challenge = MakeChallenge(name);
  return challenge->Score(challenge->space().FromJson(values, "test"), [] {});
}

TEST(Challenges, HaveTheirBestScoreAtTheirOptimum) {
  RegisterForTests();
  EXPECT_EQ(ScoreAt("rosenbrock", {{"x", 1}, {"y", 1}}), 0);
  EXPECT_EQ(ScoreAt("rosenbrock", {{"x", -3}, {"y", 2}}), -(16 + 100 * 49));
  EXPECT_EQ(ScoreAt("rosenbrock-shifted", {{"x", 24}, {"y", -16}}), 0);
  EXPECT_NEAR(ScoreAt("branin", {{"x", 9.42478}, {"y", 2.475}}), -0.397887, 1e-6);
  EXPECT_NEAR(ScoreAt("bohachevsky", {{"x", 0}, {"y", 0}}), 0, 1e-15);
  EXPECT_NEAR(ScoreAt("bohachevsky", {{"x", 1}, {"y", 0}}), -1.6, 1e-12);
  EXPECT_NEAR(ScoreAt("bohachevsky-shifted", {{"x", 46}, {"y", -34}}), 0, 1e-15);
  EXPECT_NEAR(ScoreAt("hartmann6", {{"x1", 0.20169},
                                    {"x2", 0.150011},
                                    {"x3", 0.476874},
                                    {"x4", 0.275332},
                                    {"x5", 0.311652},
                                    {"x6", 0.6573}}),
              3.32237, 1e-5);
  EXPECT_NEAR(ScoreAt("ackley", {{"x1", 0}, {"x2", 0}, {"x3", 0}, {"x4", 0}, {"x5", 0}}), 0, 1e-14);
  EXPECT_NEAR(ScoreAt("levy", {{"x1", 1}, {"x2", 1}, {"x3", 1}, {"x4", 1}}), 0, 1e-30);
  EXPECT_EQ(ScoreAt("rastrigin", {{"x1", 0}, {"x2", 0}, {"x3", 0}}), 0);
  EXPECT_NEAR(
      ScoreAt("mixed",
              {{"model", "tree"}, {"rate", 0.05}, {"depth", 7}, {"bins", 128}, {"weighted", true}}),
      0, 1e-30);
}

TEST(Challenges, NoPointIsBetterThanTheBest) {
  RegisterForTests();
  for (const std::string& name : Registry::Global().Names(ChallengeKind::kRegistryKind)) {
    if (name.starts_with("test-") || Registry::Global().Find<ChallengeKind>(name).needs_table()) {
      continue;
    }
    const auto challenge = MakeChallenge(name);
    const auto tuner = MakeTuner("uniform", challenge->space(), 3);
    for (const Suggestion& one : tuner->Suggest(2000)) {
      challenge->space().Check(one.point);
      EXPECT_LE(challenge->Score(one.point, [] {}), *challenge->best() + 1e-9) << name;
    }
  }
}

TEST(Challenges, UnknownNamesAreToldWithTheNearest) {
  RegisterForTests();
  try {
    MakeChallenge("rosenbrok");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_THAT(error.what(), ::testing::HasSubstr("did you mean \"rosenbrock\"?"));
  }
}

}  // namespace
}  // namespace windlass::tune
