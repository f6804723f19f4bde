#include "windlass/tune/space.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "windlass/base/error.h"

namespace windlass::tune {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::IsNan;
using ::testing::Le;

Json Booster() {
  return ParseJson(R"({
    "booster": {"type": "categorical", "choices": ["gbtree", "dart", 3, true]},
    "a_drop": {"type": "float", "low": 0, "high": 1, "when": {"booster": "dart"}, "default": 0.25},
    "depth": {"type": "integer", "low": 3, "high": 10, "default": 3},
    "rounds": {"type": "integer", "low": 1, "high": 100000, "log": true},
    "rate": {"type": "float", "low": 1e-5, "high": 0.1, "log": true},
    "deep": {"type": "boolean", "when": {"depth": [9, 10]}},
    "bins": {"type": "ordinal", "choices": [16, 64, 256], "when": {"deep": true}},
    "seed": {"type": "constant", "value": "x"}})",
                   "booster.json");
}

std::string ErrorOf(const char* document) {
  try {
    Space::Parse(ParseJson(document, "test"), "s.yaml");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
    return error.what();
  }
  return "";
}

TEST(Space, ParentsComeFirstAndTheRestByName) {
  const Space space = Space::Parse(Booster());
  std::vector<std::string> names;
  for (const Parameter& parameter : space) names.push_back(parameter.name);
  EXPECT_THAT(names,
              ElementsAre("booster", "a_drop", "depth", "deep", "bins", "rate", "rounds", "seed"));
  EXPECT_EQ(space.varied().size(), 7U);
  EXPECT_EQ(Space::Parse(space.ToJson()).ToJson(), space.ToJson());
}

TEST(Space, WhatDoesNotCountIsNaN) {
  const Space space = Space::Parse(Booster());
  Point point = space.Initial();
  EXPECT_THAT(point[static_cast<std::size_t>(space.Find("deep"))], IsNan());
  EXPECT_THAT(point[static_cast<std::size_t>(space.Find("bins"))], IsNan());
  const Json values = {{"booster", "dart"}, {"a_drop", 0.5}, {"depth", 10}, {"deep", true},
                       {"bins", 64},        {"rate", 1e-3},  {"rounds", 7}, {"seed", "x"}};
  point = space.FromJson(values, "trial");
  EXPECT_EQ(space.ToJson(point), values);
  space.Check(point);
}

// Random spaces and points: every coordinate is a point of the space, and back is exact.
TEST(Space, UnitCoordinatesAndBack) {
  Random random(7, 0);
  for (int round = 0; round < 300; ++round) {
    Json document = Json::object();
    for (std::uint64_t i = 0; i < 1 + random.Below(5); ++i) {
      const double low = 1 + static_cast<double>(random.Below(1000));
      const double high = low + 1 + static_cast<double>(random.Below(std::uint64_t{1} << 38));
      const bool log = random.Below(2) == 0;
      Json& one = document["p" + std::to_string(i)];
      switch (random.Below(4)) {
        case 0: one = {{"type", "integer"}, {"low", low}, {"high", high}, {"log", log}}; break;
        case 1: one = {{"type", "float"}, {"low", low}, {"high", high}, {"log", log}}; break;
        case 2: one = {{"type", "categorical"}, {"choices", {"a", "b", 1, false}}}; break;
        default: one = {{"type", "boolean"}};
      }
      if (i > 0 && document["p0"]["type"] == "boolean") one["when"] = {{"p0", true}};
    }
    const Space space = Space::Parse(document);
    for (int i = 0; i < 30; ++i) {
      const Point point = space.Sample(random);
      space.Check(point);
      const std::vector<double> unit = space.ToUnit(point);
      EXPECT_THAT(unit, Each(AllOf(Ge(0.0), Le(1.0))));
      const Point back = space.FromUnit(unit);
      for (int j = 0; j < space.size(); ++j) {
        const double value = point[static_cast<std::size_t>(j)];
        const double again = back[static_cast<std::size_t>(j)];
        if (std::isnan(value)) {
          EXPECT_THAT(again, IsNan());
        } else if (space[j].kind == ParameterKind::kFloat) {
          EXPECT_NEAR(again, value, 1e-14 * space[j].high * (space[j].log ? 10 : 1));
        } else {
          EXPECT_EQ(again, value) << space.ToJson().dump();
        }
      }
    }
  }
}

TEST(Space, LogIntegersAreSpreadByTheirLogarithm) {
  const Space space =
      Space::Parse({{"n", {{"type", "integer"}, {"low", 1}, {"high", 1000}, {"log", true}}}});
  EXPECT_EQ(space.FromUnit(std::vector{0.0})[0], 1);
  EXPECT_EQ(space.FromUnit(std::vector{1.0})[0], 1000);
  EXPECT_NEAR(space.FromUnit(std::vector{0.5})[0], std::sqrt(0.5 * 1000.5), 1);
}

TEST(Space, BadDocumentsSayWhatIsWrong) {
  EXPECT_THAT(ErrorOf("{}"), HasSubstr("s.yaml: an object with at least one hyper-parameter"));
  EXPECT_THAT(ErrorOf(R"({"lr": 3})"), HasSubstr("s.yaml, \"lr\": an object was expected"));
  EXPECT_THAT(ErrorOf(R"({"lr": {}})"), HasSubstr("\"type\" is missing"));
  EXPECT_THAT(
      ErrorOf(R"({"lr": {"type": "int", "low": 0, "high": 1}})"),
      HasSubstr("unknown type \"int\"; known: boolean, categorical, constant, float, integer"));
  EXPECT_THAT(ErrorOf(R"({"lr": {"type": "float", "lwo": 0, "high": 1}})"),
              HasSubstr("\"low\" is missing"));
  EXPECT_THAT(ErrorOf(R"({"lr": {"type": "float", "low": 0, "high": 1, "logg": true}})"),
              HasSubstr("unknown key \"logg\"; did you mean \"log\"?"));
  EXPECT_THAT(ErrorOf(R"({"lr": {"type": "float", "low": 2, "high": 1}})"),
              HasSubstr("\"low\" is 2, which is not below \"high\" (1)"));
  EXPECT_THAT(ErrorOf(R"({"lr": {"type": "float", "low": 0, "high": 1, "log": true}})"),
              HasSubstr("\"low\" is 0, which has no logarithm"));
  EXPECT_THAT(ErrorOf(R"({"lr": {"type": "float", "low": -1e308, "high": 1e308}})"),
              HasSubstr("wider than numbers reach"));
  EXPECT_THAT(ErrorOf(R"({"n": {"type": "integer", "low": 0.5, "high": 1}})"),
              HasSubstr("\"low\" is 0.5, and a whole number was expected"));
  EXPECT_THAT(ErrorOf(R"({"n": {"type": "integer", "low": 0, "high": 1e16}})"),
              HasSubstr("integers reach to 2^49"));
  EXPECT_THAT(ErrorOf(R"({"lr": {"type": "float", "low": 0, "high": 1, "default": 3}})"),
              HasSubstr("s.yaml, \"lr\", \"default\": 3 is outside of 0 to 1"));
  EXPECT_THAT(ErrorOf(R"({"c": {"type": "categorical", "choices": []}})"),
              HasSubstr("\"choices\": a list of values was expected"));
  EXPECT_THAT(ErrorOf(R"({"c": {"type": "categorical", "choices": ["a", "b", "a"]}})"),
              HasSubstr("\"a\" stands there twice"));
  EXPECT_THAT(ErrorOf(R"({"c": {"type": "categorical", "choices": ["a", [1]]}})"),
              HasSubstr("a text, a number, true or false was expected, not [1]"));
  EXPECT_THAT(ErrorOf(R"({"c": {"type": "constant"}})"), HasSubstr("\"value\" is missing"));
  EXPECT_THAT(
      ErrorOf(R"({"a": {"type": "boolean", "when": {"bb": true}}, "b": {"type": "boolean"}})"),
      HasSubstr("s.yaml, \"a\": \"when\": there is no \"bb\"; did you mean \"b\"?"));
  EXPECT_THAT(ErrorOf(R"({"a": {"type": "boolean", "when": {"b": true}},
                          "b": {"type": "boolean", "when": {"a": true}}})"),
              HasSubstr("the conditions go round in a circle"));
  EXPECT_THAT(ErrorOf(R"({"a": {"type": "boolean", "when": {"b": 1}}, "b": {"type": "boolean"}})"),
              HasSubstr("\"when\": 1 is none of [false,true]"));
  EXPECT_THAT(ErrorOf(R"({"a": {"type": "boolean", "when": {"b": 1}},
                          "b": {"type": "float", "low": 0, "high": 1}})"),
              HasSubstr("is of floats"));
}

TEST(Space, BadTrialsSayWhatIsWrong) {
  const Space space =
      Space::Parse({{"b", {{"type", "boolean"}}},
                    {"x", {{"type", "float"}, {"low", 0}, {"high", 1}, {"when", {{"b", true}}}}}});
  const auto error = [&](const char* values) -> std::string {
    try {
      space.FromJson(ParseJson(values, "test"), "trial 7");
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(error("[1]"), HasSubstr("trial 7: an object from names to values was expected"));
  EXPECT_THAT(error(R"({"b": 1})"), HasSubstr("trial 7, \"b\": 1 is none of [false,true]"));
  EXPECT_THAT(error(R"({"b": true})"), HasSubstr("trial 7, \"x\": it is missing"));
  EXPECT_THAT(error(R"({"b": true, "x": "0"})"), HasSubstr("a number was expected, not \"0\""));
  EXPECT_THAT(error(R"({"b": true, "x": 1.5})"), HasSubstr("1.5 is outside of 0 to 1"));
  EXPECT_THAT(error(R"({"b": false, "x": 0.5})"),
              HasSubstr("it has no meaning with this value of \"b\""));
  EXPECT_THAT(error(R"({"b": false, "y": 0.5})"), HasSubstr("there is no \"y\""));
  EXPECT_EQ(error(R"({"b": false})"), "");
}

}  // namespace
}  // namespace windlass::tune
