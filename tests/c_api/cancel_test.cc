// Cancelling from another thread: load, prefill and decode end soon, and what was there stays usable.
#include <pthread.h>

#include <algorithm>
#include <ctime>
#include <thread>

#include "tests/c_api/fixture.h"
#include "tests/support/real_models.h"
#include "tests/support/sanitized.h"

namespace leoam_test {
namespace {

class Cancel : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { file_ = slow_model(); }
  static void TearDownTestSuite() { file_.reset(); }

  static std::unique_ptr<ModelFile> file_;
};
std::unique_ptr<ModelFile> Cancel::file_;

// Opens a gate at the first progress, then works on.
int32_t tell(uint64_t, uint64_t, void* user_data) {
  static_cast<Gate*>(user_data)->open();
  return LEOAM_CONTINUE;
}

TEST_F(Cancel, EndsALoad) {
  auto error = zeroed<leoam_error>();
  leoam_instance* instance = nullptr;
  LEOAM_ASSERT_OK(leoam_instance_create(nullptr, &instance, &error));
  leoam_cancel_flag* flag = nullptr;
  LEOAM_ASSERT_OK(leoam_cancel_flag_create(instance, &flag, &error));
  auto options = zeroed<leoam_load_options>();
  options.cancel = flag;
  std::chrono::steady_clock::time_point cancelled;
  // The load waits for the cancel, so that it cannot be over before.
  struct Both {
    Gate begun, set;
  } gates;
  options.user_data = &gates;
  options.on_progress = [](uint64_t, uint64_t, void* user_data) -> int32_t {
    auto* both = static_cast<Both*>(user_data);
    both->begun.open();
    both->set.wait();
    return LEOAM_CONTINUE;
  };
  std::thread canceller([&] {
    gates.begun.wait();
    EXPECT_EQ(LEOAM_OK, leoam_cancel_flag_set(flag));
    cancelled = std::chrono::steady_clock::now();
    gates.set.open();
  });
  leoam_model* model = nullptr;
  EXPECT_EQ(LEOAM_ERROR_CANCELLED,
            leoam_model_load(instance, file_->path().data(), file_->path().size(), &options, &model, &error));
  canceller.join();
  EXPECT_LT(ms_since(cancelled), kCancelBoundMs);
  EXPECT_EQ(nullptr, model);

  // The flag still counts until it is cleared.
  EXPECT_EQ(LEOAM_ERROR_CANCELLED,
            leoam_model_load(instance, file_->path().data(), file_->path().size(), &options, &model, &error));
  EXPECT_EQ(LEOAM_OK, leoam_cancel_flag_clear(flag));
  LEOAM_EXPECT_OK(
      leoam_model_load(instance, file_->path().data(), file_->path().size(), &options, &model, &error));
  leoam_model_release(model);
  leoam_cancel_flag_release(flag);
  leoam_instance_release(instance);
}

TEST_F(Cancel, ACallbackEndsALoad) {
  auto error = zeroed<leoam_error>();
  leoam_instance* instance = nullptr;
  LEOAM_ASSERT_OK(leoam_instance_create(nullptr, &instance, &error));
  auto options = zeroed<leoam_load_options>();
  options.on_progress = [](uint64_t, uint64_t, void*) -> int32_t { return LEOAM_STOP; };
  leoam_model* model = nullptr;
  EXPECT_EQ(LEOAM_ERROR_CANCELLED,
            leoam_model_load(instance, file_->path().data(), file_->path().size(), &options, &model, &error));
  EXPECT_EQ(nullptr, model);
  leoam_instance_release(instance);
}

// What the loading thread has worked so far: unlike the clock on the wall it does not count what other
// programs take from it.
uint64_t cpu_ms(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1000 + static_cast<uint64_t>(time.tv_nsec) / 1'000'000;
}

// A large vocabulary and many tensors: at whatever moment of the load the flag is set.
TEST_F(Cancel, EndsTheLoadOfARealModelAtAnyMoment) {
  // The larger vocabulary takes a sanitizer minutes.
  LEOAM_REAL_MODEL_OR_SKIP(path,
                           leoam::testing::kSanitized ? leoam::testing::kSmolLm2 : leoam::testing::kGemma3);
  auto error = zeroed<leoam_error>();
  leoam_instance* instance = nullptr;
  leoam_cancel_flag* flag = nullptr;
  LEOAM_ASSERT_OK(leoam_instance_create(nullptr, &instance, &error));
  LEOAM_ASSERT_OK(leoam_cancel_flag_create(instance, &flag, &error));
  auto options = zeroed<leoam_load_options>();
  options.cancel = flag;
  clockid_t clock{};
  ASSERT_EQ(0, pthread_getcpuclockid(pthread_self(), &clock));
  uint64_t longest_ms = 0;
  const auto load_cancelled_after = [&](uint64_t delay_ms) {
    EXPECT_EQ(LEOAM_OK, leoam_cancel_flag_clear(flag));
    uint64_t set_ms = 0;
    std::thread canceller([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms));
      set_ms = cpu_ms(clock);
      leoam_cancel_flag_set(flag);
    });
    leoam_model* model = nullptr;
    const leoam_status status =
        leoam_model_load(instance, path.data(), path.size(), &options, &model, &error);
    const uint64_t returned_ms = cpu_ms(clock);
    canceller.join();
    leoam_model_release(model);
    if (status == LEOAM_OK) return;  // the load was faster
    ASSERT_EQ(LEOAM_ERROR_CANCELLED, status);
    longest_ms = std::max(longest_ms, returned_ms - set_ms);
  };
  const auto start = std::chrono::steady_clock::now();
  leoam_model* whole = nullptr;
  LEOAM_ASSERT_OK(leoam_model_load(instance, path.data(), path.size(), nullptr, &whole, &error));
  const uint64_t whole_ms = ms_since(start);
  leoam_model_release(whole);
  constexpr uint64_t kMoments = leoam::testing::kSanitized ? 4 : 20;
  for (uint64_t i = 0; i < kMoments; ++i) load_cancelled_after(whole_ms * i / kMoments);
  RecordProperty("longest_ms", static_cast<int>(longest_ms));
  EXPECT_LT(static_cast<double>(longest_ms), 100 * leoam::testing::kSlowdown);
  leoam_cancel_flag_release(flag);
  leoam_instance_release(instance);
}

TEST_F(Cancel, EndsAnEvaluation) {
  auto error = zeroed<leoam_error>();
  const Loaded loaded(file_->path());
  leoam_cancel_flag* flag = nullptr;
  LEOAM_ASSERT_OK(leoam_cancel_flag_create(loaded.instance, &flag, &error));
  const std::vector<int32_t> tokens(8000, 5);
  Gate begun;
  auto options = zeroed<leoam_evaluate_options>();
  options.cancel = flag;
  options.on_progress = tell;
  options.user_data = &begun;
  std::chrono::steady_clock::time_point cancelled;
  std::thread canceller([&] {
    begun.wait();
    cancelled = std::chrono::steady_clock::now();
    EXPECT_EQ(LEOAM_OK, leoam_cancel_flag_set(flag));
  });
  EXPECT_EQ(LEOAM_ERROR_CANCELLED,
            leoam_session_evaluate(loaded.session, tokens.data(), tokens.size(), &options, &error));
  const uint64_t ms = ms_since(cancelled);
  canceller.join();
  EXPECT_LT(ms, kCancelBoundMs);
  RecordProperty("ms", static_cast<int>(ms));

  // Whole pieces stay, and the session goes on from there.
  auto info = zeroed<leoam_session_info>();
  LEOAM_EXPECT_OK(leoam_session_get_info(loaded.session, &info, &error));
  EXPECT_GT(info.n_tokens, 0u);
  EXPECT_LT(info.n_tokens, tokens.size());
  LEOAM_EXPECT_OK(leoam_session_evaluate(loaded.session, tokens.data(), 4, nullptr, &error));
  leoam_cancel_flag_release(flag);
}

void cancel_request(const std::string& path, size_t n_prompt, leoam_event_kind after) {
  auto error = zeroed<leoam_error>();
  const Loaded loaded(path);
  const std::vector<int32_t> prompt(n_prompt, 5);
  auto options = zeroed<leoam_request_options>();
  options.prompt = prompt.data();
  options.n_prompt = prompt.size();
  options.max_tokens = 8000 - static_cast<uint32_t>(n_prompt);
  options.flags = LEOAM_REQUEST_IGNORE_END;
  leoam_request* request = nullptr;
  LEOAM_ASSERT_OK(leoam_session_submit(loaded.session, &options, &request, &error));
  for (leoam_event_kind kind = LEOAM_EVENT_NONE; kind != after;) {
    kind = next_event(request).kind;
    ASSERT_NE(LEOAM_EVENT_FINISHED, kind);
    ASSERT_NE(LEOAM_EVENT_NONE, kind);
  }
  EXPECT_EQ(LEOAM_ERROR_BUSY, leoam_session_truncate(loaded.session, 0, &error));
  const auto cancelled = std::chrono::steady_clock::now();
  EXPECT_EQ(LEOAM_OK, leoam_request_cancel(request));
  LEOAM_EXPECT_OK(leoam_request_wait(request, 10'000'000, &error));
  EXPECT_LT(ms_since(cancelled), kCancelBoundMs);
  leoam_finish_reason reason = LEOAM_FINISH_NONE;
  LEOAM_EXPECT_OK(leoam_request_get_result(request, &reason, &error));
  EXPECT_EQ(LEOAM_FINISH_CANCELLED, reason);
  EXPECT_EQ(LEOAM_OK, leoam_request_release(request));
  LEOAM_EXPECT_OK(leoam_session_truncate(loaded.session, 0, &error));
}

TEST_F(Cancel, EndsAPrefill) {
  cancel_request(file_->path(), 7000, LEOAM_EVENT_PREFILL);
}
TEST_F(Cancel, EndsADecode) {
  cancel_request(file_->path(), 3, LEOAM_EVENT_TOKEN);
}

TEST_F(Cancel, AWaitThatTimesOutSaysBusy) {
  auto error = zeroed<leoam_error>();
  const Loaded loaded(file_->path());
  const std::vector<int32_t> prompt(7000, 5);
  auto options = zeroed<leoam_request_options>();
  options.prompt = prompt.data();
  options.n_prompt = prompt.size();
  leoam_request* request = nullptr;
  LEOAM_ASSERT_OK(leoam_session_submit(loaded.session, &options, &request, &error));
  EXPECT_EQ(LEOAM_ERROR_BUSY, leoam_request_wait(request, 0, &error));
  EXPECT_EQ(LEOAM_ERROR_BUSY, leoam_request_wait(request, 2000, &error));
  EXPECT_EQ(LEOAM_OK, leoam_request_release(request));
}

TEST_F(Cancel, AStepKeepsItsBudget) {
  auto error = zeroed<leoam_error>();
  const Loaded loaded(file_->path());
  const std::vector<int32_t> prompt(2000, 5);
  auto options = zeroed<leoam_request_options>();
  options.delivery = LEOAM_DELIVERY_STEP;
  options.prompt = prompt.data();
  options.n_prompt = prompt.size();
  leoam_request* request = nullptr;
  LEOAM_ASSERT_OK(leoam_session_submit(loaded.session, &options, &request, &error));
  int32_t finished = 0;
  for (int i = 0; i < 20; ++i) {
    const auto start = std::chrono::steady_clock::now();
    LEOAM_ASSERT_OK(leoam_request_step(request, 2000, &finished, &error));
    EXPECT_LT(ms_since(start), kCancelBoundMs);
    EXPECT_EQ(0, finished);
  }
  leoam_request_cancel(request);
  LEOAM_ASSERT_OK(leoam_request_step(request, 2000, &finished, &error));
  EXPECT_EQ(1, finished);
  EXPECT_EQ(LEOAM_OK, leoam_request_release(request));
}

}  // namespace
}  // namespace leoam_test
