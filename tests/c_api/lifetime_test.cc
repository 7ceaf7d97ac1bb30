// Who may go when: parents before children, handles inside their own callbacks, instances side by side.
#include <thread>

#include "tests/c_api/fixture.h"

namespace leoam_test {
namespace {

class Lifetime : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { file_ = small_model(); }
  static void TearDownTestSuite() { file_.reset(); }

  inline static std::unique_ptr<ModelFile> file_;
};

leoam_request_options endless(const std::vector<int32_t>& prompt) {
  auto options = zeroed<leoam_request_options>();
  options.prompt = prompt.data();
  options.n_prompt = prompt.size();
  options.max_tokens = 400;
  options.flags = LEOAM_REQUEST_IGNORE_END;
  return options;
}

TEST_F(Lifetime, ParentsLiveOnUntilTheirChildrenAreGone) {
  auto error = zeroed<leoam_error>();
  leoam_instance* instance = nullptr;
  leoam_model* model = nullptr;
  leoam_session* session = nullptr;
  leoam_request* request = nullptr;
  LEOAM_ASSERT_OK(leoam_instance_create(nullptr, &instance, &error));
  LEOAM_ASSERT_OK(
      leoam_model_load(instance, file_->path().data(), file_->path().size(), nullptr, &model, &error));
  LEOAM_ASSERT_OK(leoam_session_create(model, nullptr, &session, &error));
  const std::vector<int32_t> prompt = {70, 71, 72};
  auto options = endless(prompt);
  options.max_tokens = 20;
  LEOAM_ASSERT_OK(leoam_session_submit(session, &options, &request, &error));
  EXPECT_EQ(LEOAM_OK, leoam_instance_release(instance));
  EXPECT_EQ(LEOAM_OK, leoam_model_release(model));
  EXPECT_EQ(LEOAM_OK, leoam_session_release(session));
  EXPECT_EQ(LEOAM_ERROR_INVALID_HANDLE, leoam_session_truncate(session, 0, &error));
  LEOAM_EXPECT_OK(leoam_request_wait(request, 10'000'000, &error));
  auto statistics = zeroed<leoam_request_statistics>();
  LEOAM_EXPECT_OK(leoam_request_get_statistics(request, &statistics, &error));
  EXPECT_EQ(20u, statistics.generated_tokens);
  EXPECT_EQ(LEOAM_OK, leoam_request_release(request));
}

TEST_F(Lifetime, ReleasingARunningRequestFreesItsSession) {
  auto error = zeroed<leoam_error>();
  const Loaded loaded(file_->path());
  const std::vector<int32_t> prompt = {70, 71, 72};
  for (const leoam_delivery delivery : {LEOAM_DELIVERY_POLL, LEOAM_DELIVERY_CALLBACK, LEOAM_DELIVERY_STEP}) {
    auto options = endless(prompt);
    options.delivery = delivery;
    if (delivery == LEOAM_DELIVERY_CALLBACK) {
      options.on_event = [](const leoam_event*, void*) -> int32_t { return LEOAM_CONTINUE; };
    }
    leoam_request* request = nullptr;
    LEOAM_ASSERT_OK(leoam_session_submit(loaded.session, &options, &request, &error));
    EXPECT_EQ(LEOAM_OK, leoam_request_release(request));
    LEOAM_EXPECT_OK(leoam_session_truncate(loaded.session, 0, &error));
  }
}

struct Watched {
  std::atomic<int> running{0};
  std::atomic<int> calls{0};
  Gate begun;
};

int32_t slowly(const leoam_event*, void* user_data) {
  auto* watched = static_cast<Watched*>(user_data);
  ++watched->running;
  ++watched->calls;
  watched->begun.open();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  --watched->running;
  return LEOAM_CONTINUE;
}

TEST_F(Lifetime, DetachWaitsForTheCallbackAndNoneFollows) {
  auto error = zeroed<leoam_error>();
  const Loaded loaded(file_->path());
  const std::vector<int32_t> prompt = {70, 71, 72};
  for (const bool of_instance : {false, true}) {
    Watched watched;
    auto options = endless(prompt);
    options.delivery = LEOAM_DELIVERY_CALLBACK;
    options.on_event = slowly;
    options.user_data = &watched;
    leoam_request* request = nullptr;
    LEOAM_ASSERT_OK(leoam_session_submit(loaded.session, &options, &request, &error));
    watched.begun.wait();
    if (of_instance) {
      LEOAM_EXPECT_OK(leoam_instance_detach(loaded.instance, &error));
    } else {
      LEOAM_EXPECT_OK(leoam_request_detach(request, &error));
    }
    EXPECT_EQ(0, watched.running);
    const int calls = watched.calls;
    LEOAM_EXPECT_OK(leoam_request_wait(request, 10'000'000, &error));
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    EXPECT_EQ(calls, watched.calls);
    leoam_finish_reason reason = LEOAM_FINISH_NONE;
    LEOAM_EXPECT_OK(leoam_request_get_result(request, &reason, &error));
    EXPECT_EQ(LEOAM_FINISH_CANCELLED, reason);
    EXPECT_EQ(LEOAM_OK, leoam_request_release(request));
    LEOAM_EXPECT_OK(leoam_session_truncate(loaded.session, 0, &error));
  }
}

TEST_F(Lifetime, DetachWaitsForTheLogitsHook) {
  auto error = zeroed<leoam_error>();
  const Loaded loaded(file_->path());
  const std::vector<int32_t> prompt = {70, 71, 72};
  Watched watched;
  auto options = endless(prompt);
  options.user_data = &watched;
  options.on_logits = [](float*, uint64_t, void* user_data) -> int32_t { return slowly(nullptr, user_data); };
  leoam_request* request = nullptr;
  LEOAM_ASSERT_OK(leoam_session_submit(loaded.session, &options, &request, &error));
  watched.begun.wait();
  LEOAM_EXPECT_OK(leoam_request_detach(request, &error));
  EXPECT_EQ(0, watched.running);
  const int calls = watched.calls;
  LEOAM_EXPECT_OK(leoam_request_wait(request, 10'000'000, &error));
  EXPECT_EQ(calls, watched.calls);
  EXPECT_EQ(LEOAM_OK, leoam_request_release(request));
}

struct InsideCallback {
  leoam_instance* instance = nullptr;
  leoam_model* model = nullptr;
  leoam_session* session = nullptr;
  std::atomic<leoam_request*> request{nullptr};
  leoam_status wait = LEOAM_OK, evaluate = LEOAM_OK, submit = LEOAM_OK, info = LEOAM_OK, detach = LEOAM_OK;
  int calls = 0;
  bool releases = false;
  Gate submitted, done;
};

int32_t inside(const leoam_event*, void* user_data) {
  auto* s = static_cast<InsideCallback*>(user_data);
  s->submitted.wait();
  if (++s->calls > 1) return LEOAM_CONTINUE;
  const int32_t token = 70;
  auto options = zeroed<leoam_request_options>();
  auto info = zeroed<leoam_session_info>();
  leoam_request* other = nullptr;
  s->info = leoam_session_get_info(s->session, &info, nullptr);
  s->wait = leoam_request_wait(s->request, UINT64_MAX, nullptr);
  s->evaluate = leoam_session_evaluate(s->session, &token, 1, nullptr, nullptr);
  s->submit = leoam_session_submit(s->session, &options, &other, nullptr);
  s->detach = leoam_request_detach(s->request, nullptr);
  if (s->releases) {
    leoam_request_release(s->request);
    leoam_session_release(s->session);
    leoam_model_release(s->model);
    leoam_instance_release(s->instance);
  }
  s->done.open();
  return LEOAM_CONTINUE;
}

void start(InsideCallback& state, const std::string& path) {
  auto error = zeroed<leoam_error>();
  LEOAM_ASSERT_OK(leoam_instance_create(nullptr, &state.instance, &error));
  LEOAM_ASSERT_OK(leoam_model_load(state.instance, path.data(), path.size(), nullptr, &state.model, &error));
  LEOAM_ASSERT_OK(leoam_session_create(state.model, nullptr, &state.session, &error));
  const std::vector<int32_t> prompt = {70, 71, 72};
  auto options = endless(prompt);
  options.delivery = LEOAM_DELIVERY_CALLBACK;
  options.on_event = inside;
  options.user_data = &state;
  leoam_request* request = nullptr;
  LEOAM_ASSERT_OK(leoam_session_submit(state.session, &options, &request, &error));
  state.request = request;
  state.submitted.open();
  state.done.wait();
}

TEST_F(Lifetime, InsideACallbackNothingWaitsAndDetachIsTheLast) {
  InsideCallback state;
  start(state, file_->path());
  auto error = zeroed<leoam_error>();
  LEOAM_EXPECT_OK(leoam_request_wait(state.request, 10'000'000, &error));
  EXPECT_EQ(1, state.calls);
  EXPECT_EQ(LEOAM_OK, state.info);
  EXPECT_EQ(LEOAM_OK, state.detach);
  EXPECT_EQ(LEOAM_ERROR_BUSY, state.wait);
  EXPECT_EQ(LEOAM_ERROR_BUSY, state.evaluate);
  EXPECT_EQ(LEOAM_ERROR_BUSY, state.submit);
  EXPECT_EQ(LEOAM_OK, leoam_request_release(state.request));
  EXPECT_EQ(LEOAM_OK, leoam_session_release(state.session));
  EXPECT_EQ(LEOAM_OK, leoam_model_release(state.model));
  EXPECT_EQ(LEOAM_OK, leoam_instance_release(state.instance));
}

TEST_F(Lifetime, EverythingMayBeReleasedInsideACallback) {
  InsideCallback state;
  state.releases = true;
  start(state, file_->path());
  EXPECT_EQ(LEOAM_ERROR_INVALID_HANDLE, leoam_request_cancel(state.request));
  EXPECT_EQ(LEOAM_ERROR_INVALID_HANDLE, leoam_instance_release(state.instance));
  // The engine ends on a thread of its own.
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(1, state.calls);
}

TEST_F(Lifetime, InstancesLiveSideBySide) {
  struct Log {
    std::atomic<int> lines{0};
  } logs[2];
  auto options = zeroed<leoam_instance_options>();
  options.log_level = LEOAM_LOG_DEBUG;
  options.log = [](leoam_log_level, const char*, uint64_t, void* user_data) {
    ++static_cast<Log*>(user_data)->lines;
  };
  options.log_user_data = &logs[0];
  options.cpu_level = view("scalar");
  const Loaded first(file_->path(), options);
  const int first_lines = logs[0].lines;
  EXPECT_GT(first_lines, 0);
  options.log_user_data = &logs[1];
  const Loaded second(file_->path(), options);
  EXPECT_EQ(first_lines, logs[0].lines) << "a message of the second instance";
  const std::vector<int32_t> prompt = first.tokens("side by side");
  auto asked = endless(prompt);
  asked.max_tokens = 50;
  Answer answers[2];
  std::thread other([&] { answers[1] = run(second.session, asked); });
  answers[0] = run(first.session, asked);
  other.join();
  EXPECT_EQ(50u, answers[0].tokens.size());
  EXPECT_EQ(answers[0].tokens, answers[1].tokens);
}

TEST_F(Lifetime, ADetachedInstanceDropsItsLog) {
  auto error = zeroed<leoam_error>();
  std::atomic<int> lines{0};
  auto options = zeroed<leoam_instance_options>();
  options.log_level = LEOAM_LOG_DEBUG;
  options.log_user_data = &lines;
  options.log = [](leoam_log_level, const char*, uint64_t, void* user_data) {
    ++*static_cast<std::atomic<int>*>(user_data);
  };
  const Loaded loaded(file_->path(), options);
  LEOAM_EXPECT_OK(leoam_instance_detach(loaded.instance, &error));
  const int before = lines;
  leoam_model* model = nullptr;
  LEOAM_EXPECT_OK(
      leoam_model_load(loaded.instance, file_->path().data(), file_->path().size(), nullptr, &model, &error));
  leoam_model_release(model);
  EXPECT_EQ(before, lines);
}

}  // namespace
}  // namespace leoam_test
