#include "windlass/base/reservoir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "windlass/base/random.h"

namespace windlass {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;

std::vector<std::uint64_t> Keep(std::size_t most, const std::vector<std::uint64_t>& keys) {
  Reservoir reservoir(most);
  std::vector<std::uint64_t> kept;
  for (const std::uint64_t key : keys) {
    const auto slot = reservoir.Offer(key);
    if (!slot) continue;
    if (*slot == kept.size()) {
      kept.push_back(key);
    } else {
      kept.at(*slot) = key;
    }
    EXPECT_EQ(reservoir.size(), kept.size());
  }
  return kept;
}

TEST(Reservoir, KeepsTheSmallestKeysInAnyOrder) {
  std::vector<std::uint64_t> keys;
  Random random(1, 2);
  for (int i = 0; i < 1000; ++i) keys.push_back(random.Next());
  std::vector<std::uint64_t> sorted = keys;
  std::ranges::sort(sorted);
  sorted.resize(37);
  EXPECT_THAT(Keep(37, keys), ::testing::UnorderedElementsAreArray(sorted));
  std::ranges::reverse(keys);
  EXPECT_THAT(Keep(37, keys), ::testing::UnorderedElementsAreArray(sorted));
}

TEST(Reservoir, KeepsAllWhereThereIsRoom) {
  EXPECT_THAT(Keep(5, {9, 3, 7}), ElementsAre(9, 3, 7));
  EXPECT_THAT(Keep(0, {9, 3, 7}), IsEmpty());
}

TEST(Reservoir, OfEqualKeysTheFirstStays) {
  Reservoir reservoir(1);
  EXPECT_THAT(reservoir.Offer(4), Optional(0U));
  EXPECT_EQ(reservoir.Offer(4), std::nullopt);
  EXPECT_THAT(reservoir.Offer(3), Optional(0U));
}

}  // namespace
}  // namespace windlass
