#include "windlass/base/yaml.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "windlass/base/error.h"

namespace windlass {
namespace {

std::string YamlError(const std::string& text) {
  try {
    return "no error, but " + ParseYaml(text, "f.yaml").dump();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
    return error.what();
  }
}

Json ParsedYaml(const std::string& text) { return ParseYaml(text, "f.yaml"); }

TEST(Yaml, ReadsWhatJsonCanHold) {
  EXPECT_EQ(ParsedYaml("image:\n"
                       "  tag: 2.40.0.22541c-py310  # a comment\n"
                       "head: {cpu: 7, memory: 30G, half: 500m}\n"
                       "list:\n- 1\n- -2.5\n- true\n- null\n- ~\n-\n- '7'\n- \"a\\tb\"\n"
                       "text: |\n  one\n  two\n"),
            Json::parse(R"({"image": {"tag": "2.40.0.22541c-py310"},
                            "head": {"cpu": 7, "memory": "30G", "half": "500m"},
                            "list": [1, -2.5, true, null, null, null, "7", "a\tb"],
                            "text": "one\ntwo\n"})"));
}

TEST(Yaml, JsonIsYaml) {
  const std::string text = R"({"a": [1, 2.5e3, {"b": "x: y"}], "c": null, "d": false})";
  EXPECT_EQ(ParsedYaml(text), Json::parse(text));
}

TEST(Yaml, AnEmptyDocumentIsNull) {
  EXPECT_EQ(ParsedYaml(""), nullptr);
  EXPECT_EQ(ParsedYaml("# only a comment\n"), nullptr);
  EXPECT_EQ(ParsedYaml("---\n"), nullptr);
}

TEST(Yaml, TakesNumbersForWhatTheyAre) {
  EXPECT_EQ(ParsedYaml("0x1F"), 31);
  EXPECT_EQ(ParsedYaml("0o17"), 15);
  EXPECT_EQ(ParsedYaml("+5"), 5);
  EXPECT_EQ(ParsedYaml("0"), 0);
  EXPECT_EQ(ParsedYaml("0.25"), 0.25);
  EXPECT_EQ(ParsedYaml("18446744073709551615"), 18446744073709551615U);
  EXPECT_EQ(ParsedYaml("1.2.3"), "1.2.3");
  EXPECT_EQ(ParsedYaml("2024-01-01"), "2024-01-01");
  EXPECT_EQ(ParsedYaml("-"), Json::array({nullptr}));
  EXPECT_EQ(ParsedYaml("!!str 5"), "5");
  EXPECT_EQ(ParsedYaml("!!int 5"), 5);
}

TEST(Yaml, AKeyIsAText) {
  EXPECT_EQ(ParsedYaml("1: a\ntrue: b\non: c\n"), Json::parse(R"({"1":"a","true":"b","on":"c"})"));
}

TEST(Yaml, ExpandsAliasesAndMerges) {
  EXPECT_EQ(
      ParsedYaml("a: &r {cpu: 1, memory: 2Gi}\nb: *r\nc: {<<: *r, cpu: 4}\nd: {cpu: 5, <<: *r}"),
      Json::parse(R"({"a": {"cpu": 1, "memory": "2Gi"}, "b": {"cpu": 1, "memory": "2Gi"},
                            "c": {"cpu": 4, "memory": "2Gi"}, "d": {"cpu": 5, "memory": "2Gi"}})"));
  EXPECT_EQ(ParsedYaml("a: &a {x: 1}\nb: &b {x: 2, y: 3}\nc: {<<: [*a, *b]}")["c"],
            Json::parse(R"({"x": 1, "y": 3})"));
}

TEST(Yaml, RefusesWhatHasTwoMeanings) {
  EXPECT_EQ(YamlError("a:\n  b: yes\n"),
            "f.yaml:2:6: yes is true or false to some readers and text to others; write true, "
            "false or \"yes\"");
  EXPECT_EQ(YamlError("a: 010"),
            "f.yaml:1:4: 010 is one number to some readers and another, or text, to others; write "
            "it plainly, or \"010\"");
  EXPECT_EQ(YamlError("a: 1_000"),
            "f.yaml:1:4: 1_000 is one number to some readers and another, or text, to others; "
            "write it plainly, or \"1_000\"");
}

TEST(Yaml, SaysWhereAFaultIs) {
  EXPECT_EQ(YamlError("a: 1\nb: 2\na: 3\n"), "f.yaml:3:1: key \"a\" stands twice");
  EXPECT_EQ(YamlError("a: [1, 2\nb: 3"),
            "f.yaml:2:2: not valid YAML: end of sequence flow not found");
  EXPECT_EQ(YamlError("a: 1\n b: 2\n").substr(0, 11), "f.yaml:2:3:");
  EXPECT_EQ(YamlError("a: *x\n"),
            "f.yaml:1:4: not valid YAML: the referenced anchor is not defined");
  EXPECT_EQ(YamlError("a: &x [*x]\n"), "f.yaml:1:8: an alias within what it stands for");
  EXPECT_EQ(YamlError("{[1]: 2}"), "f.yaml:1:2: a key must be a single word or text");
  EXPECT_EQ(YamlError("a: 1\n---\nb: 2\n"), "f.yaml:2:1: a second document; one was expected");
  EXPECT_EQ(YamlError("a: !!binary aGk=\n"),
            "f.yaml:1:4: the tag tag:yaml.org,2002:binary is not known here");
  EXPECT_EQ(YamlError("a: !!int x\n"), "f.yaml:1:4: \"x\" is not of its tag's type, int");
  EXPECT_EQ(YamlError("a: .nan\n"), "f.yaml:1:4: .nan is no number that a value may have");
  EXPECT_EQ(YamlError("a: 1e999\n"),
            "f.yaml:1:4: the number 1e999 is larger than a double can hold");
  EXPECT_EQ(YamlError("a: {<<: 5}\n"), "f.yaml:1:9: << merges a map, or a list of maps");
}

TEST(Yaml, RefusesBytesThatAreNoText) {
  EXPECT_EQ(YamlError("a: 1\nb: \x04 2\n"), "f.yaml:2:4: a control character (0x04)");
  EXPECT_EQ(YamlError("a: \xff\n"), "f.yaml is not valid UTF-8");
}

TEST(Yaml, HoldsItsLimits) {
  EXPECT_EQ(YamlError(std::string(65, '[') + std::string(65, ']')),
            "f.yaml:1:65: nested more than 64 levels deep");
  EXPECT_EQ(ParsedYaml(std::string(64, '[') + std::string(64, ']')).size(), 1);
  EXPECT_EQ(YamlError(std::string((1 << 20) + 1, ' ')),
            "f.yaml has 1048577 bytes; at most 1048576 are read");
  // Nine levels of nine aliases each: 3.8e8 values.
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string alias = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 9; ++k) bomb += (k > 0 ? ", " : "") + alias;
    bomb += "]\n";
  }
  EXPECT_NE(YamlError(bomb).find("more than 100000 values or 4 MiB of text"), std::string::npos);
  // One long text, many times.
  std::string long_text = "a: &a \"" + std::string(100'000, 'x') + "\"\nb: [";
  for (int k = 0; k < 100; ++k) long_text += "*a, ";
  EXPECT_NE(YamlError(long_text + "]\n").find("4 MiB of text"), std::string::npos);
  // Each alias is one level deeper than the one before.
  std::string deep = "a0: &a0 [x]\n";
  for (int i = 1; i < 70; ++i) {
    deep += fmt::format("a{0}: &a{0} [*a{1}]\n", i, i - 1);
  }
  EXPECT_NE(YamlError(deep).find("nested more than 64 levels deep"), std::string::npos);
}

}  // namespace
}  // namespace windlass
