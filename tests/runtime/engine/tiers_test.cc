// KV in tiers: whatever the budgets, the bytes of the logits are those of a run with everything in RAM.
#include <filesystem>
#include <functional>
#include <thread>

#include "tests/runtime/engine/engine_fixture.h"
#include "tests/support/process_memory.h"

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

  // Logits after the prompt and after each of `n` more tokens.
  Logits run(Session& session, size_t n_prompt, size_t n) {
    const Status status = session.evaluate(tokens(n_prompt), {});
    EXPECT_TRUE(status.ok()) << status.message();
    Logits out = {logits(session)};
    for (std::vector<float>& row : go_on(session, n_prompt, n_prompt + n)) out.push_back(std::move(row));
    return out;
  }
  // The same with everything in RAM, on an engine of its own.
  Logits run_in_ram(const std::string& architecture, size_t n_prompt, size_t n,
                    uint64_t* kv_bytes = nullptr) {
    start(model(architecture));
    auto all = session();
    const Logits out = run(*all, n_prompt, n);
    if (kv_bytes) *kv_bytes = all->kv_bytes();
    return out;
  }
  static Logits rows(const Logits& all, size_t begin, size_t end) {
    return {all.begin() + static_cast<std::ptrdiff_t>(begin), all.begin() + static_cast<std::ptrdiff_t>(end)};
  }

  // Draws tokens behind a prompt, with `meanwhile` again and again while they come; all tokens in the end.
  std::vector<int32_t> generate(const std::function<void()>& meanwhile) {
    auto s = session();
    RequestOptions options;
    options.prompt = tokens(900);
    options.max_tokens = 300;
    options.ignore_end = true;
    auto request = s->submit(options);
    EXPECT_TRUE(request.ok()) << request.status().message();
    Event event;
    while (request.ok() && (*request)->finish_reason() == FinishReason::none) {
      while ((*request)->poll(&event)) {
      }
      meanwhile();
    }
    std::vector<int32_t> out(1200);
    EXPECT_TRUE(s->copy_tokens(0, out).ok());
    return out;
  }
};

TEST_F(EngineTiersTest, LogitsDoNotDependOnTheBudget) {
  for (const char* architecture : {"llama", "gemma3"}) {
    uint64_t kv_bytes = 0;
    const Logits expected = run_in_ram(architecture, 1500, 40, &kv_bytes);
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
  const Logits expected = run_in_ram("llama", 700, 0);
  start(model(), with_budget(500u << 10));
  auto first = session();
  ASSERT_EQ(run(*first, 700, 0), expected);
  auto second = first->fork();
  ASSERT_TRUE(second.ok());
  ASSERT_TRUE((*second)->suspend({}).ok());
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
  ASSERT_TRUE(t->suspend({}).ok());
  ASSERT_TRUE(s->suspend({}).ok());
  EXPECT_LT(engine_->statistics().host_kv_bytes, before / 4);
  EXPECT_EQ(go_on(*t, 1000, 1003), rows(expected, 1, 4));
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
  const Logits expected = run_in_ram("llama", 1500, 0);
  start(model(), with_budget(400u << 10));
  auto again = session();
  EXPECT_EQ(run(*again, 1500, 0), expected);
}

TEST_F(EngineTiersTest, ASavedSessionGoesOnWithTheSameBytes) {
  for (const char* architecture : {"llama", "gemma3"}) {
    const Logits expected = run_in_ram(architecture, 700, 30);
    const std::string path = state_.file(std::string(architecture) + ".leoam");
    const SecretKey key = SecretKey::random().value();
    for (const uint64_t budget : {uint64_t{64} << 20, uint64_t{400} << 10}) {
      start(model(architecture), with_budget(budget));
      auto first = session();
      ASSERT_EQ(run(*first, 700, 0)[0], expected[0]);
      Status status = first->save(path, &key, {});
      ASSERT_TRUE(status.ok()) << status.message();
      const uint64_t written = engine_->statistics().disk_written_bytes;
      EXPECT_EQ(go_on(*first, 700, 710), rows(expected, 1, 11));
      status = first->save({}, nullptr, {});
      ASSERT_TRUE(status.ok()) << status.message();
      EXPECT_LE(engine_->statistics().disk_written_bytes - written, 96u << 10);
      first.reset();

      start(model(architecture), with_budget(budget));
      auto again = engine_->open_session(model_, path, &key, {});
      ASSERT_TRUE(again.ok()) << again.status().message();
      EXPECT_EQ((*again)->n_tokens(), 710u);
      EXPECT_EQ(logits(**again), expected[10]);
      EXPECT_EQ(go_on(**again, 710, 730), rows(expected, 11, 31)) << architecture;
      EXPECT_EQ(engine_->open_session(model_, path, &key, {}).status().kind(), ErrorKind::busy);
      again->reset();
      const SecretKey wrong = SecretKey::random().value();
      EXPECT_EQ(engine_->open_session(model_, path, &wrong, {}).status().kind(), ErrorKind::invalid_argument);
      std::filesystem::remove(path);
    }
  }
}

TEST_F(EngineTiersTest, DamagedPagesAreComputedAgainWithTheSameBytes) {
  for (const char* architecture : {"llama", "gemma3"}) {
    const Logits expected = run_in_ram(architecture, 700, 12);
    const std::string path = state_.file("damaged.leoam");
    std::vector<uint64_t> places;
    start(model(architecture));
    {
      auto first = session();
      ASSERT_EQ(run(*first, 700, 10)[10], expected[10]);
      ASSERT_TRUE(first->save(path, nullptr, {}).ok());
    }
    {
      DiskAccount disk(UINT64_MAX);
      auto file = SessionFile::open(engine_->files(), path, nullptr, nullptr, disk, OpenMode::read_only);
      ASSERT_TRUE(file.ok()) << file.status().message();
      for (const StreamIndex& layer : (*file)->streams())
        for (size_t i = 0; i < layer.pages.size(); i += 5) places.push_back(layer.pages[i].offset_bytes);
    }
    {
      std::FILE* file = std::fopen(path.c_str(), "r+b");
      ASSERT_NE(file, nullptr);
      for (const uint64_t place : places) {
        std::fseek(file, static_cast<long>(place + 100), SEEK_SET);
        std::fputc(0xa5, file);
      }
      std::fclose(file);
    }
    auto again = engine_->open_session(model_, path, nullptr, {});
    ASSERT_TRUE(again.ok()) << again.status().message();
    EXPECT_EQ(go_on(**again, 710, 712), rows(expected, 11, 13)) << architecture;
    EXPECT_GT(engine_->statistics().pages_damaged, 0u);
    EXPECT_GT(engine_->statistics().recomputed_tokens, 0u);
    again->reset();
    std::filesystem::remove(path);
  }
}

TEST_F(EngineTiersTest, TheHighWaterMarkHoldsAtTwentyTimesTheBudget) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's own memory would be counted";
#endif
  testing::TinyModelOptions big;
  big.n_layers = 8;
  big.n_kv_heads = 4;
  big.head_dim = 64;
  big.context_tokens = 8192;
  constexpr uint64_t kTokens = 6000;
  constexpr uint64_t kKvBytes = kTokens * 8 * 4 * 64 * 2 * 2;
  start(big, with_budget(kKvBytes / 20));
  auto s = session();
  const testing::PeakMemory peak;
  const std::vector<int32_t> all = tokens(kTokens);
  Status status = s->evaluate(all, {});
  ASSERT_TRUE(status.ok()) << status.message();
  for (int i = 0; i < 5; ++i) {
    status = s->evaluate(tokens(1), {});
    ASSERT_TRUE(status.ok()) << status.message();
  }
  EXPECT_GE(s->kv_bytes(), kKvBytes);
  EXPECT_LE(engine_->statistics().host_kv_peak_bytes, kKvBytes / 20);
  EXPECT_LE(peak.extra_bytes(), static_cast<int64_t>(kKvBytes / 20 + (16u << 20)));
}

TEST_F(EngineTiersTest, ABudgetThatIsRefusedEndsNoRequest) {
  start(model());
  const std::vector<int32_t> expected = generate([] {});
  start(model(), with_budget(2u << 20));
  int n_refused = 0;
  const std::vector<int32_t> drawn = generate([&] {
    // Before its first page the request has nothing that must stay.
    if (engine_->statistics().host_kv_bytes == 0) return;
    const Status status = engine_->set_host_kv_budget(1, nullptr);
    EXPECT_EQ(status.kind(), ErrorKind::no_space);
    n_refused += status.ok() ? 0 : 1;
  });
  EXPECT_EQ(drawn, expected);
  EXPECT_GT(n_refused, 0);
  EXPECT_EQ(engine_->statistics().host_kv_budget_bytes, 2u << 20);
}

TEST_F(EngineTiersTest, BudgetsChangeWhileARequestRuns) {
  start(model());
  const std::vector<int32_t> expected = generate([] {});
  start(model(), with_budget(64u << 20));
  int n_changes = 0;
  const std::vector<int32_t> found = generate([&] {
    const Status status = engine_->set_host_kv_budget(n_changes % 2 == 0 ? 400u << 10 : 64u << 20, nullptr);
    EXPECT_TRUE(status.ok()) << status.message();
    ++n_changes;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  });
  EXPECT_EQ(found, expected);
  EXPECT_GT(n_changes, 3);
}

}  // namespace
}  // namespace leoam
