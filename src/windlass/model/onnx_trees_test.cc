#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "windlass/base/error.h"
#include "windlass/model/onnx_graph.h"
#include "windlass/model/testing_internal.h"
#include "windlass/model/trees.h"

namespace windlass::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Content(const std::string& name) {
  return ReadTestdata("onnx_trees/" + name + ".onnx");
}

const Json& Expected() {
  static const Json expected = ParseTestdata("onnx_trees/expected.json");
  return expected;
}

std::unique_ptr<Model> ModelOf(OnnxTrees trees) {
  return MakeTreeModel(std::move(trees.ensemble), trees.activation, std::move(trees.names));
}

class OnnxTreeFiles : public ::testing::TestWithParam<std::string> {};

TEST_P(OnnxTreeFiles, AreShownExactlyWhenTheyAreTreesAndPredictAsTheRuntimeDoes) {
  const Json& expected = Expected().at(GetParam());
  auto trees = ReadOnnxTrees(Content(GetParam()), GetParam());
  ASSERT_EQ(trees.has_value(), expected.at("trees").get<bool>());
  if (!trees) return;
  const Activation activation = trees->activation;
  EXPECT_EQ(activation == Activation::kSigmoid   ? "sigmoid"
            : activation == Activation::kSoftmax ? "softmax"
            : activation == Activation::kExp     ? "exp"
                                                 : "identity",
            expected.at("activation").get<std::string>());
  const auto model = ModelOf(std::move(*trees));
  EXPECT_EQ(model->output_names(), expected.at("outputs").get<std::vector<std::string>>());
  ASSERT_EQ(model->columns(), 3);
  ExpectNear(PredictAll(*model, Flattened(expected.at("x"))), Flattened(expected.at("y")), 1e-6);
}

TEST_P(OnnxTreeFiles, GiveRowsThatDoNotDependOnTheirCompany) {
  auto trees = ReadOnnxTrees(Content(GetParam()), GetParam());
  if (!trees) return;
  const auto model = ModelOf(std::move(*trees));
  ExpectRowsDoNotDependOnTheirCompany(*model, Flattened(Expected().at(GetParam()).at("x")));
}

TEST_P(OnnxTreeFiles, CutOrChangedAnywhereGiveAnErrorOrAModel) {
  const std::string whole = Content(GetParam());
  const auto read = [](std::string_view content) {
    try {
      if (auto trees = ReadOnnxTrees(content, "m.onnx")) ModelOf(std::move(*trees));
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidInput) << error.what();
    }
  };
  for (std::size_t at = 0; at < whole.size(); at += 17) {
    read(std::string_view(whole).substr(0, at));
    std::string damaged = whole;
    for (const int flip : {0x01, 0x80}) {
      damaged[at] = static_cast<char>(whole[at] ^ flip);
      read(damaged);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Testdata, OnnxTreeFiles, ::testing::ValuesIn(KeysOf(Expected())),
                         [](const auto& info) { return info.param; });

TEST(OnnxTrees, KeepTheNamesOfInputsAndClasses) {
  auto trees = ReadOnnxTrees(Content("three_inputs"), "m.onnx");
  ASSERT_TRUE(trees.has_value());
  EXPECT_THAT(trees->names.columns, ElementsAre("age", "income", "debt"));
  trees = ReadOnnxTrees(Content("forest_words"), "m.onnx");
  ASSERT_TRUE(trees.has_value());
  EXPECT_THAT(trees->names.columns, IsEmpty());
  EXPECT_THAT(trees->names.outputs, ElementsAre("no", "yes"));
}

TEST(OnnxTrees, TakeCoversFromRatesThatSaySomething) {
  auto trees = ReadOnnxTrees(Content("covers"), "m.onnx");
  ASSERT_TRUE(trees.has_value());
  const TreeEnsemble& e = trees->ensemble;
  ASSERT_EQ(e.cover.size(), e.nodes.size());
  EXPECT_EQ(e.cover[e.roots[0]], 10);
  EXPECT_EQ(e.cover[e.roots[1]], 8);
  // Exporters of scikit-learn write ones.
  EXPECT_THAT(ReadOnnxTrees(Content("forest"), "m.onnx")->ensemble.cover, IsEmpty());
}

TEST(OnnxTrees, TheMarginIsWhatTheActivationTakes) {
  const auto model = ModelOf(*ReadOnnxTrees(Content("boosted"), "m.onnx"));
  const auto x = Flattened(Expected().at("boosted").at("x"));
  const auto p = PredictAll(*model, x), margin = PredictAll(*model->Margin(), x);
  for (std::size_t i = 0; i < p.size(); ++i) {
    EXPECT_NEAR(margin[i], std::log(p[i] / (1 - p[i])), 1e-9);
  }
}

}  // namespace
}  // namespace windlass::model
