#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "windlass/tune/sobol_sequence.h"
#include "windlass/tune/tried_points.h"
#include "windlass/tune/tune_testing_internal.h"
#include "windlass/tune/tuner.h"

namespace windlass::tune {
namespace {

// Every 2^k points in a row from a multiple of 2^k have one in each of 2^k parts of each dimension:
// scrambling keeps that, and dimensions that are no Sobol' ones break it.
TEST(SobolSequence, EachDimensionIsStratified) {
  const SobolSequence sequence(SobolSequence::kDimensions, 9);
  for (const std::uint64_t first : {0U, 256U, 512U}) {
    std::vector<std::set<int>> parts(SobolSequence::kDimensions);
    for (std::uint64_t i = 0; i < 256; ++i) {
      const std::vector<double> point = sequence.At(first + i);
      for (std::size_t j = 0; j < point.size(); ++j) {
        parts[j].insert(static_cast<int>(point[j] * 256));
      }
    }
    for (const std::set<int>& part : parts) EXPECT_EQ(part.size(), 256U);
  }
}

// The first two dimensions are a (0, 2)-sequence: any 16 boxes of equal area have one point each.
TEST(SobolSequence, FirstTwoDimensionsAreANet) {
  const SobolSequence sequence(2, 4);
  for (const int wide : {1, 2, 4, 8, 16}) {
    std::set<int> boxes;
    for (std::uint64_t i = 0; i < 16; ++i) {
      const std::vector<double> point = sequence.At(i);
      boxes.insert(static_cast<int>(point[0] * wide) * 1000 +
                   static_cast<int>(point[1] * (16 / wide)));
    }
    EXPECT_EQ(boxes.size(), 16U) << wide;
  }
}

// Scrambling keeps which digits two points share: an even index and the next one differ in the
// first digit of every dimension.
TEST(SobolSequence, ScramblingIsKeyedByTheSeed) {
  const SobolSequence one(5, 1), again(5, 1), other(5, 2);
  EXPECT_EQ(one.At(7), again.At(7));
  EXPECT_NE(one.At(7), other.At(7));
  for (std::uint64_t pair = 0; pair < 32; pair += 2) {
    for (std::size_t j = 0; j < 5; ++j) {
      EXPECT_NE(one.At(pair)[j] < 0.5, one.At(pair + 1)[j] < 0.5);
    }
  }
}

TEST(SobolSequence, DimensionsPastTheTableAreUniform) {
  const SobolSequence sequence(100, 1);
  double sum = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) sum += sequence.At(i)[99];
  EXPECT_NEAR(sum / 1000, 0.5, 0.05);
}

TEST(Grid, VisitsEachCellOnceAndBeginsAgain) {
  RegisterForTests();
  const Space space = Space::Parse(
      {{"x", {{"type", "float"}, {"low", 0}, {"high", 1}}},
       {"c", {{"type", "categorical"}, {"choices", {"a", "b", "c"}}}},
       {"y", {{"type", "float"}, {"low", 1}, {"high", 100}, {"log", true}, {"when", {{"c", "b"}}}}},
       {"z", {{"type", "integer"}, {"low", 1}, {"high", 7}, {"when", {{"c", {"b", "c"}}}}}}});
  const auto tuner = MakeTuner("grid?points=5", space, 3);
  constexpr std::size_t kCells = 5 * (1 + 5 * 7 + 7);
  std::vector<TriedPoints::Key> keys;
  for (const Suggestion& one : tuner->Suggest(2 * kCells)) {
    keys.push_back(TriedPoints::KeyOf(one.point));
    EXPECT_EQ(4 * one.point[static_cast<std::size_t>(space.Find("x"))],
              std::floor(4 * one.point[static_cast<std::size_t>(space.Find("x"))]));
  }
  EXPECT_EQ(std::set(keys.begin(), keys.begin() + kCells).size(), kCells);
  EXPECT_TRUE(std::equal(keys.begin(), keys.begin() + kCells, keys.begin() + kCells));
}

// Half of the cells of a line, in whatever order, leave no long gap.
TEST(Grid, EarlyCellsAreSpread) {
  RegisterForTests();
  const Space space = Space::Parse({{"n", {{"type", "integer"}, {"low", 0}, {"high", 63}}}});
  std::set<int> parts;
  for (const Suggestion& one : MakeTuner("grid", space, 6)->Suggest(16)) {
    parts.insert(static_cast<int>(one.point[0]) / 4);
  }
  EXPECT_EQ(parts.size(), 16U);
}

TEST(Grid, HugeGridsAndOnePointAFloat) {
  RegisterForTests();
  const Space space = Space::Parse({{"n", {{"type", "integer"}, {"low", 0}, {"high", 1e14}}},
                                    {"m", {{"type", "integer"}, {"low", 0}, {"high", 1e14}}},
                                    {"x", {{"type", "float"}, {"low", 0}, {"high", 1}}}});
  for (const Suggestion& one : MakeTuner("grid?points=1", space, 6)->Suggest(100)) {
    space.Check(one.point);
    EXPECT_EQ(one.point[static_cast<std::size_t>(space.Find("x"))], 0.5);
  }
}

}  // namespace
}  // namespace windlass::tune
