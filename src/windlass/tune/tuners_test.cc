// What every tuner that does not model by a Gaussian process must do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <set>
#include <string>
#include <vector>

#include "windlass/base/error.h"
#include "windlass/tune/challenge.h"
#include "windlass/tune/tried_points.h"
#include "windlass/tune/tune_testing_internal.h"
#include "windlass/tune/tuner.h"

namespace windlass::tune {
namespace {

using ::testing::HasSubstr;

class Tuners : public ::testing::TestWithParam<const char*> {
 protected:
  static void SetUpTestSuite() { RegisterForTests(); }
};

// A space of one to five parameters of all kinds, some under conditions.
Space RandomSpace(Random& random) {
  Json document = {{"p0", {{"type", "categorical"}, {"choices", {"a", "b", "c"}}}}};
  for (std::uint64_t i = 1; i < 1 + random.Below(6); ++i) {
    Json& one = document["p" + std::to_string(i)];
    const double low = 1 + static_cast<double>(random.Below(100));
    const double high = low + 1 + static_cast<double>(random.Below(1000));
    const bool log = random.Below(2) == 0;
    switch (random.Below(7)) {
      case 0: one = {{"type", "integer"}, {"low", low}, {"high", low + 3}, {"log", log}}; break;
      case 1: one = {{"type", "integer"}, {"low", low}, {"high", high}, {"log", log}}; break;
      case 2: one = {{"type", "float"}, {"low", low}, {"high", high}, {"log", log}}; break;
      case 3: one = {{"type", "boolean"}}; break;
      case 4: one = {{"type", "ordinal"}, {"choices", {16, 64, 256}}}; break;
      case 5: one = {{"type", "categorical"}, {"choices", {"x", 2, true}}}; break;
      default: one = {{"type", "constant"}, {"value", 1}};
    }
    if (random.Below(3) == 0) one["when"] = {{"p0", random.Below(2) == 0 ? "a" : "b"}};
  }
  return Space::Parse(document);
}

// A score that has something to find; none for every seventh.
std::optional<double> ScoreOf(const Space& space, const Point& point, std::int64_t trial) {
  if (trial % 7 == 3) return std::nullopt;
  double score = 0;
  for (const double u : space.ToUnit(point)) score -= (u - 0.3) * (u - 0.3);
  return score;
}

// Bits of all suggestions of a run in batches of 1 to 4, observed in an order of their own.
std::vector<std::uint64_t> RunBits(const std::string& tuner, const Space& space, int trials,
                                   std::uint64_t seed) {
  const auto made = MakeTuner(tuner, space, seed);
  std::vector<std::uint64_t> bits;
  std::vector<Observation> waiting;
  Random random(seed, 1);
  std::int64_t next = 0;
  while (next < trials) {
    for (const Suggestion& one : made->Suggest(static_cast<int>(1 + random.Below(4)))) {
      space.Check(one.point);
      EXPECT_EQ(one.fidelity, 1);
      for (const double value : one.point) bits.push_back(std::bit_cast<std::uint64_t>(value));
      waiting.push_back({next, one.point, ScoreOf(space, one.point, next)});
      ++next;
    }
    while (waiting.size() > 2) {
      const auto at = static_cast<std::ptrdiff_t>(random.Below(waiting.size()));
      made->Observe(waiting[static_cast<std::size_t>(at)]);
      waiting.erase(waiting.begin() + at);
    }
    if (random.Below(10) == 0) {
      made->Observe({-1 - next, space.Sample(random), ScoreOf(space, space.Initial(), next)});
    }
  }
  return bits;
}

TEST_P(Tuners, SuggestPointsOfTheSpaceAndTheSameOnesAgain) {
  Random random(11, 0);
  for (std::uint64_t round = 0; round < 25; ++round) {
    const Space space = RandomSpace(random);
    const auto once = RunBits(GetParam(), space, 60, round);
    EXPECT_EQ(once, RunBits(GetParam(), space, 60, round)) << space.ToJson().dump();
    if (space.varied().size() > 2) {
      EXPECT_NE(once, RunBits(GetParam(), space, 60, round + 100)) << space.ToJson().dump();
    }
  }
}

TEST_P(Tuners, TryEachPointOfASmallSpaceOnceAndThenGoOn) {
  const Space space =
      Space::Parse({{"n", {{"type", "integer"}, {"low", 1}, {"high", 6}}},
                    {"b", {{"type", "boolean"}}},
                    {"o", {{"type", "ordinal"}, {"choices", {1, 2, 4}}, {"when", {{"b", true}}}}}});
  const auto tuner = MakeTuner(GetParam(), space, 5);
  std::set<TriedPoints::Key> seen;
  for (std::int64_t trial = 0; trial < 40; ++trial) {
    const Point point = tuner->Suggest(1)[0].point;
    space.Check(point);
    EXPECT_EQ(seen.insert(TriedPoints::KeyOf(point)).second, trial < 24) << trial;
    tuner->Observe({trial, point, ScoreOf(space, point, trial)});
  }
  EXPECT_EQ(seen.size(), 24U);
}

TEST_P(Tuners, ConstantsEqualScoresAndFailuresDoNoHarm) {
  const Space one = Space::Parse({{"c", {{"type", "constant"}, {"value", "x"}}}});
  const Space line =
      Space::Parse({{"x", {{"type", "float"}, {"low", -1e308}, {"high", 0}}},
                    {"y", {{"type", "float"}, {"low", 1e-300}, {"high", 1e300}, {"log", true}}}});
  for (const Space* space : {&one, &line}) {
    for (const double size : {0.0, 1e308}) {
      const auto tuner = MakeTuner(GetParam(), *space, 5);
      for (std::int64_t trial = 0; trial < 80; ++trial) {
        const Point point = tuner->Suggest(1)[0].point;
        space->Check(point);
        const double score = trial % 2 == 0 ? size : -size;
        tuner->Observe({trial, point, trial < 15 ? std::nullopt : std::optional(score)});
        if (trial % 9 == 0) tuner->Observe({-1 - trial, point, -score});  // again, with another
      }
    }
  }
}

TEST_P(Tuners, TakeBatchesOfAnySize) {
  const auto challenge = MakeChallenge("mixed");
  for (const int batch : {0, 1, 3, 64}) {
    const auto tuner = MakeTuner(GetParam(), challenge->space(), 8);
    std::set<TriedPoints::Key> seen;
    std::int64_t next = 0;
    for (int round = 0; round < 3; ++round) {
      const auto suggested = tuner->Suggest(batch);
      ASSERT_EQ(suggested.size(), static_cast<std::size_t>(batch));
      for (const Suggestion& one : suggested) {
        challenge->space().Check(one.point);
        EXPECT_TRUE(seen.insert(TriedPoints::KeyOf(one.point)).second);
        tuner->Observe({next++, one.point, challenge->Score(one.point, [] {})});
      }
    }
  }
}

TEST_P(Tuners, WrongOptionsAreTold) {
  const Space space = MakeChallenge("branin")->space();
  try {
    MakeTuner(std::string(GetParam()) + "?nonsense=1", space, 1);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
    EXPECT_THAT(error.what(), HasSubstr("nonsense"));
  }
}

INSTANTIATE_TEST_SUITE_P(All, Tuners,
                         ::testing::Values("cma-es", "forest-ei", "forest-lcb", "forest-pi", "grid",
                                           "sobol", "tpe"));

TEST_F(Tuners, OptionsOutOfTheirRangeAreTold) {
  const Space space = MakeChallenge("branin")->space();
  for (const auto& [text, message] :
       {std::pair("tpe?gamma=1.5",
                  "tuner tpe?gamma=1.5: option gamma=1.5: 0.001 to 0.999 were expected"),
        {"tpe?gamma=nan", "gamma=nan"},
        {"grid?points=0", "option points=0: 1 to 1000000 were expected"},
        {"cma-es?population=1", "option population=1: 2 to 10000 were expected"},
        {"forest-lcb?xi=1", "xi"},
        {"forest-ei?trees=0", "option trees=0"}}) {
    try {
      MakeTuner(text, space, 1);
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidInput) << text;
      EXPECT_THAT(error.what(), HasSubstr(message));
    }
  }
}

// Nothing that all seeds share comes first.
TEST_P(Tuners, TheFirstPointIsAnywhere) {
  const Space space = MakeChallenge("branin")->space();
  int low = 0;
  std::set<double> first;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const double u = space.ToUnit(MakeTuner(GetParam(), space, seed)->Suggest(1)[0].point)[0];
    low += u < 0.5 ? 1 : 0;
    first.insert(u);
  }
  EXPECT_GT(low, 30);
  EXPECT_LT(low, 70);
  EXPECT_GE(first.size(), 8U);
}

}  // namespace
}  // namespace windlass::tune
