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
std::string GoldenDigits(Method method, bool owen = false) {
  Adult adult;
  adult.plan.model.spec.name = "linear";
  adult.plan.model.spec.location = "model.json";
  adult.plan.model.content = Bytes(std::string(adult.model_json));
  adult.plan.method = method;
  adult.plan.nsamples = 400;
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
  ASSERT_EQ(MakeExplainTask({}, {}, {}).version, 4);
  EXPECT_EQ(GoldenDigits(Method::kLinear), "fb2c4b9f0532aa19");
  EXPECT_EQ(GoldenDigits(Method::kExact), "90308a917a608df1");
  EXPECT_EQ(GoldenDigits(Method::kTree), "9ab8eede02820456");
  EXPECT_EQ(GoldenDigits(Method::kKernel), "fcde5ff9b56435d0");
  EXPECT_EQ(GoldenDigits(Method::kPermutation), "1289fb11f90f1b4c");
  EXPECT_EQ(GoldenDigits(Method::kLeverage), "7eb5f70fedeb7bbf");
  EXPECT_EQ(GoldenDigits(Method::kMsr), "18bfcee37fa4eef4");
  EXPECT_EQ(GoldenDigits(Method::kExact, true), "c07b9b6722b99329");
  EXPECT_EQ(GoldenDigits(Method::kPermutation, true), "a8a61d94bf2bc464");
  EXPECT_EQ(GoldenDigits(Method::kTree, true), "967530eaa05b19cb");
}

}  // namespace
}  // namespace windlass::explain
