#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "windlass/base/error.h"
#include "windlass/job/schema.h"

namespace windlass::job {
namespace {

using ::testing::HasSubstr;

const Schema kSchema(
    "explain", 1,
    {{"model", "the model", {FieldType::kText}, true},
     {"link", "the link", {FieldType::kText}, false, "identity", {"identity", "logit"}},
     {"nsamples",
      "coalitions a row",
      {FieldType::kText, FieldType::kInteger},
      false,
      "auto",
      {"auto"},
      2.0},
     {"clip", "clip", {FieldType::kNumber}, false, 0.0, {}, 0.0, 0.5}});

std::string ErrorOf(const char* json) {
  try {
    kSchema.Normalise(ParseJson(json, "spec.json"), "spec.json");
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Schema, FillsInDefaults) {
  const Json normal = kSchema.Normalise(ParseJson(R"({"kind":"explain","model":"m"})", "x"), "x");
  EXPECT_EQ(CanonicalDump(normal),
            R"({"clip":0.0,"kind":"explain","link":"identity","model":"m","nsamples":"auto",)"
            R"("version":1})");
}

TEST(Schema, SaysWhatIsWrongAndWhatWouldBeRight) {
  EXPECT_THAT(ErrorOf(R"({"modle": "m"})"),
              HasSubstr(R"(spec.json: unknown key "modle"; did you mean "model"?)"));
  EXPECT_THAT(ErrorOf(R"({})"), HasSubstr(R"("model" is missing: the model)"));
  EXPECT_THAT(ErrorOf(R"({"model": 3})"), HasSubstr(R"("model" is 3, but must be of type string)"));
  EXPECT_THAT(ErrorOf(R"({"model": "m", "link": "logi"})"),
              HasSubstr(R"("link" is "logi"; did you mean "logit"?)"));
  EXPECT_THAT(ErrorOf(R"({"model": "m", "nsamples": 1})"), HasSubstr("at least 2"));
  EXPECT_THAT(ErrorOf(R"({"model": "m", "nsamples": 1.5})"), HasSubstr("string or integer"));
  EXPECT_THAT(ErrorOf(R"({"model": "m", "clip": 0.9})"), HasSubstr("at least 0 and at most 0.5"));
  EXPECT_THAT(ErrorOf(R"({"model": "m", "version": 2})"), HasSubstr("reads version 1"));
  EXPECT_THAT(ErrorOf("[]"), HasSubstr("a spec is a JSON object"));
}

}  // namespace
}  // namespace windlass::job
