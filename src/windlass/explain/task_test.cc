#include "windlass/explain/task.h"

#include <gtest/gtest.h>

#include "windlass/base/hash.h"
#include "windlass/engine/task.h"
#include "windlass/explain/adult_testing_internal.h"

namespace windlass::explain {
namespace {

// The first 16 digits of the hash of 40 rows of Adult explained.
std::string GoldenDigits(Method method) {
  Adult adult;
  adult.plan.model.spec.name = "linear";
  adult.plan.model.spec.location = "model.json";
  adult.plan.model.content = Bytes(std::string(adult.model_json));
  adult.plan.method = method;
  adult.plan.nsamples = 400;
  const std::int64_t rows = 40;
  Attributions out;
  MakeExplainer(adult.plan)
      ->Explain(std::span(adult.rows).first(rows * adult.plan.columns), rows, [] {}, out);
  return HashOf(EncodeAttributions(out).view()).Hex().substr(0, 16);
}

// Results are remembered by the version of their kind. When this fails because a change of results
// is meant, raise kVersion in task.cc and put the new digits here, both in one commit.
TEST(ExplainTask, GivesTheBytesOfItsVersion) {
  model::RegisterModelFormats(Registry::Global());
  ASSERT_EQ(MakeExplainTask({}, {}, {}).version, 2);
  EXPECT_EQ(GoldenDigits(Method::kLinear), "0cfa59eace931836");
  EXPECT_EQ(GoldenDigits(Method::kExact), "1b891d18b18a4c13");
  EXPECT_EQ(GoldenDigits(Method::kKernel), "a82520f786c360d7");
}

}  // namespace
}  // namespace windlass::explain
