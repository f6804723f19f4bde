#include "windlass/explain/task.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "windlass/base/file.h"
#include "windlass/base/hash.h"
#include "windlass/engine/task.h"
#include "windlass/explain/adult_testing_internal.h"

namespace windlass::explain {
namespace {

// The first 16 digits of the hash of 40 rows of Adult explained.
std::string GoldenDigits(Method method, bool interactions = false, bool owen = false) {
  Adult adult;
  adult.plan.model.spec.name = "linear";
  adult.plan.model.spec.location = "model.json";
  adult.plan.model.content = Bytes(std::string(adult.model_json));
  adult.plan.method = method;
  adult.plan.nsamples = 400;
  adult.plan.interactions = interactions;
  if (method == Method::kTree) {
    const char* source = std::getenv("WINDLASS_SOURCE");
    adult.plan.model.spec.name = "xgboost";
    adult.plan.model.content =
        Bytes(ReadFile(std::filesystem::path(source == nullptr ? "." : source) /
                       "tests/peers/data/trees/adult.ubj"));
    adult.plan.margin = true;
    adult.plan.interactions = !owen;
    adult.plan.link = Link::kIdentity;
  }
  if (owen) {
    constexpr std::int32_t kTop = Hierarchy::kTop;
    adult.plan.hierarchy = {{kTop, 0, kTop}, {0, 1, 1, 2, 2, 2, kTop, 0, 1, 2, kTop, kTop}};
  }
  const std::int64_t rows = 40;
  Attributions out;
  MakeExplainer(adult.plan)
      ->Explain(
          std::span(adult.rows).first(rows * adult.plan.columns), rows, [] {}, out);
  return HashOf(EncodeAttributions(out).view()).Hex().substr(0, 16);
}

// Results are remembered by the version of their kind. When this fails because a change of results
// is meant, raise kVersion in task.cc and put the new digits here, both in one commit.
TEST(ExplainTask, GivesTheBytesOfItsVersion) {
  model::RegisterModelFormats(Registry::Global());
  ASSERT_EQ(MakeExplainTask({}, {}, {}).version, 6);
  EXPECT_EQ(GoldenDigits(Method::kLinear), "15acaa61fb797999");
  EXPECT_EQ(GoldenDigits(Method::kExact), "1eb4845e9b5599e6");
  EXPECT_EQ(GoldenDigits(Method::kTree), "15bd2deefaf34ba3");
  EXPECT_EQ(GoldenDigits(Method::kKernel), "6da6b4e2ef7a6a70");
  EXPECT_EQ(GoldenDigits(Method::kPermutation), "7ad3f3e586ae7aba");
  EXPECT_EQ(GoldenDigits(Method::kLeverage), "0066d2c725d18fa8");
  EXPECT_EQ(GoldenDigits(Method::kMsr), "3b5aaacd78f493cc");
  EXPECT_EQ(GoldenDigits(Method::kMsr, /*interactions=*/true), "ec101424d4ca5822");
  EXPECT_EQ(GoldenDigits(Method::kExact, false, true), "9146dd9d4e442559");
  EXPECT_EQ(GoldenDigits(Method::kPermutation, false, true), "b5d2edb9ab9d3f58");
  EXPECT_EQ(GoldenDigits(Method::kTree, false, true), "13cbfd9f1d4119a9");
}

}  // namespace
}  // namespace windlass::explain
