#include "runtime/store/space.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace leoam {
namespace {

std::vector<std::pair<uint64_t, uint64_t>> extents(const Space& space) {
  std::vector<std::pair<uint64_t, uint64_t>> all;
  space.for_each([&](Extent extent) { all.emplace_back(extent.offset_bytes, extent.bytes); });
  return all;
}

using Extents = std::vector<std::pair<uint64_t, uint64_t>>;

TEST(Space, neighbours_are_one) {
  Space space;
  EXPECT_TRUE(space.add({10, 5}));
  EXPECT_TRUE(space.add({20, 5}));
  EXPECT_EQ((Extents{{10, 5}, {20, 5}}), extents(space));
  EXPECT_TRUE(space.add({15, 5}));
  EXPECT_EQ((Extents{{10, 15}}), extents(space));
  EXPECT_EQ(15u, space.bytes());
}

TEST(Space, refuses_what_is_there_already_and_what_is_not) {
  Space space;
  EXPECT_TRUE(space.add({10, 10}));
  EXPECT_FALSE(space.add({19, 1}));
  EXPECT_FALSE(space.add({5, 6}));
  EXPECT_FALSE(space.remove({15, 6}));
  EXPECT_FALSE(space.remove({5, 6}));
  EXPECT_EQ((Extents{{10, 10}}), extents(space));
  EXPECT_TRUE(space.remove({12, 3}));
  EXPECT_EQ((Extents{{10, 2}, {15, 5}}), extents(space));
}

TEST(Space, takes_the_smallest_that_fits) {
  Space space;
  space.add({0, 8});
  space.add({10, 4});
  space.add({20, 4});
  EXPECT_EQ(10u, space.take(4));
  EXPECT_EQ(20u, space.take(3));
  EXPECT_EQ(0u, space.take(5));
  EXPECT_FALSE(space.take(5));
}

TEST(Space, gives_the_parts_that_lie_within) {
  Space space;
  space.add({0, 4});
  space.add({8, 4});
  space.add({16, 4});
  std::vector<std::pair<uint64_t, uint64_t>> parts;
  space.remove_within({2, 16}, [&](Extent part) { parts.emplace_back(part.offset_bytes, part.bytes); });
  EXPECT_EQ((Extents{{2, 2}, {8, 4}, {16, 2}}), parts);
  EXPECT_EQ((Extents{{0, 2}, {18, 2}}), extents(space));
}

TEST(Space, agrees_with_a_map_of_bytes) {
  std::mt19937 random(1);
  Space space;
  std::vector<bool> free(200);
  for (int round = 0; round < 20000; ++round) {
    const uint64_t begin = random() % free.size();
    const uint64_t n = 1 + random() % std::min<uint64_t>(20, free.size() - begin);
    const auto count = [&](bool value) {
      return static_cast<uint64_t>(std::count(free.begin() + static_cast<long>(begin),
                                              free.begin() + static_cast<long>(begin + n), value));
    };
    const auto fill = [&](uint64_t at, bool value) {
      std::fill_n(free.begin() + static_cast<long>(at), n, value);
    };
    switch (random() % 3) {
      case 0: {
        const bool possible = count(false) == n;
        ASSERT_EQ(possible, space.add({begin, n}));
        if (possible) fill(begin, true);
        break;
      }
      case 1: {
        const bool possible = count(true) == n;
        ASSERT_EQ(possible, space.remove({begin, n}));
        if (possible) fill(begin, false);
        break;
      }
      default: {
        const auto taken = space.take(n);
        if (taken) {
          for (uint64_t i = 0; i < n; ++i) ASSERT_TRUE(free[*taken + i]);
          fill(*taken, false);
        }
      }
    }
    ASSERT_EQ(static_cast<uint64_t>(std::count(free.begin(), free.end(), true)), space.bytes());
  }
}

}  // namespace
}  // namespace leoam
