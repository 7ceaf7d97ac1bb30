// KV in tiers: whatever the budgets, the bytes of the logits are those of a run with everything in RAM.
#include <filesystem>
#include <thread>

#include "tests/runtime/engine/engine_fixture.h"

namespace leoam {
namespace {

class EngineTiersTest : public testing::EngineTest {
 protected:
  testing::TinyModelOptions model(const std::string& architecture = "llama") const {
    testing::TinyModelOptions options;
    options.architecture = architecture;
    options.n_layers = 3;
    options.context_tokens = 4096;
    return options;
  }

  EngineOptions with_budget(uint64_t host_bytes) const {
    EngineOptions options;
    options.host_kv_budget_bytes = host_bytes;
    return options;
  }

  // Logits after the prompt and after each of `n` more tokens, one by one.
  std::vector<std::vector<float>> run(Session& session, size_t n_prompt, size_t n) {
    const std::vector<int32_t> all = tokens(n_prompt + n);
    std::vector<std::vector<float>> out;
    const std::span<const int32_t> given(all);
    Status status = session.evaluate(given.first(n_prompt), {});
    EXPECT_TRUE(status.ok()) << status.message();
    out.push_back(logits(session));
    for (size_t i = 0; i < n && status.ok(); ++i) {
      status = session.evaluate(given.subspan(n_prompt + i, 1), {});
      EXPECT_TRUE(status.ok()) << status.message();
      out.push_back(logits(session));
    }
    return out;
  }

};

TEST_F(EngineTiersTest, LogitsDoNotDependOnTheBudget) {
  for (const char* architecture : {"llama", "gemma3"}) {
    start(model(architecture));
    std::vector<std::vector<float>> expected;
    uint64_t kv_bytes = 0;
    {
      auto all = session();
      expected = run(*all, 1500, 40);
      kv_bytes = all->kv_bytes();
    }
    for (const uint64_t share : {2u, 5u, 10u}) {
      start(model(architecture), with_budget(kv_bytes / share + (300u << 10)));
      auto some = session();
      EXPECT_EQ(run(*some, 1500, 40), expected) << architecture << " 1/" << share;
      const EngineStatistics statistics = engine_->statistics();
      if (architecture == std::string("llama")) {
        EXPECT_GT(statistics.disk_read_bytes, kv_bytes) << share;
      }
      EXPECT_LE(statistics.host_kv_peak_bytes, statistics.host_kv_budget_bytes);
    }
  }
}

TEST_F(EngineTiersTest, NothingIsWrittenWhileEverythingFits) {
  start(model(), with_budget(64u << 20));
  auto s = session();
  run(*s, 1000, 10);
  EXPECT_EQ(engine_->statistics().disk_written_bytes, 0u);
  EXPECT_TRUE(std::filesystem::is_empty(state_.path()));
}

TEST_F(EngineTiersTest, ForksShareAndDiverge) {
  start(model());
  std::vector<std::vector<float>> expected;
  {
    auto all = session();
    expected = run(*all, 700, 0);
  }
  start(model(), with_budget(500u << 10));
  auto first = session();
  ASSERT_EQ(run(*first, 700, 0), expected);
  auto second = first->fork();
  ASSERT_TRUE(second.ok());
  ASSERT_TRUE((*second)->suspend(nullptr).ok());
  const std::vector<int32_t> more = tokens(50, 7);
  ASSERT_TRUE((*second)->evaluate(more, {}).ok());
  ASSERT_TRUE(first->evaluate(more, {}).ok());
  EXPECT_EQ(logits(*first), logits(**second));
  ASSERT_TRUE(first->truncate(300).ok());
  ASSERT_TRUE(first->evaluate(more, {}).ok());
  ASSERT_TRUE((*second)->truncate(300).ok());
  ASSERT_TRUE((*second)->evaluate(more, {}).ok());
  EXPECT_EQ(logits(*first), logits(**second));
}

TEST_F(EngineTiersTest, SuspendGivesEverythingBack) {
  start(model(), with_budget(64u << 20));
  auto s = session();
  const auto expected = run(*s, 1000, 3);
  auto t = session();
  ASSERT_EQ(run(*t, 1000, 0)[0], expected[0]);
  const uint64_t before = engine_->statistics().host_kv_bytes;
  ASSERT_TRUE(t->suspend(nullptr).ok());
  ASSERT_TRUE(s->suspend(nullptr).ok());
  EXPECT_LT(engine_->statistics().host_kv_bytes, before / 4);
  const std::vector<int32_t> all = tokens(1003);
  for (size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(t->evaluate(std::span(all).subspan(1000 + i, 1), {}).ok());
    EXPECT_EQ(logits(*t), expected[i + 1]);
  }
}

TEST_F(EngineTiersTest, AFullDiskTierIsNoSpaceAndTheSessionGoesOnLater) {
  EngineOptions options = with_budget(400u << 10);
  options.disk_kv_budget_bytes = 100u << 10;
  start(model(), options);
  auto s = session();
  const std::vector<int32_t> all = tokens(1500);
  const Status full = s->evaluate(all, {});
  EXPECT_EQ(full.kind(), ErrorKind::no_space) << full.message();
  EXPECT_GT(full.needed_bytes(), full.available_bytes());
  const uint64_t kept = s->n_tokens();
  EXPECT_LT(kept, 1500u);
  engine_->set_disk_kv_budget(64u << 20);
  ASSERT_TRUE(s->evaluate(std::span(all).subspan(kept), {}).ok());
  s.reset();
  start(model());
  auto reference = session();
  const auto expected = run(*reference, 1500, 0);
  reference.reset();
  start(model(), with_budget(400u << 10));
  auto again = session();
  EXPECT_EQ(run(*again, 1500, 0), expected);
}

TEST_F(EngineTiersTest, BudgetsChangeWhileARequestRuns) {
  start(model());
  std::vector<int32_t> expected(900 + 300);
  {
    auto s = session();
    RequestOptions options;
    options.prompt = tokens(900);
    options.max_tokens = 300;
    options.ignore_end = true;
    auto request = s->submit(options);
    ASSERT_TRUE(request.ok());
    Event event;
    while ((*request)->finish_reason() == FinishReason::none) (*request)->poll(&event);
    ASSERT_TRUE(s->copy_tokens(0, expected).ok());
  }
  start(model(), with_budget(64u << 20));
  auto s = session();
  RequestOptions options;
  options.prompt = tokens(900);
  options.max_tokens = 300;
  options.ignore_end = true;
  auto request = s->submit(options);
  ASSERT_TRUE(request.ok());
  Event event;
  int n_changes = 0;
  while ((*request)->finish_reason() == FinishReason::none) {
    while ((*request)->poll(&event)) {
    }
    const Status status = engine_->set_host_kv_budget(n_changes % 2 == 0 ? 400u << 10 : 64u << 20, nullptr);
    EXPECT_TRUE(status.ok()) << status.message();
    ++n_changes;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  std::vector<int32_t> found(expected.size());
  ASSERT_TRUE(s->copy_tokens(0, found).ok());
  EXPECT_EQ(found, expected);
  EXPECT_GT(n_changes, 3);
}

}  // namespace
}  // namespace leoam
