#include "tests/runtime/kv/kv_fixture.h"

namespace leoam {
namespace {

// Where passes compute: in RAM, or in a device's memory above it, with copies at once or slow ones.
struct TopTier {
  const char* name;
  bool on_device;
  testing::SimDevice::Options device;
};

class SequenceKvTest : public testing::KvTest, public ::testing::WithParamInterface<TopTier> {
 protected:
  void SetUp() override {
    if (GetParam().on_device) use_device(GetParam().device);
    start(64u << 20);
  }
  uint64_t top_used_bytes() const {
    const TierStatistics statistics = tiers_->statistics();
    return sim_ ? statistics.device_bytes : statistics.host_bytes;
  }
};

INSTANTIATE_TEST_SUITE_P(Tiers, SequenceKvTest,
                         ::testing::Values(TopTier{"in_ram", false, {}}, TopTier{"on_device", true, {}},
                                           TopTier{"on_slow_device", true, {UINT64_MAX, 100u << 20, 20}}),
                         [](const auto& tier) { return tier.param.name; });

TEST_P(SequenceKvTest, GrowsPageByPage) {
  SequenceKv kv = make();
  const std::vector<uint32_t> ids = numbers(1, 50);
  for (uint32_t i = 1; i <= 50; ++i) {
    ASSERT_TRUE(grow(kv, std::span(ids).subspan(i - 1, 1)).ok());
    EXPECT_EQ(kv.bytes(), 2 * ((i + kPageTokens - 1) / kPageTokens) * page_bytes());
    ASSERT_TRUE(check(kv, std::span(ids).first(i)).ok());
  }
}

TEST_P(SequenceKvTest, RollbackGivesBackEverything) {
  SequenceKv kv = make();
  const std::vector<uint32_t> ids = numbers(1, 5);
  ASSERT_TRUE(grow(kv, ids).ok());
  const uint64_t before = top_used_bytes();
  ASSERT_TRUE(kv.reserve(100).ok());
  ASSERT_TRUE(kv.open_layer(0, {}).ok());
  EXPECT_EQ(kv.append_pages(0).back().first_position + kv.append_pages(0).back().n_tokens, 105);
  kv.rollback();
  EXPECT_EQ(top_used_bytes(), before);
  ASSERT_TRUE(check(kv, ids).ok());
}

TEST_P(SequenceKvTest, NoSpaceChangesNothing) {
  // RAM below a device has room for what every page costs there, and for no page.
  start(4 * (page_bytes() + 512), ReplacementKind::most_recent, 1, 12 * kPageOverhead_bytes);
  SequenceKv kv = make();
  std::vector<uint32_t> ids = numbers(1, 20);
  ASSERT_TRUE(grow(kv, ids).ok());
  const Status refused = grow(kv, numbers(100, 20));
  EXPECT_EQ(refused.kind(), ErrorKind::no_space);
  EXPECT_GT(refused.needed_bytes(), refused.available_bytes());
  ASSERT_TRUE(check(kv, ids).ok());
  const std::vector<uint32_t> more = numbers(21, 12);  // the tail still has room
  ASSERT_TRUE(grow(kv, more).ok());
  ids.insert(ids.end(), more.begin(), more.end());
  ASSERT_TRUE(check(kv, ids).ok());
}

TEST_P(SequenceKvTest, ASlidingLayerKeepsItsWindowOnly) {
  SequenceKv kv = make(20);
  const std::vector<uint32_t> ids = numbers(1, 200);
  for (size_t i = 0; i < ids.size(); ++i) {
    ASSERT_TRUE(grow(kv, std::span(ids).subspan(i, 1)).ok());
    ASSERT_TRUE(check(kv, std::span(ids).first(i + 1)).ok());
  }
  EXPECT_LE(kv.bytes(), (13 + 3) * page_bytes());
}

TEST_P(SequenceKvTest, TruncateNeedsTheWindowBefore) {
  SequenceKv kv = make(20);
  const std::vector<uint32_t> ids = numbers(1, 100);
  ASSERT_TRUE(grow(kv, ids).ok());
  EXPECT_EQ(kv.truncate(101).kind(), ErrorKind::invalid_argument);
  EXPECT_EQ(kv.truncate(40).kind(), ErrorKind::unsupported);
  ASSERT_TRUE(kv.truncate(99).ok());
  ASSERT_TRUE(check(kv, std::span(ids).first(99)).ok());
  ASSERT_TRUE(kv.truncate(0).ok());
  EXPECT_EQ(kv.bytes(), 0u);
  ASSERT_TRUE(grow(kv, std::span(ids).first(33)).ok());
  ASSERT_TRUE(check(kv, std::span(ids).first(33)).ok());
}

TEST_P(SequenceKvTest, ACopySharesPagesUntilItWrites) {
  SequenceKv kv = make();
  std::vector<uint32_t> ids = numbers(1, 20);
  ASSERT_TRUE(grow(kv, ids).ok());
  const uint64_t before = top_used_bytes();
  SequenceKv fork = kv;
  EXPECT_EQ(top_used_bytes(), before);
  std::vector<uint32_t> other = ids;
  other.push_back(77);
  ASSERT_TRUE(grow(fork, std::span(other).last(1)).ok());
  EXPECT_EQ(top_used_bytes(), before + 2 * (page_bytes() + (sim_ ? 0 : kPageOverhead_bytes)));
  ASSERT_TRUE(check(fork, other).ok());
  ASSERT_TRUE(check(kv, ids).ok());
}

// Any calls in any order, with budgets that change, forks that share and pages that come and go: every token
// that is read is the one that was written.
TEST_P(SequenceKvTest, AnyOrderOfCallsReadsWhatWasWritten) {
  for (uint32_t seed = 1; seed <= 12; ++seed) {
    std::minstd_rand engine(seed);
    const auto random = [&engine](uint32_t n) { return static_cast<uint32_t>(engine()) % n; };
    start(96u << 10, seed % 2 ? ReplacementKind::most_recent : ReplacementKind::least_recent, UINT64_MAX,
          (64u + random(200)) << 10);
    struct Branch {
      SequenceKv kv;
      std::vector<uint32_t> ids;
    };
    std::vector<std::unique_ptr<Branch>> branches;
    branches.push_back(std::make_unique<Branch>(Branch{make(1 + random(40)), {}}));
    uint32_t next_id = 1;
    for (int i = 0; i < 400; ++i) {
      Branch& branch = *branches[random(static_cast<uint32_t>(branches.size()))];
      switch (random(9)) {
        case 0:
        case 1:
        case 2: {
          const std::vector<uint32_t> more = numbers(next_id, 1 + random(40));
          next_id += 100;
          const Status status = grow(branch.kv, more);
          ASSERT_TRUE(status.ok() || status.kind() == ErrorKind::no_space) << status.message();
          if (status.ok()) branch.ids.insert(branch.ids.end(), more.begin(), more.end());
          break;
        }
        case 3: {
          ASSERT_TRUE(branch.kv.reserve(1 + random(20)).ok());
          const Status status = branch.kv.open_layer(0, {});
          ASSERT_TRUE(status.ok() || status.kind() == ErrorKind::no_space) << status.message();
          branch.kv.rollback();
          break;
        }
        case 4: {
          const size_t keep = branch.ids.size() - std::min<size_t>(branch.ids.size(), random(30));
          const Status status = branch.kv.truncate(keep);
          ASSERT_TRUE(status.ok() || status.kind() == ErrorKind::unsupported);
          if (status.ok()) branch.ids.resize(keep);
          break;
        }
        case 5:
          if (branches.size() < 4)
            branches.push_back(std::make_unique<Branch>(Branch{branch.kv, branch.ids}));
          break;
        case 6:
          if (branches.size() > 1)
            branches.erase(branches.begin() + random(static_cast<uint32_t>(branches.size())));
          break;
        case 7: {
          const Status status = branch.kv.evict({});
          ASSERT_TRUE(status.ok()) << status.message();
          break;
        }
        default: {
          const uint64_t bytes = uint64_t{48u + random(100)} << 10;
          const Status status = sim_ && random(2) ? tiers_->set_budget(Level::device, bytes, nullptr, nullptr)
                                                  : tiers_->set_budget(Level::host, bytes, nullptr, nullptr);
          ASSERT_TRUE(status.ok() || status.kind() == ErrorKind::no_space) << status.message();
        }
      }
      Branch& read = *branches[random(static_cast<uint32_t>(branches.size()))];
      const Status status = check(read.kv, read.ids);
      ASSERT_TRUE(status.ok() || status.kind() == ErrorKind::no_space)
          << status.message() << " seed " << seed;
      if (read.ids.size() > 600) {
        ASSERT_TRUE(read.kv.truncate(0).ok());
        read.ids.clear();
      }
      const TierStatistics statistics = tiers_->statistics();
      ASSERT_LE(statistics.host_bytes, statistics.host_budget_bytes);
      ASSERT_LE(statistics.device_bytes, statistics.device_budget_bytes);
    }
    branches.clear();
    // What is still on its way goes when it has arrived.
    for (int i = 0; i < 1000 && tiers_->statistics().host_bytes > tiers_->statistics().staging_bytes; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_LE(tiers_->statistics().host_bytes, tiers_->statistics().staging_bytes);
    EXPECT_EQ(tiers_->statistics().device_bytes, 0u);
    EXPECT_EQ(tiers_->statistics().scratch_bytes, 0u);
  }
}

TEST_P(SequenceKvTest, ThreadsShareABudget) {
  start(256u << 10);
  SequenceKv root = make(24);
  const std::vector<uint32_t> ids = numbers(1, 300);
  ASSERT_TRUE(grow(root, ids).ok());
  std::vector<std::thread> threads;
  std::atomic<bool> stop{false};
  std::atomic<int> n_wrong{0};
  for (uint32_t t = 0; t < 3; ++t)
    threads.emplace_back([&, t, kv = SequenceKv(root)]() mutable {
      std::vector<uint32_t> mine = ids;
      for (uint32_t i = 0; i < 60; ++i) {
        const std::vector<uint32_t> more = numbers(10000 * (t + 1) + 100 * i, 1 + i % 23);
        const Status grown = grow(kv, more);
        if (grown.ok()) mine.insert(mine.end(), more.begin(), more.end());
        if (!grown.ok() && grown.kind() != ErrorKind::no_space) ++n_wrong;
        const Status status = check(kv, mine);
        if (!status.ok() && status.kind() != ErrorKind::no_space) ++n_wrong;
        if (i % 10 == 9 && !kv.evict({}).ok()) ++n_wrong;
      }
    });
  std::thread budgets([&] {
    for (uint32_t i = 0; !stop.load(); ++i) {
      (void)tiers_->set_budget(Level::host, (160u + i * 37 % 200) << 10, nullptr, nullptr).ok();
      if (sim_) (void)tiers_->set_budget(Level::device, (100u + i * 53 % 200) << 10, nullptr, nullptr).ok();
      std::this_thread::sleep_for(std::chrono::microseconds(500));
    }
  });
  for (std::thread& thread : threads) thread.join();
  stop.store(true);
  budgets.join();
  EXPECT_EQ(n_wrong.load(), 0);
}

}  // namespace
}  // namespace leoam
