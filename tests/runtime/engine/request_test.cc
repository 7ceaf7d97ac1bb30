#include "runtime/engine/request.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "tests/runtime/engine/engine_fixture.h"

namespace leoam {
namespace {

struct Seen {
  std::vector<int32_t> tokens;
  std::string text;
  uint64_t prefilled = 0;
  FinishReason reason = FinishReason::none;
  void take(const Event& event) {
    if (event.kind == EventKind::token) tokens.push_back(event.token);
    if (event.kind == EventKind::prefill) prefilled = event.done_tokens;
    if (event.kind == EventKind::finished) reason = event.reason;
    text += event.text;
  }
};

class RequestTest : public testing::EngineTest {
 protected:
  RequestOptions options(size_t n_prompt = 20, uint32_t max_tokens = 24) {
    RequestOptions request;
    request.prompt = tokens(n_prompt);
    request.max_tokens = max_tokens;
    request.ignore_end = true;
    return request;
  }

  static std::shared_ptr<Request> submit(Session& session, RequestOptions request) {
    auto submitted = session.submit(std::move(request));
    EXPECT_TRUE(submitted.ok()) << submitted.status().message();
    return submitted.ok() ? std::move(submitted).value() : nullptr;
  }

  static Seen drain(Request& request) {
    Seen seen;
    while (seen.reason == FinishReason::none) {
      Event event;
      if (request.poll(&event)) {
        seen.take(event);
        continue;
      }
      pollfd waiting = {request.event_fd(), POLLIN, 0};
      EXPECT_EQ(::poll(&waiting, 1, 20000), 1);
    }
    return seen;
  }

  Seen run(RequestOptions request) {
    auto s = session();
    return drain(*submit(*s, std::move(request)));
  }
};

TEST_F(RequestTest, AllDeliveriesGiveTheTokensOfAPlainLoop) {
  start();
  std::vector<int32_t> expected;
  auto plain = session();
  ASSERT_TRUE(plain->evaluate(tokens(20), {}).ok());
  for (int i = 0; i < 24; ++i) {
    const std::vector<float> row = logits(*plain);
    expected.push_back(static_cast<int32_t>(std::max_element(row.begin(), row.end()) - row.begin()));
    ASSERT_TRUE(plain->evaluate(std::span(&expected.back(), 1), {}).ok());
  }

  const Seen polled = run(options());
  EXPECT_EQ(polled.tokens, expected);
  EXPECT_EQ(polled.prefilled, 20u);
  EXPECT_EQ(polled.reason, FinishReason::length);

  Seen called;
  RequestOptions callback = options();
  callback.delivery = Delivery::callback;
  callback.on_event = [&](const Event& event) {
    called.take(event);
    return true;
  };
  auto a = session();
  auto request = submit(*a, std::move(callback));
  ASSERT_TRUE(request->wait(20'000'000).ok());
  EXPECT_EQ(called.tokens, expected);
  EXPECT_EQ(called.text, polled.text);
  EXPECT_EQ(called.reason, FinishReason::length);

  Seen stepped;
  RequestOptions step = options();
  step.delivery = Delivery::step;
  auto b = session();
  request = submit(*b, std::move(step));
  size_t n_steps = 0;
  for (bool finished = false; !finished; ++n_steps) {
    Result<bool> result = request->step(0);
    ASSERT_TRUE(result.ok());
    finished = *result;
    for (Event event; request->poll(&event);) stepped.take(event);
  }
  EXPECT_GT(n_steps, 24u);
  EXPECT_EQ(stepped.tokens, expected);
  EXPECT_EQ(stepped.text, polled.text);
}

TEST_F(RequestTest, RequestsThatShareAPassGiveWhatTheyGiveAlone) {
  start();
  std::vector<Seen> alone;
  for (uint32_t i = 0; i < 6; ++i) {
    RequestOptions request = options(10 + 30 * i);
    request.prompt = tokens(10 + 30 * i, i + 1);
    alone.push_back(run(std::move(request)));
  }
  const uint64_t before = engine_->statistics().steps;
  std::vector<std::shared_ptr<Session>> sessions;
  std::vector<std::shared_ptr<Request>> requests;
  for (uint32_t i = 0; i < 6; ++i) {
    RequestOptions request = options();
    request.prompt = tokens(10 + 30 * i, i + 1);
    sessions.push_back(session());
    requests.push_back(submit(*sessions.back(), std::move(request)));
  }
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(drain(*requests[i]).tokens, alone[i].tokens) << i;
  // Alone it would be 6 x 24 passes.
  EXPECT_LT(engine_->statistics().steps - before, 100u);
}

TEST_F(RequestTest, SequencesThatDoNotFitTogetherShareFewerPasses) {
  constexpr uint32_t kSequences = 8;
  const auto run_all = [this](bool together) {
    std::vector<std::shared_ptr<Session>> sessions;
    std::vector<std::shared_ptr<Request>> requests;
    std::vector<Seen> seen;
    for (uint32_t i = 0; i < kSequences; ++i) {
      RequestOptions request = options();
      request.prompt = tokens(200, i + 1);
      sessions.push_back(session());
      requests.push_back(submit(*sessions.back(), std::move(request)));
      if (!together) seen.push_back(drain(*requests.back()));
    }
    for (uint32_t i = 0; together && i < kSequences; ++i) seen.push_back(drain(*requests[i]));
    return seen;
  };
  const auto all_done = [](const std::vector<Seen>& seen) {
    return std::ranges::all_of(seen, [](const Seen& one) { return one.reason == FinishReason::length; });
  };
  start();
  const std::vector<Seen> expected = run_all(false);
  // The least budget that they get by with one after the other.
  EngineOptions little;
  std::vector<Seen> seen;
  while (!all_done(seen) || seen.empty()) {
    little.host_kv_budget_bytes += 16 << 10;
    start(with_tokenizer(), little);
    seen = run_all(false);
  }
  start(with_tokenizer(), little);
  seen = run_all(true);
  EXPECT_TRUE(all_done(seen)) << little.host_kv_budget_bytes;
  for (uint32_t i = 0; i < kSequences; ++i) EXPECT_EQ(seen[i].tokens, expected[i].tokens) << i;
}

TEST_F(RequestTest, CancelEndsWithinItsBound) {
  start();
  for (const bool in_prefill : {true, false}) {
    auto s = session();
    auto request = submit(*s, options(in_prefill ? 400 : 4, 100));
    if (!in_prefill) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    const auto start_time = std::chrono::steady_clock::now();
    request->cancel();
    ASSERT_TRUE(request->wait(20'000'000).ok());
    EXPECT_LT(std::chrono::steady_clock::now() - start_time, std::chrono::seconds(2));
    const FinishReason reason = request->finish_reason();
    EXPECT_TRUE(reason == FinishReason::cancelled || reason == FinishReason::length);
    EXPECT_TRUE(s->evaluate(tokens(1), {}).ok());
  }
}

TEST_F(RequestTest, AFullRingHoldsTheGenerationBack) {
  start();
  auto s = session();
  auto request = submit(*s, options(10, 400));
  EXPECT_EQ(request->wait(300'000).kind(), ErrorKind::busy);
  EXPECT_LT(request->statistics().generated_tokens, 257u);
  const Seen seen = drain(*request);
  EXPECT_EQ(seen.tokens.size(), 400u);
}

TEST_F(RequestTest, ACallbackCanStop) {
  start();
  auto s = session();
  int n_tokens = 0;
  RequestOptions request = options(10, 100);
  request.delivery = Delivery::callback;
  request.on_event = [&](const Event& event) { return event.kind != EventKind::token || ++n_tokens < 3; };
  auto running = submit(*s, std::move(request));
  ASSERT_TRUE(running->wait(20'000'000).ok());
  EXPECT_EQ(running->finish_reason(), FinishReason::cancelled);
  EXPECT_EQ(n_tokens, 3);
}

TEST_F(RequestTest, DetachEndsCallbacks) {
  start();
  for (const bool inside : {true, false}) {
    auto s = session();
    std::atomic<int> calls{0};
    std::atomic<Request*> self{nullptr};
    RequestOptions request = options(10, 400);
    request.delivery = Delivery::callback;
    request.on_event = [&](const Event&) {
      ++calls;
      while (!self.load()) std::this_thread::yield();
      if (inside) self.load()->detach();
      return true;
    };
    auto running = submit(*s, std::move(request));
    self = running.get();
    if (!inside) {
      std::this_thread::sleep_for(std::chrono::milliseconds(3));
      running->detach();
    } else {
      ASSERT_TRUE(running->wait(20'000'000).ok());
    }
    const int seen = calls;
    if (inside) {
      EXPECT_EQ(seen, 1);
    }
    ASSERT_TRUE(running->wait(20'000'000).ok());
    EXPECT_EQ(calls, seen);
  }
}

TEST_F(RequestTest, StopStringsEndTheTextBeforeThem) {
  start();
  const Seen all = run(options(20, 40));
  // Any two bytes of ASCII text in the middle make a stop string.
  size_t at = std::string::npos;
  for (size_t i = 4; i + 2 < all.text.size() && at == std::string::npos; ++i)
    if (all.text[i] > 0 && all.text[i + 1] > 0 && all.text.find(all.text.substr(i, 2)) == i) at = i;
  if (at == std::string::npos) GTEST_SKIP() << "the random model wrote no plain text";
  RequestOptions request = options(20, 40);
  request.stop = {all.text.substr(at, 2)};
  const Seen stopped = run(std::move(request));
  EXPECT_EQ(stopped.reason, FinishReason::stop);
  EXPECT_EQ(stopped.text, all.text.substr(0, at));
}

TEST_F(RequestTest, TheSameSeedGivesTheSameBytes) {
  start();
  RequestOptions request = options(20, 40);
  request.sampler.temperature = 1.5f;
  request.sampler.seed = 7;
  const Seen a = run(request);
  const Seen b = run(request);
  request.sampler.seed = 8;
  const Seen c = run(request);
  EXPECT_EQ(a.tokens, b.tokens);
  EXPECT_EQ(a.text, b.text);
  EXPECT_NE(a.tokens, c.tokens);
}

TEST_F(RequestTest, TheLogitsHookDecides) {
  start();
  RequestOptions request = options(5, 4);
  request.on_logits = [](std::span<float> row) {
    std::fill(row.begin(), row.end(), 0.0f);
    row[77] = 1;
  };
  EXPECT_EQ(run(std::move(request)).tokens, (std::vector<int32_t>{77, 77, 77, 77}));
}

TEST_F(RequestTest, PrefillOnlyThenGoOnFromTheLogits) {
  start();
  auto s = session();
  EXPECT_EQ(drain(*submit(*s, options(20, 0))).reason, FinishReason::length);
  RequestOptions more = options(0, 8);
  const Seen seen = drain(*submit(*s, std::move(more)));
  EXPECT_EQ(seen.tokens, run(options(20, 8)).tokens);
}

TEST_F(RequestTest, RefusedPromptsLeaveNothingBehind) {
  start();
  auto s = session();
  EXPECT_EQ(s->submit(options(0, 4)).status().kind(), ErrorKind::invalid_argument);
  EXPECT_EQ(s->submit(options(600, 4)).status().kind(), ErrorKind::invalid_argument);
  RequestOptions bad = options();
  bad.sampler.top_p = 2;
  EXPECT_EQ(s->submit(bad).status().kind(), ErrorKind::invalid_argument);
  bad = options();
  bad.delivery = Delivery::callback;
  EXPECT_EQ(s->submit(bad).status().kind(), ErrorKind::invalid_argument);
  EXPECT_EQ(s->n_tokens(), 0u);
  EXPECT_EQ(drain(*submit(*s, options())).reason, FinishReason::length);
}

TEST_F(RequestTest, TheContextsEndIsALength) {
  start();
  const Seen seen = run(options(500, 100));
  EXPECT_EQ(seen.reason, FinishReason::length);
  EXPECT_EQ(seen.tokens.size(), 12u);
}

TEST_F(RequestTest, ABudgetThatEndsMidwayFailsThatRequestOnly) {
  EngineOptions engine;
  engine.host_kv_budget_bytes = 96 << 10;
  engine.disk_kv_budget_bytes = 1;
  start(with_tokenizer(), engine);
  auto s = session();
  auto request = submit(*s, options(100, 400));
  EXPECT_EQ(drain(*request).reason, FinishReason::failed);
  EXPECT_EQ(request->status().kind(), ErrorKind::no_space);
  EXPECT_GE(s->n_tokens(), 100u);
  ASSERT_TRUE(engine_->set_host_kv_budget(64 << 20, nullptr).ok());
  EXPECT_EQ(drain(*submit(*s, options(1, 4))).reason, FinishReason::length);
}

TEST_F(RequestTest, AnAbandonedStepFreesItsSession) {
  start();
  auto s = session();
  RequestOptions request = options(100, 10);
  request.delivery = Delivery::step;
  auto running = submit(*s, std::move(request));
  ASSERT_TRUE(running->step(0).ok());
  EXPECT_EQ(s->evaluate(tokens(1), {}).kind(), ErrorKind::busy);
  running.reset();
  EXPECT_TRUE(s->evaluate(tokens(1), {}).ok());
}

TEST_F(RequestTest, TheEngineEndsWithRequestsRunning) {
  start();
  auto s = session();
  auto request = submit(*s, options(10, 400));
  // Sessions and models go first, as the C interface keeps it; the scheduler holds what still runs.
  request->cancel();
  ASSERT_TRUE(request->wait(20'000'000).ok());
}

}  // namespace
}  // namespace leoam
