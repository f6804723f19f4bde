#include "windlass/model/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "windlass/base/error.h"

namespace windlass::model {
namespace {

using ::testing::HasSubstr;

class ModelSpecs : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!Registry::Global().Has<ModelFormat>("linear")) RegisterModelFormats(Registry::Global());
  }

  static std::string ErrorOf(std::string_view text, ErrorCode code) {
    try {
      ParseModelSpec(text);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      return error.what();
    }
    return "no error";
  }
};

constexpr const char* kLinear =
    R"({"windlass": "linear", "version": 1, "activation": "sigmoid", "coef": [1, 2],
        "intercept": 0})";

TEST_F(ModelSpecs, NameTheFormatOrShowItByTheEnding) {
  for (const auto* text : {"linear:a/coef.json", "a/coef.json", "a/coef.JSON"}) {
    EXPECT_EQ(ParseModelSpec(text).name, "linear") << text;
  }
  EXPECT_EQ(ParseModelSpec("m.lgb").name, "lightgbm");
  EXPECT_EQ(ParseModelSpec("model.txt?ntree_limit=3").name, "lightgbm");
  EXPECT_EQ(ParseModelSpec("m.ubj").name, "xgboost");
  EXPECT_EQ(ParseModelSpec("linear:a/coef.json").location, "a/coef.json");
  EXPECT_EQ(ParseModelSpec("linear:coef.txt").location, "coef.txt");
  EXPECT_EQ(ParseModelSpec("s3://bucket/coef.json").location, "s3://bucket/coef.json");
  EXPECT_EQ(ParseModelSpec("coef.json?opaque=1").options.at("opaque"), "1");
}

TEST_F(ModelSpecs, ListTheKnownFormatsWhenTheNameIsUnknown) {
  EXPECT_THAT(
      ErrorOf("lineer:coef.json", ErrorCode::kNotFound),
      AllOf(HasSubstr(R"(unknown model format "lineer")"), HasSubstr("linear:FILE (.json)")));
  EXPECT_THAT(ErrorOf("coef.dat", ErrorCode::kNotFound), HasSubstr("linear:FILE (.json)"));
  EXPECT_THAT(ErrorOf("", ErrorCode::kNotFound), HasSubstr("linear:FILE (.json)"));
}

TEST_F(ModelSpecs, RefuseWhatHasNoFileOrUnknownOptions) {
  EXPECT_THAT(ErrorOf("linear:", ErrorCode::kInvalidInput),
              HasSubstr("names no file; linear:FILE was expected"));
  EXPECT_THAT(ErrorOf("coef.json?opague=1", ErrorCode::kInvalidInput),
              HasSubstr(R"(unknown option "opague"; did you mean "opaque"?)"));
  EXPECT_THAT(ErrorOf("coef.json?opaque=maybe", ErrorCode::kInvalidInput),
              HasSubstr("option opaque=maybe: 0 or 1 was expected"));
  EXPECT_THAT(ErrorOf("coef.json?opaque=1&opaque=0", ErrorCode::kInvalidInput),
              HasSubstr("stands twice"));
}

TEST_F(ModelSpecs, OpaqueHidesTheStructureAndChangesNoPrediction) {
  const Bytes content{std::string(kLinear)};
  const auto open = LoadModel({ParseModelSpec("coef.json"), content});
  const auto opaque = LoadModel({ParseModelSpec("coef.json?opaque=1"), content});
  ASSERT_NE(open->linear(), nullptr);
  EXPECT_EQ(opaque->linear(), nullptr);
  EXPECT_EQ(opaque->columns(), 2);
  EXPECT_EQ(opaque->output_names(), open->output_names());
  const std::vector<double> x = {0.25, -3};
  std::vector<double> a(1), b(1);
  open->Predict(x, 1, a);
  opaque->Predict(x, 1, b);
  EXPECT_EQ(a, b);
}

TEST_F(ModelSpecs, ErrorsOfAFormatNameTheFile) {
  try {
    LoadModel({ParseModelSpec("linear:some/coef.json"), Bytes(std::string("{"))});
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("some/coef.json:1:2: not valid JSON"));
  }
}

TEST_F(ModelSpecs, RefuseALimitOfTreesBelowZero) {
  for (const auto* text : {"xgboost:m.ubj?ntree_limit=-1", "lightgbm:m.txt?ntree_limit=-1"}) {
    ModelSource source;
    source.spec = ParseModelSpec(text);
    try {
      LoadModel(source);
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("ntree_limit is -1; 0 (all) or more was expected"));
    }
  }
}

}  // namespace
}  // namespace windlass::model
