#include "windlass/tune/tried_points.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace windlass::tune {
namespace {

// A lattice lists each point of its space once: as many as are found by drawing.
TEST(Lattice, ListsEachPointOnce) {
  Random random(2, 0);
  for (int round = 0; round < 40; ++round) {
    Json document = {{"p0", {{"type", "ordinal"}, {"choices", {"a", "b", "c"}}}}};
    for (std::uint64_t i = 1; i < 2 + random.Below(3); ++i) {
      Json& one = document["p" + std::to_string(i)];
      switch (random.Below(3)) {
        case 0: one = {{"type", "integer"}, {"low", -2}, {"high", random.Below(4)}}; break;
        case 1: one = {{"type", "boolean"}}; break;
        default: one = {{"type", "constant"}, {"value", 1}};
      }
      const std::uint64_t parent = random.Below(i + 1);
      if (parent == i || document["p" + std::to_string(parent)]["type"] == "constant") continue;
      const std::string type = document["p" + std::to_string(parent)]["type"];
      Json& when = one["when"]["p" + std::to_string(parent)];
      if (type == "ordinal") when = random.Below(2) == 0 ? Json{"a", "c"} : Json("b");
      if (type == "integer") when = {-1, 0};
      if (type == "boolean") when = true;
    }
    const Space space = Space::Parse(document);
    const Lattice lattice(space, 0);
    ASSERT_TRUE(lattice.size());
    std::set<TriedPoints::Key> listed, drawn;
    for (std::uint64_t i = 0; i < *lattice.size(); ++i) {
      const Point point = lattice.At(i);
      space.Check(point);
      listed.insert(TriedPoints::KeyOf(point));
    }
    EXPECT_EQ(listed.size(), *lattice.size()) << document.dump();
    for (int i = 0; i < 20000; ++i) drawn.insert(TriedPoints::KeyOf(space.Sample(random)));
    EXPECT_EQ(drawn, listed) << document.dump();
  }
}

TEST(TriedPoints, SpacesOfFloatsAndVastOnesAreNeverExhausted) {
  const Space floats =
      Space::Parse({{"b", {{"type", "boolean"}}},
                    {"x", {{"type", "float"}, {"low", 0}, {"high", 1}, {"when", {{"b", true}}}}}});
  Random random(1, 0);
  TriedPoints tried(floats);
  tried.Add(floats.Initial());
  EXPECT_FALSE(tried.exhausted());
  EXPECT_FALSE(tried.Untried(random));
  const Space vast = Space::Parse({{"n", {{"type", "integer"}, {"low", 0}, {"high", 1e14}}},
                                   {"m", {{"type", "integer"}, {"low", 0}, {"high", 1e14}}}});
  EXPECT_FALSE(TriedPoints(vast).exhausted());
}

TEST(TriedPoints, TheLastPointIsFound) {
  const Space space = Space::Parse({{"n", {{"type", "integer"}, {"low", 0}, {"high", 99}}}});
  Random random(1, 0);
  TriedPoints tried(space);
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(tried.exhausted());
    const auto point = tried.Untried(random);
    ASSERT_TRUE(point);
    EXPECT_TRUE(tried.Add(*point));
  }
  EXPECT_TRUE(tried.exhausted());
  EXPECT_FALSE(tried.Untried(random));
}

}  // namespace
}  // namespace windlass::tune
