#include "windlass/tune/gp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "windlass/base/error.h"
#include "windlass/tune/acquisition_search.h"
#include "windlass/tune/score_scale.h"
#include "windlass/tune/surrogate.h"
#include "windlass/tune/tune_testing_internal.h"

namespace windlass::tune {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kTuners[] = {"gp", "gp-ei", "gp-lcb", "gp-pi", "gp-hedge", "gcp", "gcp-ei"};

Space FloatSpace(int dimensions) {
  Json document = Json::object();
  for (int i = 0; i < dimensions; ++i) {
    document["x" + std::to_string(i)] = {{"type", "float"}, {"low", 0}, {"high", 1}};
  }
  return Space::Parse(document);
}

// A bowl in the coordinates.
std::optional<double> Bowl(const Space& space, const Point& point) {
  double sum = 0;
  for (const double x : space.ToUnit(point)) sum -= (x - 0.37) * (x - 0.37);
  return sum;
}

// Random spaces of all kinds, with failures, repeated and given trials, batches observed in any
// order: every point is one of its space, and nothing throws or hangs.
TEST(GaussianProcessTuners, StayWithinRandomSpaces) {
  RegisterForTests();
  Random random(11, 0);
  for (int round = 0; round < 40; ++round) {
    Json document = Json::object();
    for (std::uint64_t i = 0; i < 1 + random.Below(5); ++i) {
      Json& one = document["p" + std::to_string(i)];
      const double low = 1 + static_cast<double>(random.Below(1000));
      const bool log = random.Below(2) == 0;
      switch (random.Below(6)) {
        case 0: one = {{"type", "integer"}, {"low", low}, {"high", low + 3}, {"log", log}}; break;
        case 1: one = {{"type", "integer"}, {"low", low}, {"high", low * 1e6}, {"log", log}}; break;
        case 2: one = {{"type", "float"}, {"low", low}, {"high", low * 100}, {"log", log}}; break;
        case 3: one = {{"type", "categorical"}, {"choices", {"a", "b", 1, false, "c"}}}; break;
        case 4: one = {{"type", "ordinal"}, {"choices", {8, 16, 32}}}; break;
        default: one = {{"type", "boolean"}};
      }
      if (i > 0 && document["p0"]["type"] == "boolean") one["when"] = {{"p0", true}};
    }
    const Space space = Space::Parse(document);
    const auto tuner = MakeTuner(kTuners[round % 7], space, static_cast<std::uint64_t>(round));
    std::vector<std::pair<std::int64_t, Point>> under_way;
    std::int64_t trial = 0;
    for (int i = 0; i < 3; ++i) {
      tuner->Observe({-1 - i, space.Sample(random), -1.0 * i});
    }
    for (int step = 0; step < 25; ++step) {
      for (Suggestion& one : tuner->Suggest(1 + static_cast<int>(random.Below(3)))) {
        space.Check(one.point);
        under_way.emplace_back(trial++, std::move(one.point));
      }
      while (under_way.size() > 2) {
        const auto which = static_cast<std::ptrdiff_t>(random.Below(under_way.size()));
        const auto [number, point] = under_way[static_cast<std::size_t>(which)];
        under_way.erase(under_way.begin() + which);
        auto score = Bowl(space, point);
        if (random.Below(5) == 0) score = std::nullopt;
        tuner->Observe({number, point, score});
        if (random.Below(6) == 0) tuner->Observe({-99, point, score ? *score * 1e12 : 0});
      }
    }
  }
}

TEST(GaussianProcessTuners, SameCallsSameBits) {
  RegisterForTests();
  const Space space = FloatSpace(3);
  for (const char* name : kTuners) {
    std::vector<Point> runs[2];
    for (auto& points : runs) {
      const auto tuner = MakeTuner(name, space, 5);
      for (int i = 0; i < 30; ++i) {
        const Point point = tuner->Suggest(1)[0].point;
        points.push_back(point);
        tuner->Observe({i, point, Bowl(space, point)});
      }
    }
    EXPECT_EQ(runs[0], runs[1]) << name;
    const auto other = MakeTuner(name, space, 6);
    EXPECT_NE(other->Suggest(1)[0].point, runs[0][0]) << name;
  }
}

// Observations of a batch may come in one by one, with questions in between.
TEST(GaussianProcessTuners, BatchesAreSpread) {
  RegisterForTests();
  const Space space = FloatSpace(2);
  for (const char* name : kTuners) {
    const auto tuner = MakeTuner(name, space, 3);
    std::int64_t trial = 0;
    for (int round = 0; round < 5; ++round) {
      std::set<Point> distinct;
      const std::vector<Suggestion> batch = tuner->Suggest(4);
      ASSERT_EQ(batch.size(), 4U);
      for (const Suggestion& one : batch) distinct.insert(one.point);
      EXPECT_EQ(distinct.size(), 4U) << name;
      for (const Suggestion& one : batch) {
        tuner->Observe({trial++, one.point, Bowl(space, one.point)});
      }
    }
  }
}

TEST(GaussianProcessTuners, TryAllOfASmallSpaceBeforeAnythingAgain) {
  RegisterForTests();
  const Space space = Space::Parse(
      {{"a", {{"type", "integer"}, {"low", 1}, {"high", 4}}},
       {"b", {{"type", "boolean"}}},
       {"c", {{"type", "categorical"}, {"choices", {"x", "y", "z"}}, {"when", {{"b", true}}}}}});
  for (const char* name : kTuners) {
    const auto tuner = MakeTuner(name, space, 1);
    std::set<std::string> tried;
    for (int i = 0; i < 22; ++i) {
      const Point point = tuner->Suggest(1)[0].point;
      space.Check(point);
      tried.insert(space.ToJson(point).dump());
      if (i < 16) {
        EXPECT_EQ(tried.size(), static_cast<std::size_t>(i) + 1) << name;
      }
      tuner->Observe({i, point, i % 3 == 0 ? std::nullopt : std::optional<double>(i % 4)});
    }
    EXPECT_EQ(tried.size(), 16U);  // 4 x (1 + 3)
  }
  const Space constant = Space::Parse({{"k", {{"type", "constant"}, {"value", "x"}}}});
  for (const char* name : kTuners) {
    const auto tuner = MakeTuner(name, constant, 1);
    for (int i = 0; i < 25; ++i) {
      const Point point = tuner->Suggest(1)[0].point;
      constant.Check(point);
      tuner->Observe({i, point, 1.0});
    }
  }
}

TEST(GaussianProcessTuners, FailuresEqualScoresAndOutliersAreNoTrouble) {
  RegisterForTests();
  const Space space = FloatSpace(2);
  for (const char* name : kTuners) {
    const auto failing = MakeTuner(name, space, 1), equal = MakeTuner(name, space, 1);
    const auto wild = MakeTuner(name, space, 1);
    std::set<Point> tried;
    for (int i = 0; i < 40; ++i) {
      Point point = failing->Suggest(1)[0].point;
      tried.insert(point);
      failing->Observe({i, point, std::nullopt});
      point = equal->Suggest(1)[0].point;
      space.Check(point);
      equal->Observe({i, point, 0.25});
      point = wild->Suggest(1)[0].point;
      space.Check(point);
      // All that a number can be; what is not finite counts as failed.
      const double scores[] = {1e308, -1e308, 0, 5e-324, NAN, INFINITY, 1};
      wild->Observe({i, point, scores[i % 7]});
    }
    EXPECT_EQ(tried.size(), 40U) << name;
  }
}

TEST(GaussianProcessTuners, AvoidWhereTrialsFail) {
  RegisterForTests();
  const Space space = FloatSpace(2);
  const auto tuner = MakeTuner("gp-ei", space, 2);
  int failed = 0;
  for (int i = 0; i < 60; ++i) {
    const Point point = tuner->Suggest(1)[0].point;
    const bool fails = point[0] > 0.5;
    failed += i >= 30 && fails;
    tuner->Observe({i, point, fails ? std::nullopt : Bowl(space, point)});
  }
  EXPECT_LE(failed, 5);
}

TEST(GaussianProcessTuners, BadOptionsSayWhatIsWrong) {
  RegisterForTests();
  const Space space = FloatSpace(1);
  const auto error = [&](const char* text) -> std::string {
    try {
      MakeTuner(text, space, 0);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(error("gp-ei?xi=-1"), HasSubstr("\"xi\": a number of at least 0 was expected"));
  EXPECT_THAT(error("gp-lcb?xi=1"), HasSubstr("xi"));
  EXPECT_THAT(error("gp-ei?initial=0"), HasSubstr("\"initial\""));
  EXPECT_EQ(error("gp-hedge?xi=0.1&kappa=3&eta=0.5&initial=4"), "");
}

// Through the factor's building over several updates, while the one before it goes on, and past
// the number of trials that one process takes.
TEST(Surrogate, IsOneProcessOfAllTrialsUpToItsLimit) {
  const Space space = FloatSpace(2);
  Surrogate surrogate(space, false);
  Random random(3, 0);
  std::vector<double> points;
  int changes = 0;
  double length = 0;
  for (int i = 0; i < 2600; ++i) {
    const std::vector<double> point = {random.Uniform(), random.Uniform()};
    points.insert(points.end(), point.begin(), point.end());
    surrogate.Observe(point, -std::abs(point[0] - 0.4) - point[1] * point[1]);
    if (!(i == 20 || (i >= 600 && i < 760) || i > 2590)) continue;
    surrogate.Update({});
    const GaussianProcess& process = surrogate.process();
    changes += process.parameters().lengths[0] != length;
    length = process.parameters().lengths[0];
    if (i > 2500) {
      EXPECT_LE(process.size(), 2500);
    } else {
      ASSERT_EQ(process.size(), i + 1);
    }
    if (i % 40 == 20) {
      GaussianProcess dense(surrogate.features().groups(), process.parameters());
      dense.Append(points, i + 1);
      const std::vector<double> at = {0.3, 0.6};
      std::vector<double> slopes(2);
      dense.set_signal(process.signal());
      EXPECT_EQ(process.Variance(at, slopes), dense.Variance(at, slopes));
    }
    if (i >= 600) {
      const std::vector<double> best = surrogate.Best(1).front();
      EXPECT_NEAR(best[0], 0.4, 0.1);
      EXPECT_LT(best[1], 0.3);
    }
  }
  EXPECT_GE(changes, 4);
}

TEST(ScoreScale, IsIncreasingAndStandardised) {
  Random random(4, 0);
  std::vector<double> scores;
  for (int i = 0; i < 50; ++i) scores.push_back(-std::pow(random.Uniform(), 8) * 1e8);
  for (const ScaleKind kind :
       {ScaleKind::kLinear, ScaleKind::kRoot, ScaleKind::kLog, ScaleKind::kNormal}) {
    const ScoreScale scale(kind, scores);
    double sum = 0, squares = 0;
    for (const double score : scores) {
      sum += scale(score);
      squares += scale(score) * scale(score);
    }
    EXPECT_NEAR(sum, 0, 1e-9);
    EXPECT_NEAR(squares, 50, 1e-9);
    std::vector<double> more = scores;
    more.insert(more.end(), {1e6, 1e9, -1e9, 0});
    std::ranges::sort(more);
    for (std::size_t i = 1; i < more.size(); ++i) {
      EXPECT_GE(scale(more[i]), scale(more[i - 1]));
    }
    if (kind != ScaleKind::kNormal) {
      double logs = 0;
      for (const double score : scores) {
        const double h = 1e-7 * (1 + std::abs(score));
        logs += std::log((scale(score) - scale(score - h)) / h);
      }
      // Up to the unit, the same for all kinds.
      static double first = 0;
      const double offset = scale.LogSlopes(scores) - logs;
      if (kind == ScaleKind::kLinear) first = offset;
      EXPECT_NEAR(offset, first, 0.05);
    }
  }
}

TEST(QuasiRandomPoints, FillTheCube) {
  std::vector<int> counts(16);
  for (std::uint64_t i = 0; i < 320; ++i) {
    const std::vector<double> point = QuasiRandomPoint(i, std::vector{0.3, 0.9});
    ++counts[static_cast<std::size_t>(4 * std::floor(4 * point[0]) + std::floor(4 * point[1]))];
  }
  for (const int count : counts) EXPECT_NEAR(count, 20, 4);
}

}  // namespace
}  // namespace windlass::tune
