#include "windlass/explain/feature_selection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "windlass/base/file.h"
#include "windlass/base/json.h"
#include "windlass/base/random.h"

namespace windlass::explain {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAreArray;
using ::testing::Pointwise;

// What scikit-learn selects: see testdata/make_selection.py.
Json Reference() {
  const std::string source = std::getenv("WINDLASS_SOURCE");
  const std::string path = source + "/src/windlass/explain/testdata/selection.json";
  return ParseJson(ReadFile(path), path);
}

struct Problem {
  Design design;
  std::vector<double> inside, outside;
  double total;
};

Problem ProblemOf(const Json& json) {
  Problem problem;
  Design& design = problem.design;
  design.players = json.at("players");
  design.words = (design.players + 63) / 64;
  for (const auto& text : json.at("masks")) {
    std::string digits = text;
    for (int word = 0; word < design.words; ++word) {
      const std::size_t tail = std::min<std::size_t>(digits.size(), 16);
      const std::string last = digits.substr(digits.size() - tail);
      design.masks.push_back(tail == 0 ? 0 : std::stoull(last, nullptr, 16));
      digits.resize(digits.size() - tail);
    }
  }
  design.weights = json.at("weights").get<std::vector<double>>();
  problem.inside = json.at("inside").get<std::vector<double>>();
  problem.outside = json.at("outside").get<std::vector<double>>();
  problem.total = json.at("total");
  return problem;
}

TEST(FeatureSelection, IsThatOfScikitLearn) {
  int selections = 0;
  for (const Json& json : Reference()) {
    const Problem p = ProblemOf(json);
    const auto select = [&](L1Reg reg, int features) {
      return FeatureSelection(p.design, reg, features).Select(p.inside, p.outside, p.total);
    };
    for (const auto& [features, expected] : json.at("num_features").items()) {
      EXPECT_THAT(select(L1Reg::kNumFeatures, std::stoi(features)),
                  ElementsAreArray(expected.get<std::vector<std::int32_t>>()));
      ++selections;
    }
    EXPECT_THAT(select(L1Reg::kAic, 0),
                ElementsAreArray(json.at("aic").get<std::vector<std::int32_t>>()));
    EXPECT_THAT(select(L1Reg::kBic, 0),
                ElementsAreArray(json.at("bic").get<std::vector<std::int32_t>>()));
  }
  EXPECT_GE(selections, 20);
}

// The augmented problem, row by row as its definition says.
struct Normal {
  std::vector<double> gram, xty;
};
Normal NormalOf(const Problem& p) {
  const std::size_t players = p.design.players;
  Normal normal{std::vector<double>(players * players, 0.0), std::vector<double>(players, 0.0)};
  for (std::int64_t pair = 0; pair < p.design.pairs(); ++pair) {
    for (const bool complement : {false, true}) {
      double size = 0;
      std::vector<double> z(players);
      for (std::size_t i = 0; i < players; ++i) {
        z[i] = p.design.contains(pair, static_cast<int>(i)) != complement ? 1 : 0;
        size += z[i];
      }
      const double v = complement ? p.outside[pair] : p.inside[pair];
      const double with = p.design.weights[pair] * (static_cast<double>(players) - size);
      const double without = p.design.weights[pair] * size;
      for (std::size_t i = 0; i < players; ++i) {
        normal.xty[i] += with * z[i] * v + without * (z[i] - 1) * (v - p.total);
        for (std::size_t j = 0; j < players; ++j) {
          normal.gram[i * players + j] += with * z[i] * z[j] + without * (z[i] - 1) * (z[j] - 1);
        }
      }
    }
  }
  return normal;
}

TEST(WalkLars, HasTheCornersOfScikitLearn) {
  int paths = 0;
  for (const Json& json : Reference()) {
    if (!json.contains("lasso_path")) continue;
    const Normal normal = NormalOf(ProblemOf(json));
    for (const bool lasso : {false, true}) {
      std::vector<std::vector<double>> corners;
      WalkLars(normal.gram, normal.xty, lasso, [&](const LarsCorner& corner) {
        corners.emplace_back(corner.coef.begin(), corner.coef.end());
        return true;
      });
      const auto expected =
          json.at(lasso ? "lasso_path" : "lar_path").get<std::vector<std::vector<double>>>();
      ASSERT_EQ(corners.size(), expected.size());
      for (std::size_t i = 0; i < corners.size(); ++i) {
        EXPECT_THAT(corners[i], Pointwise(DoubleNear(1e-9), expected[i])) << i;
      }
      ++paths;
    }
  }
  EXPECT_GE(paths, 8);
}

TEST(WalkLars, LeavesOutFeaturesThatDependOnOthersAndEnds) {
  // Three columns, the last the sum of the others; and nothing to explain at all.
  const std::vector<double> gram = {1, 0, 1, 0, 1, 1, 1, 1, 2};
  int corners = 0;
  std::vector<double> last;
  WalkLars(gram, std::vector<double>{1, 0.5, 1.5}, true, [&](const LarsCorner& corner) {
    last.assign(corner.coef.begin(), corner.coef.end());
    return ++corners < 100;
  });
  EXPECT_LT(corners, 10);
  EXPECT_NEAR(last[0] + last[2], 1, 1e-12);
  EXPECT_NEAR(last[1] + last[2], 0.5, 1e-12);
  corners = 0;
  WalkLars(gram, std::vector<double>{0, 0, 0}, true,
           [&](const LarsCorner&) { return ++corners < 100; });
  EXPECT_EQ(corners, 1);
}

}  // namespace
}  // namespace windlass::explain
