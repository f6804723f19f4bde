#include "windlass/explain/hierarchy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "windlass/base/error.h"

namespace windlass::explain {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::int32_t kTop = Hierarchy::kTop;
const std::vector<std::string> kGroups = {"Age", "Sex", "Country", "Race", "Hours"};

NamedHierarchy Parse(std::string_view json) { return ParseHierarchy(json, kGroups, "tree.json"); }

std::string ErrorOf(std::string_view json) {
  try {
    Parse(json);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
    return error.what();
  }
  return "no error";
}

Hierarchy Pruned(const char* json, std::vector<std::int32_t> players) {
  return Prune(Parse(json).hierarchy, players);
}

TEST(Hierarchy, IsReadAsItIsWritten) {
  const auto [hierarchy, names] =
      Parse(R"({"people": ["Sex", {"home": ["Race", "Country"], "one": ["Age"]}]})");
  EXPECT_THAT(names, ElementsAre("people", "home", "one"));
  EXPECT_THAT(hierarchy.parents, ElementsAre(kTop, 0, 0));
  EXPECT_THAT(hierarchy.homes, ElementsAre(2, 0, 1, 1, kTop));
  EXPECT_TRUE(hierarchy.Fits(5));
  EXPECT_FALSE(hierarchy.Fits(4));
  EXPECT_THAT(PlayersOfNodes(hierarchy),
              ElementsAre(ElementsAre(0, 1, 2, 3), ElementsAre(2, 3), ElementsAre(0)));
  EXPECT_THAT(Members(hierarchy), ElementsAre(ElementsAre(4, ~0), ElementsAre(1, ~1, ~2),
                                              ElementsAre(2, 3), ElementsAre(0)));
}

TEST(Hierarchy, FitsOnlyWhatPointsBackwards) {
  EXPECT_TRUE(Hierarchy{}.Fits(7));
  EXPECT_FALSE((Hierarchy{{0}, {0, 0}}.Fits(2)));
  EXPECT_FALSE((Hierarchy{{-2}, {0, 0}}.Fits(2)));
  EXPECT_FALSE((Hierarchy{{kTop}, {0, 1}}.Fits(2)));
  EXPECT_FALSE((Hierarchy{{kTop}, {}}.Fits(0)));
}

TEST(Hierarchy, SaysWhatIsWrongAndWhatWouldBeRight) {
  EXPECT_EQ(ErrorOf(R"({"a": ["Aeg"]})"),
            "tree.json: node \"a\" names group \"Aeg\", which there is none of; did you mean "
            "\"Age\"?");
  EXPECT_THAT(ErrorOf(R"({"a": ["Age", {"b": ["Age"]}]})"),
              HasSubstr(R"(group "Age" stands in nodes "a" and "b")"));
  EXPECT_THAT(ErrorOf(R"({"a": ["Age", "Age"]})"), HasSubstr(R"("a" lists group "Age" twice)"));
  EXPECT_THAT(ErrorOf(R"({"a": ["Age", {"a": ["Sex"]}]})"),
              HasSubstr(R"(two nodes are called "a")"));
  EXPECT_THAT(ErrorOf(R"({"a": ["Age"], "a": ["Sex"]})"), HasSubstr(R"(key "a" stands twice)"));
  EXPECT_THAT(ErrorOf(R"({"a": []})"), HasSubstr(R"(node "a" must list at least one member)"));
  EXPECT_THAT(ErrorOf(R"({"a": {"b": ["Age"]}})"), HasSubstr(R"(node "a" must list)"));
  EXPECT_THAT(ErrorOf(R"({"": ["Age"]})"), HasSubstr("needs a name"));
  EXPECT_THAT(ErrorOf(R"({"a": ["Age", 3]})"), HasSubstr(R"(node "a" lists 3; a member is)"));
  EXPECT_THAT(ErrorOf(R"({"a": ["Age", {}]})"), HasSubstr(R"(node "a" lists {})"));
  EXPECT_THAT(ErrorOf(R"({"a": [["Age"]]})"), HasSubstr(R"(node "a" lists a list)"));
  for (const char* json : {"", "{", "{}", "[]", "null", R"(["Age"])"}) {
    EXPECT_THAT(ErrorOf(json), HasSubstr("tree.json")) << json;
  }
  std::string deep = R"("Age")";
  for (int i = 0; i < 40; ++i) deep = "[{\"" + std::to_string(i) + "\":" + deep + "}]";
  EXPECT_THAT(ErrorOf("{\"a\":" + deep + "}"), HasSubstr("more than 64 levels deep"));
  EXPECT_THAT(ErrorOf(std::string((16 << 20) + 1, ' ')), HasSubstr("but a hierarchy at most"));
}

TEST(Hierarchy, PruningLeavesNodesOutThatChangeNothing) {
  const char* json = R"({"a": ["Age", {"b": ["Sex", {"c": ["Country", "Race"]}]}]})";
  EXPECT_EQ(Pruned(json, {0, 1, 2, 3, 4}), (Hierarchy{{kTop, 0, 1}, {0, 1, 2, 2, kTop}}));
  // Without Hours, a has everything.
  EXPECT_EQ(Pruned(json, {0, 1, 2, 3}), (Hierarchy{{kTop, 0}, {kTop, 0, 1, 1}}));
  // Without Sex, b has c alone; without Race, c has Country alone, which is b's then.
  EXPECT_EQ(Pruned(json, {0, 2, 3, 4}), (Hierarchy{{kTop, 0}, {0, 1, 1, kTop}}));
  EXPECT_EQ(Pruned(json, {0, 1, 2, 4}), (Hierarchy{{kTop, 0}, {0, 1, 1, kTop}}));
  EXPECT_EQ(Pruned(json, {2, 3}), (Hierarchy{{}, {kTop, kTop}}));
  EXPECT_EQ(Pruned(json, {3}), (Hierarchy{{}, {kTop}}));
  EXPECT_THAT(Pruned(json, {}).homes, IsEmpty());
  EXPECT_EQ(Pruned(R"({"x": [{"y": ["Age"]}], "z": ["Sex"]})", {0, 1}),
            (Hierarchy{{}, {kTop, kTop}}));
}

TEST(Hierarchy, CountsConsistentCoalitions) {
  EXPECT_EQ(ConsistentCoalitions(Hierarchy{{}, {kTop, kTop, kTop}}), 8);
  // a, b | c d: each subset of three at the top, and of the node's two one, with any of a and b.
  EXPECT_EQ(ConsistentCoalitions(Hierarchy{{kTop}, {kTop, kTop, 0, 0}}), 8 + 4 * 2);
  EXPECT_EQ(ConsistentCoalitions(Hierarchy{{kTop, kTop}, {0, 0, 1, 1}}), 4 + 2 * 2 + 2 * 2);
  // Nodes that change nothing do not count.
  EXPECT_EQ(ConsistentCoalitions(Hierarchy{{kTop, 0}, {1, 1, 1}}), 8);
  EXPECT_EQ(ConsistentCoalitions(Hierarchy{{}, std::vector<std::int32_t>(61, kTop)}),
            std::int64_t{1} << 61);
  EXPECT_EQ(ConsistentCoalitions(Hierarchy{{}, std::vector<std::int32_t>(5000, kTop)}),
            kUncountable);
}

}  // namespace
}  // namespace windlass::explain
