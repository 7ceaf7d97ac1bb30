// The ways to receive tokens: the same tokens and text by each, whole code points, stop, limits.
#include <future>

#include "tests/c_api/fixture.h"

namespace leoam_test {
namespace {

class Delivery : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { file_ = small_model(); }
  static void TearDownTestSuite() { file_.reset(); }
  void SetUp() override {
    loaded_ = std::make_unique<Loaded>(file_->path());
    prompt_ = loaded_->tokens("What follows this prompt is noise, because the weights are.");
  }

  // A hot sampler: any byte may come, so code points come in pieces and invalid ones too.
  leoam_request_options options(leoam_delivery delivery) {
    sampler_ = zeroed<leoam_sampler_options>();
    sampler_.temperature = 1.5f;
    sampler_.seed = 7;
    auto options = zeroed<leoam_request_options>();
    options.delivery = delivery;
    options.prompt = prompt_.data();
    options.n_prompt = prompt_.size();
    options.sampler = &sampler_;
    options.max_tokens = 200;
    options.flags = LEOAM_REQUEST_IGNORE_END;
    return options;
  }
  void rewind() {
    auto error = zeroed<leoam_error>();
    LEOAM_ASSERT_OK(leoam_session_truncate(loaded_->session, 0, &error));
  }

  static std::unique_ptr<ModelFile> file_;
  std::unique_ptr<Loaded> loaded_;
  std::vector<int32_t> prompt_;
  leoam_sampler_options sampler_{};
};
std::unique_ptr<ModelFile> Delivery::file_;

bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const size_t length = lead < 0x80       ? 1
                          : lead >> 5 == 6  ? 2
                          : lead >> 4 == 14 ? 3
                          : lead >> 3 == 30 ? 4
                                            : 0;
    if (length == 0 || i + length > text.size()) return false;
    for (size_t k = 1; k < length; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xc0) != 0x80) return false;
    }
    i += length;
  }
  return true;
}

TEST_F(Delivery, GivesTheSameTokensAndTextInEveryMode) {
  const Answer polled = run(loaded_->session, options(LEOAM_DELIVERY_POLL));
  rewind();
  const Answer called = run(loaded_->session, options(LEOAM_DELIVERY_CALLBACK));
  rewind();
  const Answer stepped = run(loaded_->session, options(LEOAM_DELIVERY_STEP));
  EXPECT_EQ(200u, polled.tokens.size());
  EXPECT_EQ(LEOAM_FINISH_LENGTH, polled.reason);
  EXPECT_EQ(polled.tokens, called.tokens);
  EXPECT_EQ(polled.tokens, stepped.tokens);
  EXPECT_EQ(polled.text, called.text);
  EXPECT_EQ(polled.text, stepped.text);
}

TEST_F(Delivery, GivesWholeCodePoints) {
  const Answer answer = run(loaded_->session, options(LEOAM_DELIVERY_POLL));
  ASSERT_FALSE(answer.pieces.empty());
  for (const std::string& piece : answer.pieces) EXPECT_TRUE(is_utf8(piece)) << piece;
}

TEST_F(Delivery, ASeedRepeatsItself) {
  const Answer first = run(loaded_->session, options(LEOAM_DELIVERY_POLL));
  rewind();
  EXPECT_EQ(first.tokens, run(loaded_->session, options(LEOAM_DELIVERY_POLL)).tokens);
  rewind();
  leoam_request_options other = options(LEOAM_DELIVERY_POLL);
  sampler_.seed = 8;
  EXPECT_NE(first.tokens, run(loaded_->session, other).tokens);
}

TEST_F(Delivery, AStopStringIsNeverShown) {
  const Answer free = run(loaded_->session, options(LEOAM_DELIVERY_POLL));
  rewind();
  // Something that this run says anyway, long enough to span tokens.
  ASSERT_GT(free.text.size(), 60u);
  size_t begin = 30;
  while ((static_cast<unsigned char>(free.text[begin]) & 0xc0) == 0x80) ++begin;
  const std::string word = free.text.substr(begin, 12);
  const leoam_string stop = view(word);
  leoam_request_options stopped = options(LEOAM_DELIVERY_POLL);
  stopped.stop = &stop;
  stopped.n_stop = 1;
  const Answer answer = run(loaded_->session, stopped);
  EXPECT_EQ(LEOAM_FINISH_STOP, answer.reason);
  EXPECT_EQ(free.text.substr(0, free.text.find(word)), answer.text);
}

// A program that submits under a lock of its own, which its callback takes too.
TEST_F(Delivery, SubmitDoesNotWaitForCallbacks) {
  std::promise<void> submitted;
  std::shared_future<void> after = submitted.get_future().share();
  auto asked = options(LEOAM_DELIVERY_CALLBACK);
  asked.max_tokens = 2;
  asked.on_event = [](const leoam_event*, void* user_data) -> int32_t {
    static_cast<std::shared_future<void>*>(user_data)->wait();
    return LEOAM_CONTINUE;
  };
  asked.user_data = &after;
  auto error = zeroed<leoam_error>();
  for (int round = 0; round < 20; ++round) {
    submitted = {};
    after = submitted.get_future().share();
    leoam_request* request = nullptr;
    LEOAM_ASSERT_OK(leoam_session_submit(loaded_->session, &asked, &request, &error));
    submitted.set_value();
    LEOAM_ASSERT_OK(leoam_request_wait(request, 10'000'000, &error));
    leoam_request_release(request);
    rewind();
  }
}

TEST_F(Delivery, ACallbackStopsTheRequest) {
  struct Count {
    int tokens = 0;
    leoam_finish_reason reason = LEOAM_FINISH_NONE;
  } count;
  leoam_request_options stopping = options(LEOAM_DELIVERY_CALLBACK);
  stopping.user_data = &count;
  stopping.on_event = [](const leoam_event* event, void* user_data) -> int32_t {
    auto* seen = static_cast<Count*>(user_data);
    if (event->kind == LEOAM_EVENT_FINISHED) seen->reason = event->finish_reason;
    if (event->kind != LEOAM_EVENT_TOKEN) return LEOAM_CONTINUE;
    return ++seen->tokens == 5 ? LEOAM_STOP : LEOAM_CONTINUE;
  };
  run(loaded_->session, stopping);
  EXPECT_EQ(5, count.tokens);
  EXPECT_EQ(LEOAM_FINISH_CANCELLED, count.reason);
}

TEST_F(Delivery, TheLogitsHookDecides) {
  leoam_request_options forced = options(LEOAM_DELIVERY_POLL);
  forced.max_tokens = 3;
  forced.on_logits = [](float* logits, uint64_t, void*) -> int32_t {
    logits[65] = 1e6f;
    return LEOAM_CONTINUE;
  };
  EXPECT_EQ((std::vector<int32_t>{65, 65, 65}), run(loaded_->session, forced).tokens);
  forced.n_prompt = 0;
  forced.on_logits = [](float*, uint64_t, void*) -> int32_t { return LEOAM_STOP; };
  // The newest token was drawn and has no KV yet: one more is given.
  forced.prompt = prompt_.data();
  forced.n_prompt = 1;
  EXPECT_EQ(LEOAM_FINISH_CANCELLED, run(loaded_->session, forced).reason);
}

TEST_F(Delivery, APrefillOnlyRequestLeavesASessionToContinue) {
  leoam_request_options prefill = options(LEOAM_DELIVERY_POLL);
  prefill.max_tokens = 0;
  prefill.flags = LEOAM_REQUEST_PREFILL_ONLY;
  const Answer nothing = run(loaded_->session, prefill);
  EXPECT_EQ(LEOAM_FINISH_LENGTH, nothing.reason);
  EXPECT_TRUE(nothing.tokens.empty());

  leoam_request_options rest = options(LEOAM_DELIVERY_POLL);
  rest.n_prompt = 0;
  const Answer continued = run(loaded_->session, rest);
  rewind();
  EXPECT_EQ(run(loaded_->session, options(LEOAM_DELIVERY_POLL)).tokens, continued.tokens);
}

TEST_F(Delivery, StatisticsCountTheWork) {
  auto error = zeroed<leoam_error>();
  leoam_request* request = nullptr;
  const leoam_request_options asked = options(LEOAM_DELIVERY_POLL);
  LEOAM_ASSERT_OK(leoam_session_submit(loaded_->session, &asked, &request, &error));
  LEOAM_ASSERT_OK(leoam_request_wait(request, 30'000'000, &error));
  auto statistics = zeroed<leoam_request_statistics>();
  LEOAM_EXPECT_OK(leoam_request_get_statistics(request, &statistics, &error));
  EXPECT_EQ(prompt_.size(), statistics.prompt_tokens);
  EXPECT_EQ(prompt_.size(), statistics.prefilled_tokens);
  EXPECT_EQ(200u, statistics.generated_tokens);
  EXPECT_GT(statistics.time_to_first_token_us, 0u);
  EXPECT_GT(statistics.decode_us, 0u);
  EXPECT_GT(statistics.weight_bytes_read, 0u);
  auto instance = zeroed<leoam_instance_statistics>();
  LEOAM_EXPECT_OK(leoam_instance_get_statistics(loaded_->instance, &instance, &error));
  EXPECT_EQ(2u, instance.n_threads);
  EXPECT_GT(instance.host_kv_bytes, 0u);
  EXPECT_GT(instance.weight_bytes, 0u);
  EXPECT_GT(instance.n_steps, 0u);
  EXPECT_EQ(LEOAM_OK, leoam_request_release(request));
}

}  // namespace
}  // namespace leoam_test
