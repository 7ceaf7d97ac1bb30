#include "runtime/engine/session.h"

#include <thread>

#include "tests/runtime/engine/engine_fixture.h"

namespace leoam {
namespace {

using SessionTest = testing::EngineTest;

TEST_F(SessionTest, PiecesAndSingleTokensGiveTheSameLogits) {
  for (const char* architecture : {"llama", "qwen2", "qwen3", "gemma3"}) {
    testing::TinyModelOptions model;
    model.architecture = architecture;
    model.n_layers = 7;
    start(model);
    const std::vector<int32_t> prompt = tokens(150);
    auto whole = session();
    ASSERT_TRUE(whole->evaluate(prompt, {}).ok());
    auto single = session();
    for (const int32_t token : prompt) ASSERT_TRUE(single->evaluate(std::span(&token, 1), {}).ok());
    EXPECT_LT(largest_difference(logits(*whole), logits(*single)), 1e-3) << architecture;
    SessionOptions options;
    options.piece_tokens = 37;
    auto pieces = session(options);
    ASSERT_TRUE(pieces->evaluate(prompt, {}).ok());
    EXPECT_LT(largest_difference(logits(*whole), logits(*pieces)), 1e-3) << architecture;
  }
}

TEST_F(SessionTest, ResultsDoNotDependOnTheNumberOfThreads) {
  const std::vector<int32_t> prompt = tokens(100);
  std::vector<std::vector<float>> results;
  for (const int n_threads : {1, 2, 5}) {
    EngineOptions options;
    options.n_threads = n_threads;
    start(with_tokenizer(), options);
    auto s = session();
    ASSERT_TRUE(s->evaluate(prompt, {}).ok());
    ASSERT_TRUE(s->evaluate(tokens(1), {}).ok());
    results.push_back(logits(*s));
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST_F(SessionTest, EveryCpuLevelAgrees) {
  std::vector<std::vector<float>> results;
  for (int level = 0; level <= static_cast<int>(kernels::best_cpu_level()); ++level) {
    EngineOptions options;
    options.cpu_level = static_cast<kernels::CpuLevel>(level);
    start(with_tokenizer(), options);
    auto s = session();
    ASSERT_TRUE(s->evaluate(tokens(70), {}).ok());
    results.push_back(logits(*s));
    EXPECT_LT(largest_difference(results[0], results.back()), 1e-3);
  }
}

TEST_F(SessionTest, AllLogitsAreDeliveredInOrder) {
  start();
  auto s = session();
  const std::vector<int32_t> prompt = tokens(50);
  std::vector<uint64_t> positions;
  std::vector<float> last;
  EvaluateOptions options;
  options.all_logits = true;
  options.on_logits = [&](uint64_t position, std::span<const float> row) {
    positions.push_back(position);
    last.assign(row.begin(), row.end());
    return true;
  };
  ASSERT_TRUE(s->evaluate(prompt, options).ok());
  ASSERT_EQ(positions.size(), 50u);
  for (size_t i = 0; i < 50; ++i) EXPECT_EQ(positions[i], i);
  EXPECT_EQ(last, logits(*s));
}

TEST_F(SessionTest, ABudgetThatIsTooSmallLeavesTheSessionUsable) {
  EngineOptions options;
  options.host_kv_budget_bytes = 64 << 10;
  options.disk_kv_budget_bytes = 1;
  start(with_tokenizer(), options);
  SessionOptions small;
  small.piece_tokens = 32;
  auto s = session(small);
  const Status refused = s->evaluate(tokens(400), {});
  EXPECT_EQ(refused.kind(), ErrorKind::no_space);
  EXPECT_GT(refused.needed_bytes(), refused.available_bytes());
  EXPECT_LE(engine_->statistics().host_kv_peak_bytes, 64u << 10);
  const uint64_t kept = s->n_tokens();
  EXPECT_GT(kept, 0u);
  EXPECT_EQ(kept % 32, 0u);
  ASSERT_TRUE(engine_->set_host_kv_budget(64 << 20, nullptr).ok());
  const std::vector<int32_t> all = tokens(400);
  ASSERT_TRUE(s->evaluate(std::span(all).subspan(kept), {}).ok());
  auto fresh = session(small);
  ASSERT_TRUE(fresh->evaluate(all, {}).ok());
  EXPECT_EQ(logits(*s), logits(*fresh));
}

TEST_F(SessionTest, TruncateGoesBackExactly) {
  start();
  auto s = session();
  ASSERT_TRUE(s->evaluate(tokens(40), {}).ok());
  ASSERT_TRUE(s->evaluate(tokens(30, 2), {}).ok());
  const std::vector<float> before = logits(*s);
  ASSERT_TRUE(s->evaluate(tokens(50, 3), {}).ok());
  ASSERT_TRUE(s->truncate(40).ok());
  EXPECT_EQ(s->n_tokens(), 40u);
  std::vector<float> room(before.size());
  EXPECT_EQ(s->copy_logits(room).kind(), ErrorKind::invalid_argument);
  ASSERT_TRUE(s->evaluate(tokens(30, 2), {}).ok());
  EXPECT_EQ(logits(*s), before);
  EXPECT_EQ(s->truncate(71).kind(), ErrorKind::invalid_argument);
}

TEST_F(SessionTest, ACutInsideAPassLeavesWhatItsPassesCanMakeAgain) {
  start();
  const std::vector<int32_t> all = tokens(120);
  // Of the pass of tokens [40, 80) this many stay.
  for (const uint32_t n_left : {1u, 4u, 5u, 20u}) {
    auto s = session();
    ASSERT_TRUE(s->evaluate(std::span(all).first(40), {}).ok());
    ASSERT_TRUE(s->evaluate(std::span(all).subspan(40, 40), {}).ok());
    ASSERT_TRUE(s->truncate(40 + n_left).ok());
    EXPECT_EQ(s->n_tokens(), 40u + n_left);
    ASSERT_TRUE(s->evaluate(std::span(all).subspan(40 + n_left), {}).ok());
    auto fresh = session();
    ASSERT_TRUE(fresh->evaluate(std::span(all).first(40), {}).ok());
    if (n_left > 4) {
      ASSERT_TRUE(fresh->evaluate(std::span(all).subspan(40, n_left), {}).ok());
    }
    ASSERT_TRUE(fresh->evaluate(std::span(all).subspan(fresh->n_tokens()), {}).ok());
    EXPECT_EQ(logits(*s), logits(*fresh)) << n_left;
  }
}

TEST_F(SessionTest, CancelKeepsWholePieces) {
  start();
  SessionOptions small;
  small.piece_tokens = 16;
  auto s = session(small);
  CancelFlag cancel;
  EvaluateOptions options;
  options.cancel = &cancel;
  options.on_progress = [&](uint64_t done, uint64_t) {
    if (done >= 48) cancel.cancel();
    return true;
  };
  EXPECT_EQ(s->evaluate(tokens(400), options).kind(), ErrorKind::cancelled);
  EXPECT_EQ(s->n_tokens(), 48u);
  cancel.reset();
  options.on_progress = [](uint64_t done, uint64_t) { return done < 32; };
  EXPECT_EQ(s->evaluate(tokens(400), options).kind(), ErrorKind::cancelled);
  EXPECT_EQ(s->n_tokens(), 80u);
  ASSERT_TRUE(s->evaluate(tokens(8), {}).ok());
}

TEST_F(SessionTest, BadArgumentsChangeNothing) {
  start();
  auto s = session();
  const int32_t n_vocab = static_cast<int32_t>(model_->config().n_vocab);
  for (const int32_t bad : {-1, n_vocab, INT32_MAX}) {
    const Status status = s->evaluate(std::span(&bad, 1), {});
    EXPECT_EQ(status.kind(), ErrorKind::invalid_argument);
    EXPECT_NE(status.message().find("tokens[0]"), std::string::npos);
  }
  EXPECT_EQ(s->evaluate(tokens(513), {}).kind(), ErrorKind::invalid_argument);
  EXPECT_EQ(s->n_tokens(), 0u);
  std::vector<int32_t> out(1);
  EXPECT_EQ(s->copy_tokens(0, out).kind(), ErrorKind::invalid_argument);
  SessionOptions options;
  options.policy.name = "psychic";
  EXPECT_EQ(engine_->create_session(model_, options).status().kind(), ErrorKind::unsupported);
  options = {};
  options.page_tokens = 33;
  EXPECT_EQ(engine_->create_session(model_, options).status().kind(), ErrorKind::invalid_argument);
}

TEST_F(SessionTest, ASecondDriverIsRefused) {
  start();
  auto s = session();
  Status inner;
  EvaluateOptions options;
  options.on_progress = [&](uint64_t, uint64_t) {
    inner = s->evaluate(tokens(1), {});
    return true;
  };
  ASSERT_TRUE(s->evaluate(tokens(4), options).ok());
  EXPECT_EQ(inner.kind(), ErrorKind::busy);
}

TEST_F(SessionTest, SessionsOnSeveralThreadsDoNotDisturbEachOther) {
  start();
  auto reference = session();
  ASSERT_TRUE(reference->evaluate(tokens(90), {}).ok());
  const std::vector<float> expected = logits(*reference);
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 5; ++i) {
        auto s = session();
        ASSERT_TRUE(s->evaluate(tokens(90), {}).ok());
        EXPECT_EQ(logits(*s), expected);
      }
    });
  for (std::thread& thread : threads) thread.join();
}

TEST_F(SessionTest, AKvCacheOfFloatsIsCloseToHalfFloats) {
  start();
  SessionOptions f32;
  f32.kv_type = kernels::KvType::f32;
  auto a = session(f32);
  auto b = session();
  ASSERT_TRUE(a->evaluate(tokens(100), {}).ok());
  ASSERT_TRUE(b->evaluate(tokens(100), {}).ok());
  EXPECT_EQ(a->kv_bytes(), 2 * b->kv_bytes());
  const double difference = largest_difference(logits(*a), logits(*b));
  EXPECT_GT(difference, 0);
  EXPECT_LT(difference, 2e-2);
}

}  // namespace
}  // namespace leoam
