#include "windlass/model/xgboost.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "windlass/base/error.h"
#include "windlass/model/testing_internal.h"
#include "windlass/model/trees.h"

namespace windlass::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Content(const std::string& file) { return ReadTestdata("xgboost/" + file); }

const Json& Expected() {
  static const Json expected = ParseTestdata("xgboost/expected.json");
  return expected;
}

std::string ErrorOf(std::string_view content, ErrorCode code = ErrorCode::kInvalidInput) {
  try {
    ReadXGBoostModel(content, 0);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  return "no error";
}

class Saved : public ::testing::TestWithParam<const char*> {};

TEST_P(Saved, PredictsAsXGBoostDoes) {
  const Json& expected = Expected().at(GetParam());
  const std::vector<double> x = Flattened(expected.at("x"));
  for (const char* ending : {".json", ".ubj"}) {
    SCOPED_TRACE(ending);
    const auto model = ReadXGBoostModel(Content(GetParam() + std::string(ending)), std::nullopt);
    ExpectNear(PredictAll(*model, x), Flattened(expected.at("prediction")), 1e-6);
    ExpectNear(PredictAll(*model->Margin(), x), Flattened(expected.at("margin")), 1e-6);
    ASSERT_NE(model->trees(), nullptr);
    // XGBoost 3.1 does not say it of trees with several numbers in a leaf.
    const bool has_cover = GetParam() != std::string("vector_old");
    EXPECT_EQ(model->trees()->cover.size(), has_cover ? model->trees()->nodes.size() : 0);
  }
}

INSTANTIATE_TEST_SUITE_P(XGBoost, Saved,
                         ::testing::Values("binary", "logitraw", "multi", "dart", "poisson",
                                           "tweedie", "regression", "cox", "forest", "targets",
                                           "stumps", "constant", "categorical", "onehot", "named",
                                           "vector", "vector_classes", "vector_labels",
                                           "vector_medians", "vector_old", "early",
                                           "early_classes"),
                         [](const auto& info) { return std::string(info.param); });

TEST(XGBoost, RowsDoNotDependOnTheirCompany) {
  for (const char* name : {"multi", "categorical", "vector"}) {
    const auto model = ReadXGBoostModel(Content(name + std::string(".ubj")), 0);
    ExpectRowsDoNotDependOnTheirCompany(*model, Flattened(Expected().at(name).at("x")));
  }
}

TEST(XGBoost, TreeLimitCountsTreesOfEachOutput) {
  const auto all = ReadXGBoostModel(Content("multi.json"), 0);
  EXPECT_EQ(all->trees()->trees(), 12);
  EXPECT_EQ(ReadXGBoostModel(Content("multi.json"), 2)->trees()->trees(), 6);
  EXPECT_EQ(ReadXGBoostModel(Content("multi.json"), 100)->trees()->trees(), 12);
}

// As XGBClassifier; the Booster alone takes all, as does a limit of 0.
TEST(XGBoost, TakesTheRoundsUpToTheBest) {
  for (const char* name : {"early", "early_classes"}) {
    const Json& expected = Expected().at(name);
    const std::vector<double> x = Flattened(expected.at("x"));
    const std::string content = Content(name + std::string(".ubj"));
    const auto best = ReadXGBoostModel(content, std::nullopt), all = ReadXGBoostModel(content, 0);
    ExpectNear(PredictAll(*all->Margin(), x), Flattened(expected.at("all_margin")), 1e-6);
    const auto used = expected.at("rounds")[0].get<std::int64_t>();
    const auto rounds = expected.at("rounds")[1].get<std::int64_t>();
    const std::int64_t each = std::string_view(name) == "early" ? 1 : 9;
    EXPECT_EQ(best->trees()->trees(), used * each);
    EXPECT_EQ(all->trees()->trees(), rounds * each);
    EXPECT_THAT(
        best->notes(),
        ElementsAre(HasSubstr(fmt::format("the first {} of the model's {} rounds", used, rounds))));
    EXPECT_THAT(all->notes(), IsEmpty());
    EXPECT_EQ(ReadXGBoostModel(content, 1)->trees()->trees(), each == 1 ? 1 : 3);
  }
  const std::string multi = Content("multi.json");  // four rounds of three trees
  const auto with = [&](const std::string& attributes) {
    return ReadXGBoostModel(
               Replaced(multi, "\"attributes\":{}", "\"attributes\":{" + attributes + "}"),
               std::nullopt)
        ->trees()
        ->trees();
  };
  EXPECT_EQ(with(R"("best_iteration":"1")"), 6);
  EXPECT_EQ(with(R"("best_ntree_limit":"1")"), 3);  // of old versions
  EXPECT_EQ(with(R"("best_iteration":"1","best_ntree_limit":"2")"), 6);
  EXPECT_EQ(with(R"("best_iteration":"3")"), 12);
  EXPECT_EQ(with(R"("best_iteration":"99999999999")"), 12);
  EXPECT_EQ(ReadXGBoostModel(Content("vector.json"), std::nullopt)->trees()->trees(), 12);
}

TEST(XGBoost, ALeafOfSeveralNumbersIsATreeOfEachOutput) {
  const std::string good = Content("vector.json");
  const auto all = ReadXGBoostModel(good, 0);
  EXPECT_EQ(all->trees()->trees(), 12);
  EXPECT_THAT(std::span(all->trees()->outputs).first(4), ElementsAre(0, 1, 2, 0));
  EXPECT_EQ(ReadXGBoostModel(good, 2)->trees()->trees(), 6);
  EXPECT_THAT(ErrorOf(Replaced(good, "\"base_weights\":[", "\"base_weights\":[1,")),
              HasSubstr("tree 0: \"base_weights\" has"));
  EXPECT_THAT(ErrorOf(Replaced(good, "\"leaf_weights\":[", "\"leaf_weights\":[1,")),
              HasSubstr("numbers; 3 a leaf were expected"));
  EXPECT_THAT(ErrorOf(Replaced(good, "\"leaf_weights\":[", "\"leaf_weights\":[],\"other\":[")),
              HasSubstr("no error"));  // as before 3.2
  EXPECT_THAT(ErrorOf(Replaced(good, "\"num_target\":\"3\"", "\"num_target\":\"2\"")),
              HasSubstr("base_score has 3 numbers for 2 outputs"));
  EXPECT_THAT(ErrorOf(Replaced(good, "\"num_target\":\"3\"", "\"num_target\":\"900000000000\"")),
              HasSubstr("outputs but 12 trees"));
  std::string two = Replaced(good, "\"num_target\":\"3\"", "\"num_target\":\"4\"");
  two = Replaced(two, "\"base_score\":\"[", "\"base_score\":\"[1,");
  EXPECT_THAT(ErrorOf(two),
              HasSubstr("it has 3 numbers in each leaf, but the model has 4 outputs"));
  EXPECT_THAT(ErrorOf(Replaced(good, "\"categories_nodes\":[", "\"categories_nodes\":[1"),
                      ErrorCode::kUnsupported),
              HasSubstr("splits by categories and has several numbers"));
  const auto at = good.find("\"right_children\":[");
  const auto end = good.find(']', at);
  const auto last = good.rfind(',', end);
  EXPECT_THAT(ErrorOf(good.substr(0, last + 1) + "99" + good.substr(end)),
              HasSubstr("its leaf 99 is none of the 8 of \"leaf_weights\""));
}

TEST(XGBoost, KeepsTheNamesOfColumns) {
  EXPECT_THAT(ReadXGBoostModel(Content("named.ubj"), 0)->column_names(),
              ElementsAre("a", "b", "c", "d", "e", "f"));
  EXPECT_THAT(ReadXGBoostModel(Content("binary.ubj"), 0)->column_names(), IsEmpty());
}

TEST(XGBoost, KeepsTheNamesOfCategories) {
  for (const char* file : {"named.ubj", "named.json"}) {
    const auto categories = ReadXGBoostModel(Content(file), 0)->column_categories();
    ASSERT_EQ(categories.size(), 6u);
    EXPECT_THAT(categories[0], IsEmpty());
    ASSERT_EQ(categories[4].size(), 70u);
    EXPECT_EQ(categories[4][69], "k69");
    EXPECT_THAT(categories[5], ElementsAre("v", "w", "x", "y", "z"));
  }
  EXPECT_THAT(ReadXGBoostModel(Content("categorical.ubj"), 0)->column_categories(), IsEmpty());
  const std::string good = Content("named.json");
  const std::string offsets = "\"offsets\":[0,1,2,3,4,5],\"values\":[118,119,120,121,122]";
  // Names are bytes, signed or not; without offsets the values are numbers.
  const auto changed = ReadXGBoostModel(
      Replaced(good, offsets, "\"offsets\":[0,2,3,3],\"values\":[-61,188,120]"), 0);
  EXPECT_THAT(changed->column_categories()[5], ElementsAre("ü", "x", ""));
  const auto numbers =
      ReadXGBoostModel(Replaced(good, offsets, "\"type\":5,\"values\":[-1,300,20]"), 0);
  EXPECT_THAT(numbers->column_categories()[5], ElementsAre("-1", "300", "20"));
  EXPECT_THAT(ErrorOf(Replaced(good, offsets, "\"offsets\":[0,6],\"values\":[118]")),
              HasSubstr("cats.enc[]: \"offsets\" are not ascending within the 1 of \"values\""));
  EXPECT_THAT(ErrorOf(Replaced(good, offsets, "\"offsets\":[1,0],\"values\":[118]")),
              HasSubstr("are not ascending"));
  EXPECT_THAT(ErrorOf(Replaced(good, offsets, "\"offsets\":[0,1],\"values\":[300]")),
              HasSubstr("300 is no byte of a name"));
  EXPECT_THAT(ErrorOf(Replaced(good, offsets, "\"offsets\":[0,1],\"values\":[0]")),
              HasSubstr("has a zero byte"));
  EXPECT_THAT(ErrorOf(Replaced(good, offsets, "\"offsets\":[0,1,2],\"values\":[118,118]")),
              HasSubstr("column 5: category \"v\" is named twice"));
  EXPECT_THAT(ErrorOf(Replaced(good, "{" + offsets + "}", "{},{}")),
              HasSubstr("\"cats\" has 7 columns, but num_feature is 6"));
}

TEST(XGBoost, ThresholdsAreThoseOfSinglePrecision) {
  for (const float t : {0.1F, 1.0F, -1.0F, 0.0F, 3.1415927F, 1e-45F, -2.5e30F, 16777217.0F}) {
    const double at = FloatLess(t), to = FloatLessEqual(t);
    for (const double x :
         {double{t}, std::nextafter(double{t}, -1e300), std::nextafter(double{t}, 1e300), at,
          std::nextafter(at, -1e300), std::nextafter(at, 1e300), to, std::nextafter(to, -1e300),
          double{std::nextafterf(t, -1e38F)}, double{std::nextafterf(t, 1e38F)}}) {
      EXPECT_EQ(x < at, static_cast<float>(x) < t) << t << " " << x;
      EXPECT_EQ(x < to, static_cast<float>(x) <= t) << t << " " << x;
    }
  }
}

TEST(XGBoost, SaysWhatIsWrong) {
  const std::string good = Content("binary.json");
  EXPECT_THAT(ErrorOf(""), HasSubstr("no model that XGBoost saved"));
  EXPECT_THAT(ErrorOf("binf\1\2\3"), HasSubstr("load and save them again"));
  EXPECT_THAT(ErrorOf("{}"), HasSubstr("no learner.gradient_booster.name"));
  EXPECT_THAT(ErrorOf(good.substr(0, good.size() / 2)), HasSubstr("byte "));
  EXPECT_THAT(ErrorOf(Replaced(good, "gbtree\"", "gblinear\""), ErrorCode::kUnsupported),
              HasSubstr("linear: model"));
  EXPECT_THAT(ErrorOf(Replaced(good, "binary:logistic", "binary:logistc"), ErrorCode::kUnsupported),
              HasSubstr("did you mean \"binary:logistic\"?"));
  EXPECT_THAT(ErrorOf(Replaced(good, "binary:logistic", "binary:hinge"), ErrorCode::kUnsupported),
              HasSubstr("survival:aft, survival:cox"));  // all of them
  EXPECT_THAT(ErrorOf(Replaced(good, "\"left_children\":[1,", "\"left_children\":[")),
              HasSubstr("tree 0: \"right_children\" has"));
  EXPECT_THAT(ErrorOf(Replaced(good, "\"left_children\":[1,", "\"left_children\":[99,")),
              HasSubstr("tree 0: node 0: its child 99 is none of the tree's nodes"));
  EXPECT_THAT(ErrorOf(Replaced(good, "\"left_children\":[1,", "\"left_children\":[0,")),
              HasSubstr("its child 0 is none"));
  EXPECT_THAT(ErrorOf(Replaced(good, "\"right_children\":[2,", "\"right_children\":[1,")),
              HasSubstr("has another parent"));
  EXPECT_THAT(ErrorOf(Replaced(good, "\"left_children\":[1,", "\"left_children\":[1.5,")),
              HasSubstr("trees[].left_children[]: 1.5 is no integer"));
  EXPECT_THAT(ErrorOf(Replaced(good, "\"left_children\":[1,", "\"left_children\":[3000000000,")),
              HasSubstr("out of range"));
  EXPECT_THAT(ErrorOf(Replaced(good, "\"num_feature\":\"6\",\"num_target",
                               "\"num_feature\":\"1\",\"num_target")),
              HasSubstr("but the model has 1"));
  EXPECT_THAT(ErrorOf(Replaced(good, "\"num_feature\":\"6\",\"num_target",
                               "\"num_feature\":\"six\",\"num_target")),
              HasSubstr("num_feature is \"six\""));
  EXPECT_THAT(ErrorOf(Replaced(good, "\"num_class\":\"0\"", "\"num_class\":\"900000000000\"")),
              HasSubstr("outputs but 4 trees"));
  EXPECT_THAT(ErrorOf(Replaced(good, "\"base_score\":\"[", "\"base_score\":\"[0.2,")),
              HasSubstr("base_score has 2 numbers for 1 outputs"));
  EXPECT_THAT(ErrorOf(Replaced(good, "\"base_score\":\"[", "\"base_score\":\"[1")),
              HasSubstr("a probability between 0 and 1"));
  EXPECT_THAT(ErrorOf(Replaced(good, "\"tree_info\":[0,", "\"tree_info\":[")),
              HasSubstr("\"tree_info\" has 3 numbers for 4 trees"));
  EXPECT_THAT(ErrorOf(Replaced(good, "\"tree_info\":[0,", "\"tree_info\":[7,")),
              HasSubstr("adds to output 7"));
  EXPECT_THAT(ErrorOf(Replaced(good, "\"split_conditions\":[", "\"split_conditions\":[1e300,")),
              HasSubstr("does not fit into single precision"));
  EXPECT_THAT(ErrorOf(Replaced(good, "\"size_leaf_vector\":\"1\"", "\"size_leaf_vector\":\"2\"")),
              HasSubstr("tree 0: \"base_weights\" has"));
  const std::string categorical = Content("categorical.json");
  EXPECT_THAT(ErrorOf(Replaced(categorical, "\"categories_segments\":[0",
                               "\"categories_segments\":[99999")),
              HasSubstr("are not within"));
  EXPECT_THAT(ErrorOf(Replaced(categorical, "\"categories_sizes\":[", "\"categories_sizes\":[0,")),
              HasSubstr("categories"));
  EXPECT_THAT(
      ErrorOf(Replaced(categorical, "\"categories_sizes\":[", "\"categories_sizes\":[999,")),
      HasSubstr("categories in all, but \"categories\" has"));
  EXPECT_THAT(ErrorOf(std::string(100, '{')), HasSubstr("byte "));
  std::string deep = "{\"a\":";
  for (int i = 0; i < 100; ++i) deep += "[";
  EXPECT_THAT(ErrorOf(deep), HasSubstr("nested more than 64 deep"));
}

TEST(XGBoost, TruncatedFilesAreErrors) {
  for (const char* file : {"categorical.ubj", "constant.json", "vector.ubj"}) {
    const std::string content = Content(file);
    for (std::size_t size = 0; size < content.size(); size += 7) {
      EXPECT_NE(ErrorOf(content.substr(0, size)), "no error") << file << " " << size;
    }
  }
}

TEST(XGBoost, AnArrayOfNothingIsNoHang) {
  // A UBJSON array that says that it has 2^60 nulls, which take no bytes.
  const std::string endless("{i\1a[$Z#L\x10\0\0\0\0\0\0\0", 17);
  EXPECT_THAT(ErrorOf(endless), HasSubstr("more values than it has bytes"));
}

}  // namespace
}  // namespace windlass::model
