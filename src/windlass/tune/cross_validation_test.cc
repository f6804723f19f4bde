#include "windlass/tune/cross_validation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "windlass/base/error.h"

namespace windlass::tune {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What scikit-learn 1.9.1 with NumPy 2.4.6 gives.
TEST(CrossValidation, FoldsAreThoseOfScikitLearn) {
  const std::vector<std::int64_t> labels = {2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 0, 0, 0, 0, 0};
  EXPECT_THAT(StratifiedFolds(labels, 5, 42),
              ElementsAre(1, 2, 3, 3, 0, 1, 0, 1, 0, 2, 3, 4, 1, 0, 4, 2, 4));
  std::vector<std::int64_t> iris;
  for (int i = 0; i < 150; ++i) iris.push_back(i / 50);
  std::string folds;
  for (const int fold : StratifiedFolds(iris, 5, 42)) folds += static_cast<char>('0' + fold);
  EXPECT_EQ(folds,
            "133414223110300044410123304230213020432412142041232304432410134320231322241"
            "144031412304031130402102004042210111104132324113203223304224314002434034301");
}

TEST(CrossValidation, EveryFoldHasItsShareOfEachClass) {
  std::vector<std::int64_t> labels;
  for (int i = 0; i < 1003; ++i) labels.push_back(i % 7 == 0 ? -4 : i % 3);
  const std::vector<int> folds = StratifiedFolds(labels, 5, 7);
  for (const std::int64_t label : {-4, 0, 1, 2}) {
    std::vector<int> held_out(5);
    for (std::size_t i = 0; i < labels.size(); ++i) {
      if (labels[i] == label) ++held_out[static_cast<std::size_t>(folds[i])];
    }
    EXPECT_LE(std::ranges::max(held_out) - std::ranges::min(held_out), 1);
  }
}

TEST(CrossValidation, TooFewRowsAreAnError) {
  const auto error = [](const std::vector<std::int64_t>& labels, int folds) -> std::string {
    try {
      StratifiedFolds(labels, folds, 0);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(error({1, 2, 1}, 1), HasSubstr("1 folds of 3 rows"));
  EXPECT_THAT(error({1, 2, 1}, 4), HasSubstr("4 folds of 3 rows"));
  EXPECT_THAT(error({1, 2, 1, 2}, 3), HasSubstr("the largest class has 2 rows"));
  EXPECT_EQ(error({1, 1, 1, 2}, 3), "");
}

TEST(CrossValidation, MacroF1CountsClassesOfEitherList) {
  EXPECT_EQ(MacroF1(std::vector<std::int64_t>{0, 1, 1, 0}, std::vector<std::int64_t>{0, 1, 1, 0}),
            1);
  // Class 0: 2 of 3 + 2; class 1: 0 of 1 + 0; class 5: 0 of 0 + 2.
  EXPECT_DOUBLE_EQ(
      MacroF1(std::vector<std::int64_t>{0, 0, 0, 1}, std::vector<std::int64_t>{0, 0, 5, 5}),
      0.8 / 3);
}

}  // namespace
}  // namespace windlass::tune
