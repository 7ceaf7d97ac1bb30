// Waits for room: none goes on for ever.
#include <barrier>

#include "runtime/kv/look_ahead.h"
#include "tests/runtime/kv/kv_fixture.h"

namespace leoam::testing {
namespace {

constexpr uint32_t kPage_bytes = 4096;

class TiersWaitTest : public KvTest, public ::testing::WithParamInterface<bool> {
 protected:
  void start_with(uint64_t top_bytes) {
    if (GetParam()) use_device({});
    start(top_bytes);
  }
  // Pages that are in the scratch file only.
  std::vector<PageHandle> pages_on_disk(size_t n) {
    std::vector<PageHandle> pages;
    for (size_t at = 0; at < n; ++at) {
      EXPECT_TRUE(tiers_->create({0}, static_cast<uint32_t>(at), kPage_bytes, 1, {}, &pages).ok());
      tiers_->seal({&pages.back(), 1});
    }
    EXPECT_TRUE(tiers_->evict(pages, {}).ok());
    EXPECT_EQ(tiers_->resident_bytes(pages), 0u);
    return pages;
  }
};

INSTANTIATE_TEST_SUITE_P(Tiers, TiersWaitTest, ::testing::Bool(),
                         [](const auto& on_device) { return on_device.param ? "on_device" : "in_ram"; });

TEST_P(TiersWaitTest, ABudgetBelowTheMemoryOfTransfersComesIntoForceUnderAPass) {
  start_with(64u << 20);
  const std::vector<PageHandle> pages = pages_on_disk(40);
  ASSERT_TRUE(tiers_->pin({pages.data(), 4}, {}).ok());
  constexpr uint64_t kLittle_bytes = 256u << 10;
  ASSERT_GT(tiers_->statistics().staging_bytes, kLittle_bytes);
  const Status shrunk = tiers_->set_budget(Level::host, kLittle_bytes, nullptr, nullptr);
  EXPECT_TRUE(shrunk.ok()) << shrunk.message();
  EXPECT_LE(tiers_->statistics().host_bytes, kLittle_bytes);
  PassHolds own = {1, {}};
  const Status more = tiers_->pin({pages.data() + 4, 4}, {nullptr, &own});
  EXPECT_TRUE(more.ok()) << more.message();
  EXPECT_LE(tiers_->statistics().host_bytes, kLittle_bytes);
  tiers_->unpin({pages.data() + 4, 4});
  tiers_->unpin({pages.data(), 4});
}

TEST_P(TiersWaitTest, OfWantedPagesThoseThatAreNeededLastMakeRoom) {
  start_with(512u << 10);
  const std::vector<PageHandle> pages = pages_on_disk(180);
  const std::span<const PageHandle> others(pages.data() + 170, 10);
  uint64_t started_bytes = 0;
  const size_t n = tiers_->want({pages.data(), 170}, &started_bytes);
  ASSERT_GT(n, 40u);
  ASSERT_LT(n, 170u);
  ASSERT_TRUE(tiers_->pin(others, {}).ok());
  const std::span<const PageHandle> wanted(pages.data(), n);
  EXPECT_FALSE(tiers_->pin_in_place(wanted));
  const std::span<const PageHandle> kept = wanted.first(n - 2 * others.size());
  ASSERT_TRUE(tiers_->pin_in_place(kept));
  tiers_->unpin(kept);
  tiers_->unpin(others);
  tiers_->unwant(wanted);
}

// What had to go for something else is looked for anew, before what comes behind it.
TEST_P(TiersWaitTest, LookingAheadGoesOnAfterWantedPagesHadToGo) {
  start_with(512u << 10);
  constexpr size_t kLayers = 4;
  constexpr size_t kPages = 48;
  // Less room than is looked ahead for.
  constexpr size_t kHeld = 48;
  const std::vector<PageHandle> pages = pages_on_disk(kLayers * kPages + kHeld + kRunPages);
  const std::span<const PageHandle> held(pages.data() + kLayers * kPages, kHeld);
  const std::span<const PageHandle> others(held.data() + kHeld, kRunPages);
  ASSERT_TRUE(tiers_->pin(held, {}).ok());
  LookAhead ahead(kLayers, {[&](uint32_t layer) {
                              return std::span<const PageHandle>(pages).subspan(layer * kPages, kPages);
                            },
                            [](uint32_t) { return false; }});
  const auto pass = [&] {
    for (uint32_t layer = 0; layer < kLayers; ++layer) {
      for (size_t page = 0; page < kPages; page += kRunPages) {
        ahead.look(*tiers_, layer, page);
        const auto run = std::span<const PageHandle>(pages).subspan(layer * kPages + page, kRunPages);
        PassHolds own = {1, {}};
        ASSERT_TRUE(tiers_->pin(run, {nullptr, &own}).ok());
        tiers_->unpin(run);
        ahead.look(*tiers_, layer, page + kRunPages);
      }
    }
    ahead.next_pass();
  };
  pass();
  PassHolds own = {1, {}};
  ASSERT_TRUE(tiers_->pin(others, {nullptr, &own}).ok());
  tiers_->unpin(others);
  pass();
  const uint64_t before = tiers_->statistics().n_pages_missed;
  for (int i = 0; i < 4; ++i) pass();
  EXPECT_LE(tiers_->statistics().n_pages_missed - before, 4 * kLayers * kPages / 4);
  ahead.stop(*tiers_);
  tiers_->unpin(held);
}

TEST_P(TiersWaitTest, OfPassesThatWaitForEachOtherOneEnds) {
  start_with(512u << 10);
  const std::vector<PageHandle> pages = pages_on_disk(180);
  for (int round = 0; round < 20; ++round) {
    // Each holds more than a third of the room, and needs as much again.
    constexpr size_t kHeld = 45;
    std::barrier both(2);
    std::atomic<int> n_ok{0};
    std::atomic<int> n_no_space{0};
    const auto pass = [&](size_t first) {
      const std::span<const PageHandle> mine(pages.data() + first, 2 * kHeld);
      PassHolds own = {1, {}};
      const bool held = tiers_->pin(mine.first(kHeld), {}).ok();
      both.arrive_and_wait();
      const Status more = tiers_->pin(mine.last(kHeld), {nullptr, &own});
      n_ok += more.ok();
      n_no_space += more.kind() == ErrorKind::no_space;
      if (more.ok()) tiers_->unpin(mine.last(kHeld));
      if (held) tiers_->unpin(mine.first(kHeld));
    };
    std::thread other(pass, 2 * kHeld);
    pass(0);
    other.join();
    ASSERT_EQ(n_ok, 1);
    ASSERT_EQ(n_no_space, 1);
  }
}

}  // namespace
}  // namespace leoam::testing
