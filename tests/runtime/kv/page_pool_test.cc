#include "runtime/kv/page_pool.h"

#include <cstring>
#include <thread>

#include "tests/runtime/kv/kv_fixture.h"

namespace leoam {
namespace {

using PagePoolTest = testing::KvTest;

TEST_F(PagePoolTest, GivesWhatTheBudgetHoldsAndNotAPageMore) {
  PagePool pool(*device_, 10 * 4096);
  std::vector<PageHandle> pages;
  ASSERT_TRUE(pool.allocate(4096, 10, &pages).ok());
  EXPECT_EQ(pool.used_bytes(), 10u * 4096);
  const Status refused = pool.allocate(4096, 1, &pages);
  EXPECT_EQ(refused.kind(), ErrorKind::no_space);
  EXPECT_EQ(refused.needed_bytes(), 4096u);
  EXPECT_EQ(refused.available_bytes(), 0u);
  EXPECT_EQ(pages.size(), 10u);
}

TEST_F(PagePoolTest, AllocationIsAllOrNothing) {
  PagePool pool(*device_, 10 * 4096);
  std::vector<PageHandle> pages;
  ASSERT_TRUE(pool.allocate(4096, 6, &pages).ok());
  const Status refused = pool.allocate(4096, 5, &pages);
  EXPECT_EQ(refused.needed_bytes(), 5u * 4096);
  EXPECT_EQ(refused.available_bytes(), 4u * 4096);
  EXPECT_EQ(pages.size(), 6u);
  EXPECT_EQ(pool.used_bytes(), 6u * 4096);
}

TEST_F(PagePoolTest, PagesAreAlignedDisjointAndComeBack) {
  PagePool pool(*device_, uint64_t{1} << 30);
  std::vector<PageHandle> pages;
  ASSERT_TRUE(pool.allocate(24576, 200, &pages).ok());
  for (size_t i = 0; i < pages.size(); ++i) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(pages[i].data()) % 64, 0u);
    std::memset(pages[i].data(), static_cast<int>(i), 24576);
  }
  for (size_t i = 0; i < pages.size(); ++i) {
    EXPECT_EQ(pages[i].data()[0], static_cast<uint8_t>(i));
    EXPECT_EQ(pages[i].data()[24575], static_cast<uint8_t>(i));
  }
  pages.clear();
  EXPECT_EQ(pool.used_bytes(), 0u);
  EXPECT_EQ(pool.peak_bytes(), 200u * 24576);
}

TEST_F(PagePoolTest, ABudgetBelowWhatIsInUseIsRefused) {
  PagePool pool(*device_, 10 * 4096);
  std::vector<PageHandle> pages;
  ASSERT_TRUE(pool.allocate(4096, 6, &pages).ok());
  const Status refused = pool.set_budget(5 * 4096);
  EXPECT_EQ(refused.kind(), ErrorKind::no_space);
  EXPECT_EQ(refused.needed_bytes(), 6u * 4096);
  EXPECT_EQ(pool.budget_bytes(), 10u * 4096);
  ASSERT_TRUE(pool.set_budget(6 * 4096).ok());
  EXPECT_EQ(pool.allocate(4096, 1, &pages).kind(), ErrorKind::no_space);
}

TEST_F(PagePoolTest, ASharedPageLivesUntilItsLastOwner) {
  PagePool pool(*device_, 4096);
  std::vector<PageHandle> pages;
  ASSERT_TRUE(pool.allocate(4096, 1, &pages).ok());
  PageHandle copy = pages[0];
  EXPECT_FALSE(copy.unique());
  pages.clear();
  EXPECT_TRUE(copy.unique());
  EXPECT_EQ(pool.used_bytes(), 4096u);
  copy = PageHandle();
  EXPECT_EQ(pool.used_bytes(), 0u);
}

TEST_F(PagePoolTest, ThreadsNeverPassTheBudgetTogether) {
  PagePool pool(*device_, 64 * 4096);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&pool] {
      std::vector<PageHandle> pages;
      for (int i = 0; i < 2000; ++i) {
        if (!pool.allocate(4096, 1 + static_cast<size_t>(i) % 7, &pages).ok() || pages.size() > 20)
          pages.clear();
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(pool.peak_bytes(), 64u * 4096);
  EXPECT_EQ(pool.used_bytes(), 0u);
}

}  // namespace
}  // namespace leoam
