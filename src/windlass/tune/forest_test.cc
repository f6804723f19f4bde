#include "windlass/tune/forest.h"

#include <gtest/gtest.h>

#include <cmath>

namespace windlass::tune {
namespace {

struct Table {
  std::vector<std::vector<double>> values;
  std::vector<const double*> rows;
  std::vector<double> targets;
};

// Two numbers and a category of 5, of which 1 and 3 are alike.
Table MakeTable(std::size_t n, std::uint64_t seed) {
  Table table;
  Random random(seed, 0);
  for (std::size_t i = 0; i < n; ++i) {
    const auto category = static_cast<double>(random.Below(5));
    table.values.push_back({random.Uniform(), random.Uniform(), category});
    const bool high = category == 1 || category == 3;
    table.targets.push_back(std::floor(4 * table.values[i][0]) + (high ? 10 : 0));
  }
  for (const auto& row : table.values) table.rows.push_back(row.data());
  return table;
}

TEST(Forest, LearnsStepsAndCategories) {
  const Table train = MakeTable(2000, 1), test = MakeTable(300, 2);
  RegressionForest forest({0, 0, 5}, {});
  Random random(3, 0);
  forest.Fit(train.rows, train.targets, random);
  double squares = 0;
  for (std::size_t i = 0; i < test.rows.size(); ++i) {
    const auto at = forest.Predict(test.rows[i]);
    EXPECT_GE(at.variance, 0);
    squares += (at.mean - test.targets[i]) * (at.mean - test.targets[i]);
  }
  EXPECT_LT(squares / 300, 0.05);
}

// With trees that cannot grow, mean and variance are those of bootstrap samples: the law of total
// variance gives about the variance of the targets.
TEST(Forest, VarianceIsTheTotalOne) {
  const Table table = MakeTable(500, 1);
  RegressionForest forest({0, 0, 5}, {200, 1, 1000});
  Random random(3, 0);
  forest.Fit(table.rows, table.targets, random);
  double mean = 0, squares = 0;
  for (const double y : table.targets) mean += y / 500;
  for (const double y : table.targets) squares += (y - mean) * (y - mean) / 500;
  const auto at = forest.Predict(table.rows[0]);
  EXPECT_NEAR(at.mean, mean, 0.1);
  EXPECT_NEAR(at.variance, squares, 0.05 * squares);
}

TEST(Forest, TheSameSeedGivesTheSameBits) {
  const Table table = MakeTable(100, 1);
  double first = 0;
  for (int i = 0; i < 2; ++i) {
    RegressionForest forest({0, 0, 5}, {});
    Random random(3, 0);
    forest.Fit(table.rows, table.targets, random);
    const double mean = forest.Predict(table.rows[7]).mean;
    EXPECT_EQ(mean, i == 0 ? mean : first);
    first = mean;
  }
}

TEST(Forest, EqualRowsAndNoFeatures) {
  const std::vector<double> row = {0.5};
  const std::vector<const double*> rows(10, row.data());
  const std::vector<double> targets = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  for (const std::vector<int>& categories : {std::vector<int>{}, {0}, {3}}) {
    RegressionForest forest(categories, {50, 1, 2});
    Random random(3, 0);
    forest.Fit(rows, targets, random);
    const auto at = forest.Predict(row.data());
    EXPECT_NEAR(at.mean, 4.5, 1);
    EXPECT_NEAR(at.variance, 8.25, 2.5);
  }
}

}  // namespace
}  // namespace windlass::tune
