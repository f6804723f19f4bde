#include "windlass/model/trees.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "windlass/base/error.h"

namespace windlass::model {
namespace {

using ::testing::HasSubstr;

// The categories of `set` among `asked`.
std::set<double> Among(const TreeEnsemble& ensemble, std::int32_t set,
                       const std::vector<double>& asked) {
  std::set<double> found;
  for (const double x : asked) {
    if (ensemble.Contains(ensemble.category_sets[set], x)) found.insert(x);
  }
  return found;
}

const std::vector<double> kAsked = {-1,      -0.5,     0,        1,   63,   64,   65,   127,
                                    128,     129,      191,      192, 5000, 5001, 5056, 1000000,
                                    1000001, 16777215, 16777216, 1e9, 1e10, 1e300};

TEST(Trees, SetsOfCategoriesHoldWhatTheyWereGiven) {
  TreeEnsemble ensemble;
  TreeBuilder builder(ensemble);
  const std::vector<std::vector<std::int32_t>> sets = {
      {0}, {64}, {1, 63, 64, 128}, {191, 0, 65, 0}, {5000}, {1000000, 1, 5001}, {16777215, 0}, {}};
  for (const auto& set : sets) builder.AddCategories(set);
  for (std::size_t i = 0; i < sets.size(); ++i) {
    EXPECT_EQ(Among(ensemble, static_cast<std::int32_t>(i), kAsked),
              std::set<double>(sets[i].begin(), sets[i].end()))
        << i;
  }
  // What is far apart takes no room for what lies between.
  EXPECT_LT(ensemble.category_words.size(), 20u);
}

TEST(Trees, SetsOfBitsHoldTheSame) {
  TreeEnsemble ensemble;
  TreeBuilder builder(ensemble);
  std::vector<std::uint32_t> words(200, 0);
  words[0] = 2;
  words[2] = 3;
  words[156] = 1U << 8;  // 5000
  builder.AddCategoryBits(words);
  EXPECT_EQ(Among(ensemble, 0, kAsked), (std::set<double>{1, 64, 65, 5000}));
  builder.AddCategoryBits({});
  EXPECT_EQ(Among(ensemble, 1, kAsked), std::set<double>{});
  const std::uint32_t last = 1U << 31;
  builder.AddCategoryBits({&last, 1});
  EXPECT_EQ(Among(ensemble, 2, {30, 31, 32, 63}), std::set<double>{31});
  const std::vector<std::uint32_t> most((1 << 19) + 1, 1);
  EXPECT_THROW(builder.AddCategoryBits(most), Error);
}

TEST(Trees, RulesSayWhichValuesAreCategories) {
  TreeEnsemble ensemble;
  TreeBuilder builder(ensemble);
  const std::vector<std::int32_t> set = {0, 5};
  const std::vector<double> asked = {-1, -0.9, -1e-9, 0, 0.5, 4.9999999999, 5, 5.5};
  builder.AddCategories(set);
  builder.AddCategories(set, {.whole = true});
  builder.AddCategories(set, {.cut_negatives = true});
  builder.AddCategories(set, {.single = true, .whole = true});
  EXPECT_EQ(Among(ensemble, 0, asked), (std::set<double>{0, 0.5, 5, 5.5}));
  EXPECT_EQ(Among(ensemble, 1, asked), (std::set<double>{0, 5}));
  EXPECT_EQ(Among(ensemble, 2, asked), (std::set<double>{-0.9, -1e-9, 0, 0.5, 5, 5.5}));
  EXPECT_EQ(Among(ensemble, 3, asked), (std::set<double>{0, 4.9999999999, 5}));
}

TEST(Trees, RefuseCategoriesThatAreNone) {
  TreeEnsemble ensemble;
  TreeBuilder builder(ensemble);
  for (const std::int32_t category : {-1, 1 << 24}) {
    try {
      builder.AddCategories({&category, 1});
      ADD_FAILURE() << category;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("is not within 0..16777215"));
    }
  }
}

}  // namespace
}  // namespace windlass::model
