#include "windlass/tune/bench.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "windlass/base/error.h"
#include "windlass/tune/tune_testing_internal.h"

namespace windlass::tune {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsNan;

Json Spec(const Json& given) {
  Json spec = {{"tuners", nullptr},
               {"challenge_types", nullptr},
               {"challenges", nullptr},
               {"sample", nullptr},
               {"data", nullptr},
               {"iterations", 5},
               {"seeds", 1},
               {"seed", 0}};
  spec.update(given);
  return spec;
}

MatchResult Scored(std::optional<double> best) {
  MatchResult result;
  result.best = best;
  return result;
}

TEST(Bench, PlansByChallengeTunerAndSeed) {
  RegisterForTests();
  const BenchPlan plan = MakeBenchPlan(Spec({{"challenges", {"branin", "levy", "branin"}},
                                             {"tuners", {"uniform"}},
                                             {"seeds", 2},
                                             {"seed", 7}}));
  EXPECT_THAT(plan.matches,
              ElementsAre(Match{"branin", "uniform", 7, 5}, Match{"branin", "uniform", 8, 5},
                          Match{"levy", "uniform", 7, 5}, Match{"levy", "uniform", 8, 5}));
  const BenchPlan sampled = MakeBenchPlan(Spec({{"sample", 3}, {"tuners", {"uniform"}}}));
  EXPECT_EQ(sampled.challenges.size(), 3U);
  EXPECT_EQ(MakeBenchPlan(Spec({{"sample", 3}, {"tuners", {"uniform"}}})).challenges,
            sampled.challenges);
}

TEST(Bench, WhatIsWrongIsSaidBeforeItRuns) {
  RegisterForTests();
  const auto error = [](const Json& given) -> std::string {
    try {
      MakeBenchPlan(Spec(given));
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(error({{"tuners", {"unifrm"}}}), HasSubstr("did you mean \"uniform\"?"));
  EXPECT_THAT(error({{"tuners", {"uniform?x=1"}}}), HasSubstr("tuner uniform?x=1: unknown option"));
  EXPECT_THAT(error({{"challenges", {"levi"}}}), HasSubstr("did you mean \"levy\"?"));
  EXPECT_THAT(error({{"challenge_types", {"mth"}}}), HasSubstr("did you mean \"math\"?"));
}

TEST(Bench, ScoresAreMediansAndWinsAreShared) {
  const BenchPlan plan = {{"a", "b"}, std::vector<Bytes>(), {"s", "t"}, {}};
  const auto best = BestScores(plan, {Scored(1), Scored(3), Scored(2), Scored({}),   // a
                                      Scored({}), Scored({}), Scored(5), Scored(6)}  // b
  );
  EXPECT_THAT(best[0], ElementsAre(2, 2));
  EXPECT_THAT(best[1], ElementsAre(IsNan(), 5.5));
  EXPECT_THAT(Wins(best), ElementsAre(0.5, 1.5));
  EXPECT_THAT(MeanRanks(best), ElementsAre(1.75, 1.25));
}

// A tuner that gives up, and a challenge without a score, are results.
TEST(Contest, FaultsAreResults) {
  RegisterForTests();
  MatchTimes times;
  const MatchResult failed = Play(
      {"", "uniform", 0, 4}, FailingChallenge(), [] {}, times);
  EXPECT_EQ(failed.scores.size(), 4U);
  EXPECT_EQ(failed.best, std::nullopt);
  EXPECT_THAT(failed.failure, HasSubstr("no score here"));
  const MatchResult stuck = Play(
      {"", "test-stuck", 0, 4}, *MakeChallenge("levy"), [] {}, times);
  EXPECT_EQ(stuck.scores.size(), 2U);
  EXPECT_TRUE(stuck.best.has_value());
  EXPECT_THAT(stuck.failure, HasSubstr("stuck"));
  EXPECT_EQ(MatchResult::FromJson(stuck.ToJson()).ToJson(), stuck.ToJson());
}

}  // namespace
}  // namespace windlass::tune
