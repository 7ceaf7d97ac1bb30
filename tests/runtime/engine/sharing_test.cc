// Sessions with one beginning compute it once, busy or not, and every logit is what it would be without.
#include <atomic>
#include <latch>
#include <thread>

#include "tests/runtime/engine/engine_fixture.h"

namespace leoam {
namespace {

constexpr uint64_t kPiece = 256;

class SharingTest : public testing::EngineTest {
 protected:
  static testing::TinyModelOptions model(const std::string& architecture = "llama") {
    return long_model(3, architecture);
  }

  // What a session that is alone computes behind the first n of tokens(n, seed).
  std::vector<float> alone(size_t n, uint32_t seed = 1, const SessionOptions& options = {}) {
    const std::vector<float> out = evaluated(*session(options), tokens(n, seed));
    EXPECT_EQ(n_shared(), 0u);
    return out;
  }
  static std::vector<float> evaluated(Session& session, std::span<const int32_t> given) {
    const Status status = session.evaluate(given, {});
    EXPECT_TRUE(status.ok()) << status.message();
    return logits(session);
  }
  static RequestOptions prefill(std::vector<int32_t> prompt) {
    RequestOptions options;
    options.prompt = std::move(prompt);
    options.max_tokens = 0;
    return options;
  }
  uint64_t n_shared() const { return engine_->statistics().shared_tokens; }
};

TEST_F(SharingTest, AnIdleSessionSharesWholePieces) {
  start(model());
  auto first = session();
  const std::vector<float> expected = evaluated(*first, tokens(900));
  const uint64_t before = engine_->statistics().host_kv_bytes;
  auto second = session();
  EXPECT_EQ(evaluated(*second, tokens(900)), expected);
  EXPECT_EQ(n_shared(), 3 * kPiece);
  EXPECT_LT(engine_->statistics().host_kv_bytes - before, before / 3);
  ASSERT_TRUE(first->truncate(0).ok());
  ASSERT_TRUE(first->evaluate(tokens(500, 9), {}).ok());
  ASSERT_TRUE(second->truncate(0).ok());
  auto third = session();
  EXPECT_EQ(evaluated(*third, tokens(900)), expected);
  EXPECT_EQ(n_shared(), 3 * kPiece) << "nobody has it any more";
}

TEST_F(SharingTest, RequestsThatAreSubmittedTogetherComputeAPromptOnce) {
  for (const char* architecture : {"llama", "gemma3"}) {
    start(model(architecture));
    const std::vector<float> expected = alone(900);
    std::vector<std::shared_ptr<Session>> sessions;
    std::vector<std::shared_ptr<Request>> requests;
    // The first pass ends when all are there: layers that slide do not keep a prompt's beginning for long.
    std::latch all_submitted(1);
    RequestOptions waiting = prefill(tokens(900));
    waiting.delivery = Delivery::callback;
    waiting.on_event = [&](const Event&) {
      all_submitted.wait();
      return true;
    };
    for (int i = 0; i < 3; ++i) {
      sessions.push_back(session());
      auto request = sessions.back()->submit(i == 0 ? waiting : prefill(tokens(900)));
      if (!request.ok()) all_submitted.count_down();
      ASSERT_TRUE(request.ok()) << request.status().message();
      requests.push_back(std::move(request).value());
    }
    all_submitted.count_down();
    for (size_t i = 0; i < requests.size(); ++i) {
      ASSERT_TRUE(requests[i]->wait(60'000'000).ok());
      EXPECT_EQ(requests[i]->finish_reason(), FinishReason::length) << requests[i]->status().message();
      EXPECT_EQ(logits(*sessions[i]), expected) << architecture << ' ' << i;
      EXPECT_EQ(requests[i]->statistics().prompt_tokens, 900u);
    }
    // Three whole pieces once, and the end of the prompt three times.
    EXPECT_EQ(engine_->statistics().steps, 6u) << architecture;
    EXPECT_EQ(n_shared(), 2 * 3 * kPiece);
  }
}

TEST_F(SharingTest, EventsOfASharedPromptReachItsEnd) {
  start(model());
  auto first = session();
  evaluated(*first, tokens(900));
  auto second = session();
  auto request = second->submit(prefill(tokens(900)));
  ASSERT_TRUE(request.ok());
  ASSERT_TRUE((*request)->wait(60'000'000).ok());
  Event event;
  ASSERT_TRUE((*request)->poll(&event));
  EXPECT_EQ(event.kind, EventKind::prefill);
  EXPECT_EQ(event.done_tokens, 900u);
  EXPECT_EQ(event.total_tokens, 900u);
  EXPECT_EQ((*request)->statistics().prefilled_tokens, 900 - 3 * kPiece);
}

TEST_F(SharingTest, ASessionInACallSharesBetweenItsPasses) {
  start(model());
  const std::vector<float> expected = alone(900);
  auto first = session();
  std::vector<std::vector<float>> found;
  std::vector<uint64_t> shared;
  EvaluateOptions options;
  options.on_progress = [&](uint64_t, uint64_t) {
    auto second = session();
    found.push_back(evaluated(*second, tokens(900)));
    shared.push_back(n_shared());
    return true;
  };
  ASSERT_TRUE(first->evaluate(tokens(900), options).ok());
  EXPECT_EQ(logits(*first), expected);
  for (const std::vector<float>& other : found) EXPECT_EQ(other, expected);
  ASSERT_GT(shared.size(), 1u);
  EXPECT_EQ(shared[0], kPiece);
}

TEST_F(SharingTest, APassThatRunsIsNotDisturbed) {
  start(model());
  const std::vector<float> expected = alone(900);
  auto first = session();
  RequestOptions options = prefill(tokens(900));
  options.delivery = Delivery::step;
  auto request = first->submit(options);
  ASSERT_TRUE(request.ok());
  // Stopped inside a pass.
  ASSERT_TRUE((*request)->step(0).ok());
  auto second = session();
  EXPECT_EQ(evaluated(*second, tokens(900)), expected);
  EXPECT_EQ(n_shared(), 0u);
  // The next prompt's pieces come from the second one, in the middle of a call as well.
  auto third = session();
  EXPECT_EQ(evaluated(*third, tokens(900)), expected);
  EXPECT_EQ(n_shared(), 3 * kPiece);
}

TEST_F(SharingTest, OtherPassesAreNotShared) {
  start(model());
  SessionOptions narrow;
  narrow.piece_tokens = 128;
  const std::vector<float> expected = alone(900);
  auto cut = session();
  evaluated(*cut, tokens(100));
  evaluated(*cut, std::span<const int32_t>(tokens(900)).subspan(100));
  auto small = session(narrow);
  evaluated(*small, tokens(900));
  auto other = session();
  EXPECT_EQ(evaluated(*other, tokens(900)), expected);
  EXPECT_EQ(n_shared(), 0u);
}

TEST_F(SharingTest, ASavedSessionKeepsThePagesOfItsFile) {
  start(model());
  const std::vector<int32_t> all = tokens(1500);
  const std::span<const int32_t> given(all);
  const std::vector<float> expected = alone(1500);
  auto saved = session();
  evaluated(*saved, given.first(4 * kPiece));
  ASSERT_TRUE(saved->save(state_.file("saved.leoam"), nullptr, {}).ok());
  const uint64_t written = engine_->statistics().disk_written_bytes;
  auto other = session();
  EXPECT_EQ(evaluated(*other, given), expected);
  EXPECT_EQ(evaluated(*saved, given.subspan(4 * kPiece)), expected);
  ASSERT_TRUE(saved->save({}, nullptr, {}).ok());
  EXPECT_LT(engine_->statistics().disk_written_bytes - written, written) << "the first pages are there";
}

// Whoever shares, is shared, forks, cuts, saves and cancels at once. Prompts are drawn out of few, so that
// there is much to share.
TEST_F(SharingTest, ManyThreadsShareAndEveryLogitIsRight) {
  constexpr uint32_t kPrompts = 2;
  constexpr size_t kTokens = 700;
  SessionOptions options;
  options.piece_tokens = 64;
  EngineOptions engine;
  engine.host_kv_budget_bytes = 3u << 20;
  start(model(), engine);
  std::vector<std::vector<float>> expected;
  for (uint32_t prompt = 0; prompt < kPrompts; ++prompt)
    expected.push_back(alone(kTokens, prompt + 1, options));
  std::atomic<int> n_wrong{0};
  const auto work = [&](uint32_t seed) {
    std::shared_ptr<Session> s = session(options);
    for (int i = 0; i < 12; ++i) {
      seed = seed * 1664525u + 1013904223u;
      const uint32_t prompt = (seed >> 12) % kPrompts;
      const std::vector<int32_t> all = tokens(kTokens, prompt + 1);
      if (!s->truncate(0).ok()) ++n_wrong;
      switch ((seed >> 20) % 4) {
        case 0: {
          if (!s->evaluate(all, {}).ok()) ++n_wrong;
          break;
        }
        case 1: {
          auto request = s->submit(prefill(all));
          if (!request.ok() || !(*request)->wait(60'000'000).ok()) ++n_wrong;
          break;
        }
        case 2: {
          // The first part is enough: the session goes on in a fork.
          const size_t part = (seed >> 8) % 10 * options.piece_tokens;
          const std::span<const int32_t> given(all);
          if (!s->evaluate(given.first(part), {}).ok()) ++n_wrong;
          auto fork = s->fork();
          if (!fork.ok() || !(*fork)->evaluate(given.subspan(part), {}).ok()) ++n_wrong;
          s = std::move(fork).value();
          break;
        }
        default: {
          auto request = s->submit(prefill(all));
          if (request.ok()) (*request)->cancel();
          if (!request.ok() || !(*request)->wait(60'000'000).ok()) ++n_wrong;
          const size_t kept = static_cast<size_t>(s->n_tokens());
          if (kept == kTokens) break;
          if (!s->suspend({}).ok()) ++n_wrong;
          if (!s->evaluate(std::span<const int32_t>(all).subspan(kept), {}).ok()) ++n_wrong;
        }
      }
      if (logits(*s) != expected[prompt]) ++n_wrong;
    }
  };
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < 4; ++i) threads.emplace_back(work, i * 77 + 5);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(n_wrong, 0);
  EXPECT_GT(n_shared(), 0u);
}

}  // namespace
}  // namespace leoam
