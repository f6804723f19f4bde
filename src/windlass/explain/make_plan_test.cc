#include "windlass/explain/make_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/base/json.h"
#include "windlass/explain/capability.h"
#include "windlass/job/capability.h"
#include "windlass/model/model.h"

namespace windlass::explain {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Source(const std::string& file) {
  const char* source = std::getenv("WINDLASS_SOURCE");
  return std::filesystem::path(source == nullptr ? "." : source) / "src/windlass" / file;
}

std::string Testdata(const std::string& file) {
  return Source("explain/testdata/categories/" + file);
}

const Json& Expected() {
  static const Json expected = ParseJson(ReadFile(Testdata("expected.json")), "expected.json");
  return expected;
}

PreparedPlan PlanOf(const std::string& model, const std::string& background,
                    const std::string& data, const Json& more = Json::object()) {
  if (!Registry::Global().Has<model::ModelFormat>("linear")) {
    model::RegisterModelFormats(Registry::Global());
    RegisterExplain(Registry::Global());
  }
  Json spec = {{"kind", "explain"},
               {"version", 1},
               {"model", model},
               {"background", background},
               {"data", data}};
  spec.update(more);
  return MakePlan(
      Registry::Global().Find<job::Capability>("explain").schema().Normalise(spec, "spec"));
}

// The rows of `data` as the job reads them.
std::vector<double> RowsOf(const PreparedPlan& prepared, const std::string& data) {
  const auto reader = table::OpenTable(data, prepared.DataOptions());
  table::Chunk chunk;
  reader->Next(1000, chunk);
  return chunk.values;
}

std::vector<double> PredictAll(const PreparedPlan& prepared, const std::vector<double>& x) {
  const auto model = model::LoadModel(prepared.plan.model);
  const auto rows = std::ssize(x) / model->columns();
  std::vector<double> out(rows * model->outputs());
  model->Predict(x, rows, out);
  return out;
}

void ExpectNear(const std::vector<double>& values, const Json& wanted) {
  ASSERT_EQ(values.size(), wanted.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_NEAR(values[i], wanted[i].get<double>(), 1e-6) << i;
  }
}

struct Case {
  const char* model;
  const char* name;
};

class CategoriesOfModels : public ::testing::TestWithParam<Case> {
 protected:
  std::string Model() const { return Testdata(GetParam().model); }
  const Json& Wanted(const char* table) const { return Expected().at(table).at(GetParam().name); }
};

// Dictionaries in another order, plain text, numbers that are categories, numbers that are codes.
TEST_P(CategoriesOfModels, HaveTheModelsCodesWhateverTheTableHas) {
  for (const char* background : {".parquet", ".feather", ".csv", "_codes.parquet"}) {
    for (const char* data : {".parquet", ".feather", ".csv", "_codes.parquet"}) {
      SCOPED_TRACE(std::string(background) + " " + data);
      const std::string data_uri = Testdata(std::string("data") + data);
      const PreparedPlan prepared =
          PlanOf(Model(), Testdata(std::string("background") + background), data_uri);
      EXPECT_TRUE(prepared.codes_of_model);
      EXPECT_THAT(prepared.columns[0].categories, IsEmpty());
      EXPECT_THAT(prepared.columns[1].categories, ElementsAre("red", "green", "blue", "never"));
      EXPECT_THAT(prepared.columns[2].categories, ElementsAre("10", "20", "40"));
      ExpectNear(PredictAll(prepared, prepared.plan.background), Wanted("background"));
      ExpectNear(PredictAll(prepared, RowsOf(prepared, data_uri)), Wanted("data"));
    }
  }
}

TEST_P(CategoriesOfModels, ThatTheModelDoesNotKnowAreErrorsThatNameThem) {
  const auto error_of = [&](const std::string& rows) {
    const TemporaryFolder folder;
    const std::string path = folder.path() / "t.csv";
    WriteFileAtomically(path, "weight,color,size\n" + rows);
    try {
      PlanOf(Model(), path, path);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_EQ(error_of("1,red,10\n2,,\n"), "no error");
  EXPECT_THAT(error_of("1,red,10\n2,purple,10\n"),
              HasSubstr("row 1 (counted from 0), column \"color\": \"purple\" does not occur among "
                        "the column's 4 categories (\"red\", \"green\", \"blue\", \"never\")"));
  EXPECT_THAT(error_of("1,red,10\n2,red,15\n"),
              HasSubstr("row 1 (counted from 0), column \"size\": 15 does not occur among the "
                        "column's 3 categories (10, ...)"));
  EXPECT_THAT(error_of("1,3,10\n2,4,10\n"),
              HasSubstr("row 1 (counted from 0), column \"color\": 4 is no code of the column's "
                        "categories, which are 0..3"));
  EXPECT_THAT(error_of("1,0.5,10\n"), HasSubstr("0.5 is no code"));
}

INSTANTIATE_TEST_SUITE_P(Explain, CategoriesOfModels,
                         ::testing::Values(Case{"lightgbm.txt", "lightgbm"},
                                           Case{"xgboost.ubj", "xgboost"}),
                         [](const auto& info) { return std::string(info.param.name); });

// A forest of scikit-learn gives probabilities without a last function; boosted trees do not.
TEST(MakePlan, AllowsLogitWhereSumsOfLeavesAreProbabilities) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "t.csv";
  WriteFileAtomically(path, "a,b,c\n1,2,3\n0,0,0\n");
  const Json logit = {{"link", "logit"}};
  for (const char* name : {"forest", "forest_three", "boosted", "three_softmax"}) {
    EXPECT_EQ(PlanOf(Source(std::string("model/testdata/onnx_trees/") + name + ".onnx"), path, path,
                     logit)
                  .plan.link,
              Link::kLogit)
        << name;
  }
  for (const char* name : {"forest_regressor", "boosted_regressor", "binary_none_mixed"}) {
    try {
      PlanOf(Source(std::string("model/testdata/onnx_trees/") + name + ".onnx"), path, path, logit);
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("link logit needs probabilities, but")) << name;
    }
  }
}

// A model that stopped early is cut, and the plan says so; another limit is the user's.
TEST(MakePlan, SaysThatTrainingStoppedEarly) {
  const TemporaryFolder folder;
  const std::string table = folder.path() / "rows.csv";
  WriteFileAtomically(table, "a,b,c,d,e,f\n1,2,3,4,5,6\n");
  const std::string model = "xgboost:" + Source("model/testdata/xgboost/early.ubj");
  EXPECT_THAT(PlanOf(model, table, table).notes,
              ElementsAre(HasSubstr("the first 5 of the model's 8 rounds are used")));
  EXPECT_THAT(PlanOf(model + "?opaque=1", table, table).notes, ElementsAre(HasSubstr("rounds")));
  EXPECT_THAT(PlanOf(model + "?ntree_limit=0", table, table).notes, IsEmpty());
}

}  // namespace
}  // namespace windlass::explain
