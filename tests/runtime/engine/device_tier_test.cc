// Three tiers: a device with memory of its own above RAM and disk. What holds for two holds for it.
#include <thread>

#include "tests/runtime/engine/engine_fixture.h"
#include "tests/support/sim_device.h"

namespace leoam {
namespace {

using testing::SimDevice;

class DeviceTierTest : public testing::EngineTest {
 protected:
  static testing::TinyModelOptions model(const std::string& architecture = "llama") {
    return long_model(3, architecture);
  }

  EngineOptions three_tiers(uint64_t device_bytes, uint64_t host_bytes,
                            const SimDevice::Options& device = {}) {
    EngineOptions options;
    options.device_kv_budget_bytes = device_bytes;
    options.host_kv_budget_bytes = host_bytes;
    options.create_device = testing::sim_device_factory(device, &device_);
    return options;
  }

  // Logits after a prompt of `n_prompt`, and after each of four tokens behind it.
  std::vector<std::vector<float>> run(Session& session, size_t n_prompt) {
    const std::vector<int32_t> all = tokens(n_prompt + 4);
    std::vector<std::vector<float>> rows;
    for (size_t begin = 0, end = n_prompt; end <= all.size(); begin = end++) {
      const Status status = session.evaluate(std::span(all).subspan(begin, end - begin), {});
      EXPECT_TRUE(status.ok()) << status.message();
      if (!status.ok()) return rows;
      rows.push_back(logits(session));
    }
    return rows;
  }

  std::vector<std::vector<float>> expected(const testing::TinyModelOptions& options, size_t n_prompt) {
    start(options);
    auto all = session();
    auto rows = run(*all, n_prompt);
    kv_bytes_ = all->kv_bytes();
    return rows;
  }

  SimDevice* device_ = nullptr;
  uint64_t kv_bytes_ = 0;
};

TEST_F(DeviceTierTest, LogitsDoNotDependOnTheBudgets) {
  for (const char* architecture : {"llama", "gemma3"}) {
    const auto rows = expected(model(architecture), 1500);
    const bool slides = architecture == std::string("gemma3");
    const uint64_t some = kv_bytes_ / 4 + (300u << 10);
    // Everything on the device; the rest in RAM; the rest in RAM and on disk, over a link that takes its
    // time.
    start(model(architecture), three_tiers(64u << 20, 64u << 20));
    auto s = session();
    EXPECT_EQ(run(*s, 1500), rows) << architecture;
    EXPECT_EQ(engine_->statistics().raised_bytes + engine_->statistics().lowered_bytes, 0u);
    s.reset();
    start(model(architecture), three_tiers(some, 64u << 20));
    s = session();
    EXPECT_EQ(run(*s, 1500), rows) << architecture;
    EXPECT_EQ(engine_->statistics().disk_written_bytes, 0u);
    if (!slides) {
      EXPECT_GT(engine_->statistics().raised_bytes, kv_bytes_);
    }
    s.reset();
    start(model(architecture), three_tiers(some, some, {UINT64_MAX, 500u << 20, 20}));
    s = session();
    EXPECT_EQ(run(*s, 1500), rows) << architecture;
    const EngineStatistics statistics = engine_->statistics();
    if (!slides) {
      EXPECT_GT(statistics.disk_read_bytes, kv_bytes_ / 4);
      EXPECT_GT(statistics.pages_ahead, 2 * statistics.pages_missed);
    }
    EXPECT_LE(statistics.device_kv_peak_bytes, statistics.device_kv_budget_bytes);
    EXPECT_LE(statistics.host_kv_peak_bytes, statistics.host_kv_budget_bytes);
  }
}

TEST_F(DeviceTierTest, BudgetsOfAllTiersChangeWhileSessionsRun) {
  const auto rows = expected(model(), 1200);
  start(model(), three_tiers(64u << 20, 64u << 20));
  std::atomic<bool> stop{false};
  std::thread changes([&] {
    for (uint64_t i = 0; !stop.load(); ++i) {
      EXPECT_TRUE(engine_->set_device_kv_budget((i % 3 == 0 ? 64u << 20 : 500u << 10), nullptr).ok());
      EXPECT_TRUE(engine_->set_host_kv_budget((i % 2 == 0 ? 64u << 20 : 600u << 10), nullptr).ok());
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  });
  for (int i = 0; i < 3; ++i) {
    auto s = session();
    EXPECT_EQ(run(*s, 1200), rows);
    auto fork = s->fork();
    ASSERT_TRUE(fork.ok());
    ASSERT_TRUE((*fork)->evaluate(tokens(3), {}).ok());
  }
  stop.store(true);
  changes.join();
}

TEST_F(DeviceTierTest, SuspendAndSaveTakeEverythingOffTheDevice) {
  const auto rows = expected(model(), 1000);
  start(model(), three_tiers(64u << 20, 64u << 20));
  auto s = session();
  ASSERT_EQ(run(*s, 1000), rows);
  const std::string path = state_.file("three.leoam");
  ASSERT_TRUE(s->save(path, nullptr, {}).ok());
  ASSERT_TRUE(s->suspend({}).ok());
  EXPECT_EQ(engine_->statistics().device_kv_bytes, 0u);
  EXPECT_LT(engine_->statistics().host_kv_bytes, kv_bytes_ / 4);
  const std::vector<int32_t> more = tokens(20, 5);
  ASSERT_TRUE(s->evaluate(more, {}).ok());
  const std::vector<float> after = logits(*s);
  s.reset();
  auto again = engine_->open_session(model_, path, nullptr, {});
  ASSERT_TRUE(again.ok()) << again.status().message();
  ASSERT_TRUE((*again)->evaluate(more, {}).ok());
  EXPECT_EQ(logits(**again), after);
}

TEST_F(DeviceTierTest, NoRoomOnAnyTierIsNoSpaceAndTheSessionGoesOnLater) {
  const auto rows = expected(model(), 2500);
  EngineOptions options = three_tiers(400u << 10, 300u << 10);
  options.disk_kv_budget_bytes = 100u << 10;
  start(model(), options);
  auto s = session();
  const std::vector<int32_t> all = tokens(2500);
  const Status full = s->evaluate(all, {});
  EXPECT_EQ(full.kind(), ErrorKind::no_space) << full.message();
  EXPECT_GT(full.needed_bytes(), full.available_bytes());
  const uint64_t kept = s->n_tokens();
  ASSERT_LT(kept, 2500u);
  ASSERT_TRUE(engine_->set_host_kv_budget(64u << 20, nullptr).ok());
  ASSERT_TRUE(s->evaluate(std::span(all).subspan(kept), {}).ok());
  EXPECT_EQ(logits(*s), rows[0]);
}

TEST_F(DeviceTierTest, ALostDeviceFailsItsSessionsAndNothingElse) {
  const auto rows = expected(model(), 1000);
  start(model(), three_tiers(kv_bytes_ / 4 + (150u << 10), 64u << 20));
  auto s = session();
  ASSERT_TRUE(s->evaluate(tokens(1000), {}).ok());
  device_->lose_at_copy(3);
  const Status lost = s->evaluate(tokens(200), {});
  EXPECT_EQ(lost.kind(), ErrorKind::device_lost) << lost.message();
  EXPECT_EQ(s->evaluate(tokens(200), {}).kind(), ErrorKind::device_lost);
  s.reset();
  start(model(), three_tiers(kv_bytes_ / 4 + (150u << 10), 64u << 20));
  s = session();
  EXPECT_EQ(run(*s, 1000), rows);
}

TEST_F(DeviceTierTest, ADeviceThatIsTooSmallIsAnErrorOfTheCall) {
  testing::TinyModelOptions deep = model();
  deep.n_layers = 8;
  start(deep, three_tiers(64u << 20, 64u << 20, {2u << 20, 0, 0}));
  auto s = session();
  EXPECT_EQ(s->evaluate(tokens(4000), {}).kind(), ErrorKind::out_of_memory);
  EXPECT_GT(s->n_tokens(), 0u);
  ASSERT_TRUE(s->truncate(0).ok());
  EXPECT_TRUE(s->evaluate(tokens(100), {}).ok());
}

TEST_F(DeviceTierTest, ADeviceThatComputesInRamHasNoBudgetOfItsOwn) {
  start(model());
  EXPECT_EQ(engine_->set_device_kv_budget(1u << 20, nullptr).kind(), ErrorKind::unsupported);
}

}  // namespace
}  // namespace leoam
