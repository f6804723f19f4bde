#include "windlass/model/lightgbm.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "windlass/base/error.h"
#include "windlass/model/testing_internal.h"
#include "windlass/model/trees.h"

namespace windlass::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string Content(const std::string& name) { return ReadTestdata("lightgbm/" + name + ".txt"); }

const Json& Expected() {
  static const Json expected = ParseTestdata("lightgbm/expected.json");
  return expected;
}

std::string ErrorOf(std::string_view content, ErrorCode code = ErrorCode::kInvalidInput) {
  try {
    ReadLightGBMModel(content, 0);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  return "no error";
}

// The smallest file that is read: one split of two columns, or what `tree` says.
std::string Small(const std::string& tree =
                      "num_leaves=2\nnum_cat=0\nsplit_feature=1\nthreshold=0.5\ndecision_type=8\n"
                      "left_child=-1\nright_child=-2\nleaf_value=1 2\n",
                  const std::string& header = "") {
  return "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=1\n" + header +
         "feature_names=a b\ntree_sizes=9\n\nTree=0\n" + tree + "\n\nend of trees\n";
}

class Saved : public ::testing::TestWithParam<std::string> {};

TEST_P(Saved, PredictsAsLightGBMDoes) {
  const Json& expected = Expected().at(GetParam());
  const std::vector<double> x = Flattened(expected.at("x"));
  const auto model = ReadLightGBMModel(Content(GetParam()), 0);
  ExpectNear(PredictAll(*model, x), Flattened(expected.at("prediction")), 1e-12);
  ExpectNear(PredictAll(*model->Margin(), x), Flattened(expected.at("margin")), 1e-12);
  ASSERT_NE(model->trees(), nullptr);
  EXPECT_EQ(model->trees()->cover.size(), model->trees()->nodes.size());
}

TEST_P(Saved, RowsDoNotDependOnTheirCompany) {
  const auto model = ReadLightGBMModel(Content(GetParam()), 0);
  ExpectRowsDoNotDependOnTheirCompany(*model, Flattened(Expected().at(GetParam()).at("x")));
}

// A leaf's share of the rows is the weight that LightGBM's contributions give it.
TEST_P(Saved, CoversGiveTheBaseValueOfContributions) {
  const auto model = ReadLightGBMModel(Content(GetParam()), 0);
  const TreeEnsemble& trees = *model->trees();
  std::vector<double> base = trees.base;
  for (std::int64_t t = 0; t < trees.trees(); ++t) {
    std::vector<std::int32_t> open = {trees.roots[t]};
    const double all = trees.cover[open.front()];
    while (!open.empty()) {
      const std::int32_t at = open.back();
      open.pop_back();
      const TreeNode& node = trees.nodes[at];
      if (node.leaf()) {
        base[trees.outputs[t]] += node.number * trees.cover[at] / all;
      } else {
        open.insert(open.end(), {node.left, node.left + 1});
      }
    }
  }
  const Json& first = Expected().at(GetParam()).at("contributions").at(0);
  for (std::size_t k = 0; k < base.size(); ++k) {
    EXPECT_NEAR(base[k], first.at(k).back().get<double>(), 1e-9 * (1 + std::abs(base[k])));
  }
}

INSTANTIATE_TEST_SUITE_P(LightGBM, Saved, ::testing::ValuesIn(KeysOf(Expected())),
                         [](const auto& info) { return info.param; });

TEST(LightGBM, TreeLimitCountsTreesOfEachOutput) {
  EXPECT_EQ(ReadLightGBMModel(Content("multi"), 0)->trees()->trees(), 6);
  EXPECT_EQ(ReadLightGBMModel(Content("multi"), 1)->trees()->trees(), 3);
  EXPECT_EQ(ReadLightGBMModel(Content("multi"), 100)->trees()->trees(), 6);
  // The mean of a forest is that of the trees used.
  const auto all = ReadLightGBMModel(Content("forest"), 0);
  const auto first = ReadLightGBMModel(Content("forest"), 1);
  ASSERT_TRUE(first->trees()->nodes.back().leaf());
  const auto last = first->trees()->nodes.size() - 1;
  EXPECT_DOUBLE_EQ(first->trees()->nodes[last].number, all->trees()->nodes[last].number * 4);
}

TEST(LightGBM, KeepsTheNamesOfColumnsAndCategories) {
  const auto named = ReadLightGBMModel(Content("named"), 0);
  EXPECT_THAT(named->column_names(), ElementsAre("age", "hours", "c", "d", "kind", "grade"));
  const auto categories = named->column_categories();
  ASSERT_THAT(categories, SizeIs(6));
  for (int column = 0; column < 4; ++column) EXPECT_THAT(categories[column], IsEmpty());
  EXPECT_THAT(categories[4], SizeIs(70));
  EXPECT_EQ(categories[4][69], "k69");
  EXPECT_THAT(categories[5], ElementsAre("ü", "a \"b\"", "x=1", "y", "z"));
  // Columns that nobody named, and categories of columns that cannot be told.
  EXPECT_THAT(ReadLightGBMModel(Content("binary"), 0)->column_names(), IsEmpty());
  EXPECT_THAT(ReadLightGBMModel(Content("binary"), 0)->column_categories(), IsEmpty());
  EXPECT_THAT(ReadLightGBMModel(Content("ordered"), 0)->column_categories(), IsEmpty());
}

TEST(LightGBM, MissingValuesGoWhereTheirKindSays) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto of = [&](int decision, double threshold, double x) {
    const auto model = ReadLightGBMModel(
        Replaced(Replaced(Small(), "decision_type=8", "decision_type=" + std::to_string(decision)),
                 "threshold=0.5", "threshold=" + std::to_string(threshold)),
        0);
    return PredictAll(*model, {9, x}).front();  // 1: left
  };
  EXPECT_EQ(of(0, 0.5, nan), 1);  // none: as 0
  EXPECT_EQ(of(0, -0.5, nan), 2);
  EXPECT_EQ(of(0, 0, nan), 1);
  EXPECT_EQ(of(2, -0.5, nan), 2);  // the default side is not asked
  EXPECT_EQ(of(4, 0.5, nan), 2);   // zero: as 0, which is missing
  EXPECT_EQ(of(4, 0.5, 0), 2);
  EXPECT_EQ(of(4, 0.5, 1.00000001e-35), 2);
  EXPECT_EQ(of(4, 0.5, 1.1e-35), 1);
  EXPECT_EQ(of(4 + 2, -0.5, -0.0), 1);
  EXPECT_EQ(of(8, 0.5, nan), 2);
  EXPECT_EQ(of(8 + 2, 0.5, nan), 1);
  EXPECT_EQ(of(8, 0.5, 0.5), 1);
  EXPECT_EQ(of(8, 0.5, std::nextafter(0.5, 1)), 2);
}

TEST(LightGBM, TinyValuesAreZero) {
  const auto of = [&](double threshold, double x) {
    const auto model = ReadLightGBMModel(
        Replaced(Small(), "threshold=0.5", fmt::format("threshold={}", threshold)), 0);
    return PredictAll(*model, {9, x}).front();  // 1: left
  };
  for (const double x : {-kZero, -1e-300, -0.0, 0.0, 1e-36, kZero}) {
    EXPECT_EQ(of(-kZero, x), 2) << x;
    EXPECT_EQ(of(-1e-40, x), 2) << x;
    EXPECT_EQ(of(0, x), 1) << x;
    EXPECT_EQ(of(kZero, x), 1) << x;
  }
  EXPECT_EQ(of(-kZero, -1.1e-35), 1);
  EXPECT_EQ(of(0, 1.1e-35), 2);
}

TEST(LightGBM, CategoriesOfASetGoLeft) {
  const auto model = ReadLightGBMModel(
      Small("num_leaves=3\nnum_cat=2\nsplit_feature=0 0\nthreshold=1 0\ndecision_type=1 3\n"
            "left_child=-1 -2\nright_child=1 -3\nleaf_value=1 2 3\ncat_boundaries=0 1 5\n"
            "cat_threshold=2 0 0 0 2147483648\n"),
      0);
  const auto of = [&](double x) { return PredictAll(*model, {x, 0}).front(); };
  EXPECT_EQ(of(127), 1);
  EXPECT_EQ(of(127.9), 1);
  EXPECT_EQ(of(1), 2);
  for (const double none : {0.0, 2.0, 126.0, 128.0, -1.0, 1e30, 4294967297.0,
                            std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_EQ(of(none), 3) << none;
  }
}

TEST(LightGBM, FilesWithoutNumbersOfRowsHaveNoCover) {
  const auto model = ReadLightGBMModel(Small(), 0);
  EXPECT_THAT(model->trees()->cover, IsEmpty());
  EXPECT_EQ(model->activation(), Activation::kIdentity);
  EXPECT_THAT(model->column_names(), ElementsAre("a", "b"));
}

TEST(LightGBM, ReadsLinesThatEndAsOnWindows) {
  std::string text;
  for (const char c : Small()) {
    if (c == '\n') text += '\r';
    text += c;
  }
  EXPECT_EQ(PredictAll(*ReadLightGBMModel(text, 0), {0, 0}).front(), 1);
}

TEST(LightGBM, SaysWhatIsWrong) {
  const auto unsupported = ErrorCode::kUnsupported;
  const std::string good = Small();
  EXPECT_EQ(ErrorOf(good), "no error");
  EXPECT_THAT(ErrorOf(""), HasSubstr("its first line is not \"tree\""));
  EXPECT_THAT(ErrorOf("{\"learner\": 1}"), HasSubstr("no model that LightGBM saved as text"));
  EXPECT_THAT(ErrorOf("tree\nversion=v4\n"), HasSubstr("it ends before its trees"));
  EXPECT_THAT(ErrorOf(Replaced(good, "v4", "v5"), unsupported), HasSubstr("its version is v5"));
  EXPECT_THAT(ErrorOf(Replaced(good, "version=v4\n", ""), unsupported),
              HasSubstr("its version is none; v2, v3 and v4 are read"));
  EXPECT_THAT(ErrorOf(Replaced(good, "version=v4", "version=v4\nversion=v4")),
              HasSubstr("\"version\" stands twice"));
  EXPECT_THAT(ErrorOf(Replaced(good, "per_iteration=1", "per_iteration=0")),
              HasSubstr("num_tree_per_iteration is 0"));
  EXPECT_THAT(ErrorOf(Replaced(good, "per_iteration=1", "per_iteration=1000000000000")),
              HasSubstr("a number from 1 to that of the trees (1)"));
  EXPECT_THAT(ErrorOf(Replaced(Replaced(good, "per_iteration=1", "per_iteration=2"), "sizes=9",
                               "sizes=9 9")),
              HasSubstr("\"tree_sizes\" has 2 numbers, but 1 trees follow"));
  EXPECT_THAT(
      ErrorOf(Replaced(Replaced(good, "per_iteration=1", "per_iteration=2"), "tree_sizes=9\n", "")),
      HasSubstr("it has 1 trees for 2 outputs"));
  EXPECT_THAT(ErrorOf(Replaced(good, "per_iteration=1", "per_iteration=one")),
              HasSubstr("num_tree_per_iteration: \"one\" is no whole number"));
  EXPECT_THAT(ErrorOf(Replaced(good, "feature_names=a b\n", "")),
              HasSubstr("\"feature_names\" is missing"));
  EXPECT_THAT(ErrorOf(Replaced(good, "feature_names=a b", "feature_names=a")),
              HasSubstr("max_feature_idx is 1, but \"feature_names\" has 1 names"));
  EXPECT_THAT(ErrorOf(Replaced(good, "feature_names=a b", "feature_names=a a")),
              HasSubstr("column \"a\" is named twice"));
  const auto objective = [](const std::string& text) {
    return Small("num_leaves=1\nnum_cat=0\nleaf_value=1\n", "objective=" + text + "\n");
  };
  EXPECT_THAT(ErrorOf(objective("binnary sigmoid:1"), unsupported),
              HasSubstr("did you mean \"binary\"?"));
  EXPECT_THAT(ErrorOf(objective("cross_entropy_lambda"), unsupported),
              HasSubstr("\"cross_entropy_lambda\" is not among those read"));
  EXPECT_THAT(ErrorOf(objective("regression sqrt"), unsupported), HasSubstr("reg_sqrt"));
  EXPECT_THAT(ErrorOf(objective("binary sigmoid:-1")), HasSubstr("a positive number"));
  EXPECT_THAT(ErrorOf(objective("binary sigmoid:x")), HasSubstr("\"x\" is no number"));
  EXPECT_THAT(ErrorOf(objective("multiclass num_class:1")), HasSubstr("softmax of one output"));
  EXPECT_THAT(ErrorOf(Replaced(objective("regression"), "per_iteration=1\n", "per_iteration=2\n\n")
                          .replace(0, 0, "")),
              HasSubstr("num_tree_per_iteration is 2; a number from 1"));
  EXPECT_THAT(
      ErrorOf(Replaced(Content("multi"), "objective=multiclass num_class:3", "objective=poisson")),
      HasSubstr("objective poisson has one output, but num_tree_per_iteration is 3"));
  EXPECT_THAT(ErrorOf(Replaced(good, "leaf_value=1 2", "leaf_value=1 2\nis_linear=1"), unsupported),
              HasSubstr("tree 0: its leaves are linear models"));
  EXPECT_THAT(ErrorOf(Replaced(good, "num_leaves=2", "num_leaves=2000000000")),
              HasSubstr("tree 0: num_leaves is 2000000000, but \"leaf_value\" has 2 numbers"));
  EXPECT_THAT(ErrorOf(Replaced(good, "num_leaves=2", "num_leaves=0")),
              HasSubstr("num_leaves is 0"));
  EXPECT_THAT(ErrorOf(Replaced(good, "leaf_value=1 2\n", "")),
              HasSubstr("\"leaf_value\" is missing"));
  EXPECT_THAT(ErrorOf(Replaced(good, "leaf_value=1 2", "leaf_value=1 inf")),
              HasSubstr("leaf 1: its value is inf"));
  EXPECT_THAT(ErrorOf(Replaced(good, "leaf_value=1 2", "leaf_value=1 1e999")),
              HasSubstr("leaf_value: 1e999 is out of range"));
  EXPECT_THAT(ErrorOf(Replaced(good, "threshold=0.5", "threshold=nan")),
              HasSubstr("node 0: its threshold is not a number"));
  EXPECT_THAT(ErrorOf(Replaced(good, "threshold=0.5", "threshold=0.5 1")),
              HasSubstr("\"threshold\" has 2 numbers; 1 were expected"));
  EXPECT_THAT(ErrorOf(Replaced(good, "split_feature=1", "split_feature=2")),
              HasSubstr("it splits column 2, but the model has 2 (0..1)"));
  EXPECT_THAT(ErrorOf(Replaced(good, "split_feature=1", "split_feature=-1")),
              HasSubstr("split 0: it splits column -1"));
  EXPECT_THAT(ErrorOf(Replaced(good, "split_feature=1", "split_feature=0.5")),
              HasSubstr("split_feature: \"0.5\" is no whole number"));
  EXPECT_THAT(ErrorOf(Replaced(good, "decision_type=8", "decision_type=12")),
              HasSubstr("no known kind of missing values"));
  EXPECT_THAT(ErrorOf(Replaced(good, "decision_type=8", "decision_type=1")),
              HasSubstr("its threshold 0.5 names none of the tree's 0 sets of categories"));
  EXPECT_THAT(ErrorOf(Replaced(good, "left_child=-1", "left_child=1")),
              HasSubstr("split 0: its left child is 1"));
  EXPECT_THAT(ErrorOf(Replaced(good, "left_child=-1", "left_child=-4")),
              HasSubstr("a leaf -1..-2 was expected"));
  EXPECT_THAT(ErrorOf(Replaced(good, "left_child=-1", "left_child=0")),
              HasSubstr("its child 0 is none"));
  EXPECT_THAT(ErrorOf(Replaced(good, "left_child=-1", "left_child=-2")),
              HasSubstr("has another parent"));
  EXPECT_THAT(ErrorOf(Replaced(good, "end of trees\n", "")),
              HasSubstr("tree 0: it ends before \"end of trees\""));
  EXPECT_THAT(ErrorOf(good + "parameters:\n[a: 1]\n"),
              HasSubstr("ends before \"end of parameters\""));
  EXPECT_THAT(ErrorOf(good + "pandas_cat"), HasSubstr("ends within \"pandas_categorical\""));
  EXPECT_THAT(ErrorOf(good + "pandas_categorical:[[\"a\""),
              HasSubstr("pandas_categorical: it is no JSON from byte"));
  EXPECT_THAT(ErrorOf(good + "pandas_categorical:[[[1]]]"), HasSubstr("list within a list"));
  EXPECT_THAT(ErrorOf(good + "pandas_categorical:[1]"), HasSubstr("outside of a column's list"));
  EXPECT_THAT(ErrorOf(good + "pandas_categorical:{}"), HasSubstr("it has an object"));
  EXPECT_THAT(ErrorOf(good + "parameters:\n[categorical_feature: 7]\nend of parameters\n"
                             "pandas_categorical:[[\"x\"]]"),
              HasSubstr("categorical_feature is 7; ascending columns 0..1"));
  EXPECT_THAT(ErrorOf(good + "parameters:\n[categorical_feature: 1]\nend of parameters\n"
                             "pandas_categorical:[[\"x\", \"x\"]]"),
              HasSubstr("column 1: category \"x\" is named twice"));
  const std::string categorical = Content("categorical");
  EXPECT_THAT(ErrorOf(Replaced(categorical, "cat_boundaries=0", "cat_boundaries=1")),
              HasSubstr("not ascending from 0"));
  EXPECT_THAT(ErrorOf(Replaced(categorical, "cat_boundaries=", "cat_boundaries=0 ")),
              HasSubstr("one more was expected"));
  EXPECT_THAT(ErrorOf(Replaced(categorical, "cat_threshold=", "cat_threshold=-")),
              HasSubstr("cat_threshold: \"-"));
  EXPECT_THAT(ErrorOf(Replaced(categorical, "leaf_count=", "leaf_count=-")),
              HasSubstr("its cover is -"));
}

TEST(LightGBM, TruncatedFilesAreErrors) {
  for (const char* name : {"named", "constant", "forest"}) {
    const std::string content = Content(name);
    const auto trees = content.find("end of trees"), parameters = content.find("parameters:");
    const auto pandas = content.find("pandas_categorical:");
    for (std::size_t size = 0; size < content.size(); ++size) {
      // Between its parts it may end; the names of categories are one part.
      const bool whole = (size >= trees + 12 && size < parameters + 11) ||
                         (size >= content.find("end of parameters") + 17 && size <= pandas + 4) ||
                         size + 2 >= content.size();
      if (!whole) {
        EXPECT_NE(ErrorOf(content.substr(0, size)), "no error") << name << " " << size;
      }
    }
  }
}

}  // namespace
}  // namespace windlass::model
