#include "runtime/kv/sequence_kv.h"

#include <cstring>
#include <random>

#include "tests/runtime/kv/kv_fixture.h"

namespace leoam {
namespace {

constexpr uint32_t kPageTokens = 16;

class SequenceKvTest : public testing::KvTest {
 protected:
  // A layer without a window, and one with `window`.
  SequenceKv make(uint32_t window, uint64_t budget_pages = 1000) {
    KvShape shape;
    shape.layout = {kernels::KvType::f16, 2, 16, kPageTokens};
    shape.windows = {0, window};
    page_bytes_ = shape.layout.page_bytes();
    pool_ = std::make_unique<PagePool>(*device_, budget_pages * page_bytes_);
    return SequenceKv(*pool_, shape, 256);
  }
  void grow(SequenceKv& kv, uint32_t n) {
    ASSERT_TRUE(kv.reserve(n).ok());
    kv.commit();
  }
  // Every list is gapless, counts its tokens right and reaches back at least as far as its layer sees.
  void check(const SequenceKv& kv) {
    for (uint32_t layer = 0; layer < 2; ++layer) {
      const auto refs = kv.pages(layer);
      uint64_t tokens = 0;
      for (size_t i = 0; i < refs.size(); ++i) {
        EXPECT_EQ(refs[i].first_position % kPageTokens, 0u);
        if (i > 0) {
          EXPECT_EQ(refs[i].first_position, refs[i - 1].first_position + static_cast<int32_t>(kPageTokens));
        }
        if (i + 1 < refs.size()) {
          EXPECT_EQ(refs[i].n_tokens, static_cast<int32_t>(kPageTokens));
        }
        EXPECT_GT(refs[i].n_tokens, 0);
        tokens += static_cast<uint64_t>(refs[i].n_tokens);
      }
      const uint64_t first = refs.empty() ? kv.n_tokens() : static_cast<uint64_t>(refs[0].first_position);
      EXPECT_EQ(first + tokens, kv.n_tokens());
      const uint32_t window = kv.shape().windows[layer];
      const uint64_t needed = window == 0 ? 0 : kv.n_tokens() - std::min<uint64_t>(kv.n_tokens(), window - 1);
      EXPECT_LE(first, needed);
    }
  }

  size_t page_bytes_ = 0;
  std::unique_ptr<PagePool> pool_;
};

TEST_F(SequenceKvTest, GrowsPageByPage) {
  SequenceKv kv = make(0);
  for (uint32_t i = 1; i <= 50; ++i) {
    grow(kv, 1);
    EXPECT_EQ(kv.n_tokens(), i);
    EXPECT_EQ(kv.bytes(), 2 * ((i + kPageTokens - 1) / kPageTokens) * page_bytes_);
    check(kv);
  }
}

TEST_F(SequenceKvTest, RollbackGivesBackEverything) {
  SequenceKv kv = make(0);
  grow(kv, 5);
  ASSERT_TRUE(kv.reserve(100).ok());
  EXPECT_EQ(kv.pages(0).back().first_position + kv.pages(0).back().n_tokens, 105);
  kv.rollback();
  EXPECT_EQ(kv.n_tokens(), 5u);
  EXPECT_EQ(pool_->used_bytes(), 2 * page_bytes_);
  check(kv);
}

TEST_F(SequenceKvTest, NoSpaceChangesNothing) {
  SequenceKv kv = make(0, 4);
  grow(kv, 20);
  const Status refused = kv.reserve(20);
  EXPECT_EQ(refused.kind(), ErrorKind::no_space);
  EXPECT_EQ(refused.needed_bytes(), 2 * page_bytes_);
  EXPECT_EQ(refused.available_bytes(), 0u);
  check(kv);
  grow(kv, 12);  // the tail still has room
  check(kv);
}

TEST_F(SequenceKvTest, ASlidingLayerKeepsItsWindowOnly) {
  SequenceKv kv = make(20);
  for (int i = 0; i < 200; ++i) {
    grow(kv, 1);
    check(kv);
    EXPECT_LE(kv.pages(1).size(), 3u);
  }
  EXPECT_EQ(kv.pages(0).size(), 13u);
}

TEST_F(SequenceKvTest, AWindowOfOneTokenAtAPageBorder) {
  SequenceKv kv = make(1);
  grow(kv, kPageTokens);
  check(kv);
  grow(kv, 1);
  check(kv);
  EXPECT_EQ(kv.pages(1).size(), 1u);
}

TEST_F(SequenceKvTest, TruncateNeedsTheWindowBefore) {
  SequenceKv kv = make(20);
  grow(kv, 100);
  EXPECT_EQ(kv.truncate(101).kind(), ErrorKind::invalid_argument);
  EXPECT_EQ(kv.truncate(40).kind(), ErrorKind::unsupported);
  EXPECT_EQ(kv.n_tokens(), 100u);
  ASSERT_TRUE(kv.truncate(99).ok());
  check(kv);
  ASSERT_TRUE(kv.truncate(0).ok());
  EXPECT_EQ(pool_->used_bytes(), 0u);
  grow(kv, 33);
  check(kv);
}

TEST_F(SequenceKvTest, ACopySharesPagesUntilItWrites) {
  SequenceKv kv = make(0);
  grow(kv, 20);
  std::memset(const_cast<uint8_t*>(kv.pages(0)[1].data), 7, page_bytes_);
  SequenceKv fork = kv;
  EXPECT_EQ(pool_->used_bytes(), 4 * page_bytes_);
  EXPECT_EQ(fork.pages(0)[0].data, kv.pages(0)[0].data);
  grow(fork, 1);
  EXPECT_EQ(fork.pages(0)[0].data, kv.pages(0)[0].data);
  EXPECT_NE(fork.pages(0)[1].data, kv.pages(0)[1].data);
  EXPECT_EQ(std::memcmp(fork.pages(0)[1].data, kv.pages(0)[1].data, page_bytes_), 0);
  EXPECT_EQ(pool_->used_bytes(), 6 * page_bytes_);
  check(fork);
  check(kv);
}

TEST_F(SequenceKvTest, AnyOrderOfCallsKeepsTheListsRight) {
  std::minstd_rand engine(1);
  const auto random = [&engine] { return static_cast<uint32_t>(engine()); };
  for (const uint32_t window : {1u, 7u, 16u, 33u}) {
    SequenceKv kv = make(window);
    for (int i = 0; i < 2000; ++i) {
      switch (random() % 4) {
        case 0:
        case 1:
          grow(kv, 1 + random() % 20);
          break;
        case 2:
          ASSERT_TRUE(kv.reserve(1 + random() % 20).ok());
          kv.rollback();
          break;
        default: {
          const Status status = kv.truncate(kv.n_tokens() - std::min<uint64_t>(kv.n_tokens(), random() % 8));
          EXPECT_TRUE(status.ok() || status.kind() == ErrorKind::unsupported);
        }
      }
      check(kv);
      if (kv.n_tokens() > 600) {
        ASSERT_TRUE(kv.truncate(0).ok());
      }
    }
  }
}

}  // namespace
}  // namespace leoam
