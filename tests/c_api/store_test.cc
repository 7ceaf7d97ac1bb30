// KV that leaves memory, through the C interface: budgets while requests run, forks, suspended sessions,
// progress.
#include <cstddef>
#include <cstring>
#include <thread>

#include "tests/c_api/store_fixture.h"

namespace leoam_test {
namespace {

TEST_F(Store, ABudgetShrinksWhileARequestRunsAndChangesNoAnswer) {
  const std::vector<int32_t> prompt = words(600);
  const std::vector<int32_t> expected = answer(loaded_->session, prompt, 200);
  const uint64_t used = statistics().host_kv_bytes;
  const uint64_t least = used / 3;

  leoam_session* session = nullptr;
  LEOAM_ASSERT_OK(leoam_session_create(loaded_->model, nullptr, &session, &error));
  std::atomic<bool> stop{false};
  std::atomic<int> n_shrinks{0};
  std::thread changes([&] {
    for (bool small = true; !stop; small = !small) {
      struct Seen {
        uint64_t done = 0, total = 0;
      } seen;
      auto mine = zeroed<leoam_error>();
      auto options = zeroed<leoam_budget_options>();
      options.user_data = &seen;
      options.on_progress = [](uint64_t done, uint64_t total, void* user_data) -> int32_t {
        auto* s = static_cast<Seen*>(user_data);
        EXPECT_GE(done, s->done);
        EXPECT_LE(done, total);
        *s = {done, total};
        return LEOAM_CONTINUE;
      };
      EXPECT_EQ(LEOAM_OK, leoam_instance_change_host_kv_budget(loaded_->instance, small ? least : 1u << 30,
                                                               &options, &mine))
          << mine.message;
      EXPECT_EQ(seen.done, seen.total);
      n_shrinks += small;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  });
  EXPECT_EQ(expected, answer(session, prompt, 200));
  stop = true;
  changes.join();
  EXPECT_GT(n_shrinks, 0);
  LEOAM_EXPECT_OK(leoam_instance_set_host_kv_budget(loaded_->instance, least, &error));
  const leoam_instance_statistics now = statistics();
  EXPECT_LE(now.host_kv_bytes, least);
  EXPECT_EQ(now.host_kv_budget_bytes, least);
  EXPECT_GT(now.disk_kv_bytes, 0u);
  EXPECT_GT(now.disk_written_bytes, 0u);
  leoam_session_release(session);
}

TEST_F(Store, AChangeOfTheBudgetCanBeStopped) {
  evaluate(loaded_->session, words(900));
  const leoam_instance_statistics before = statistics();
  leoam_cancel_flag* flag = nullptr;
  LEOAM_ASSERT_OK(leoam_cancel_flag_create(loaded_->instance, &flag, &error));
  leoam_cancel_flag_set(flag);
  auto options = zeroed<leoam_budget_options>();
  options.cancel = flag;
  EXPECT_EQ(LEOAM_ERROR_CANCELLED, leoam_instance_change_host_kv_budget(
                                       loaded_->instance, before.host_kv_bytes / 2, &options, &error));
  EXPECT_EQ(before.host_kv_budget_bytes, statistics().host_kv_budget_bytes);
  EXPECT_EQ(0u, statistics().disk_written_bytes);
  leoam_cancel_flag_release(flag);
}

TEST_F(Store, DiskBudgetAndWriteCapAreErrorsThatPass) {
  EXPECT_EQ(UINT64_MAX, statistics().disk_write_cap_bytes);
  LEOAM_ASSERT_OK(leoam_instance_set_disk_kv_budget(loaded_->instance, 0, &error));
  evaluate(loaded_->session, words(600));
  EXPECT_EQ(LEOAM_ERROR_NO_SPACE, leoam_session_suspend(loaded_->session, nullptr, &error));
  LEOAM_ASSERT_OK(leoam_instance_set_disk_kv_budget(loaded_->instance, 1u << 30, &error));
  LEOAM_ASSERT_OK(leoam_instance_set_disk_write_cap(loaded_->instance, 4096, &error));
  EXPECT_EQ(LEOAM_ERROR_NO_SPACE, leoam_session_suspend(loaded_->session, nullptr, &error));
  EXPECT_LE(statistics().disk_written_bytes, 4096u);
  LEOAM_ASSERT_OK(leoam_instance_set_disk_write_cap(loaded_->instance, UINT64_MAX, &error));
  // What had begun under the old cap may still fail.
  leoam_status status = LEOAM_ERROR_NO_SPACE;
  for (int i = 0; i < 1000 && status == LEOAM_ERROR_NO_SPACE; ++i) {
    status = leoam_session_suspend(loaded_->session, nullptr, &error);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  LEOAM_EXPECT_OK(status);
  evaluate(loaded_->session, words(3));
}

TEST_F(Store, SuspendGivesMemoryBackAndTheNextUseGoesOn) {
  const std::vector<int32_t> prompt = words(500);
  leoam_session* other = nullptr;
  LEOAM_ASSERT_OK(leoam_session_create(loaded_->model, nullptr, &other, &error));
  evaluate(loaded_->session, prompt);
  evaluate(other, prompt);
  const uint64_t both = statistics().host_kv_bytes;
  EXPECT_EQ(info(other).kv_bytes, info(other).resident_kv_bytes);
  LEOAM_ASSERT_OK(leoam_session_suspend(other, nullptr, &error));
  EXPECT_LT(statistics().host_kv_bytes, both);
  EXPECT_EQ(0u, info(other).resident_kv_bytes);
  EXPECT_EQ(logits(loaded_->session), logits(other));
  EXPECT_EQ(answer(loaded_->session, words(7)), answer(other, words(7)));
  leoam_session_release(other);
}

// What a call tells about its progress; asks to stop at the given number of calls.
struct Told {
  uint64_t n = 0, done = 0, total = 0;
  uint64_t stop_at = UINT64_MAX;
};

int32_t tell(uint64_t done, uint64_t total, void* user_data) {
  auto* told = static_cast<Told*>(user_data);
  EXPECT_GT(done, told->done);
  EXPECT_LE(done, total);
  told->done = done;
  told->total = total;
  return ++told->n == told->stop_at ? LEOAM_STOP : LEOAM_CONTINUE;
}

TEST_F(Store, SuspendAndSaveTellTheirProgressAndStopWhenAsked) {
  evaluate(loaded_->session, words(700));
  const uint64_t kv_bytes = info(loaded_->session).kv_bytes;
  const std::vector<float> last = logits(loaded_->session);

  Told told;
  auto suspend = zeroed<leoam_suspend_options>();
  suspend.on_progress = tell;
  suspend.user_data = &told;
  told.stop_at = 1;
  const uint64_t held = statistics().host_kv_bytes;
  EXPECT_EQ(LEOAM_ERROR_CANCELLED, leoam_session_suspend(loaded_->session, &suspend, &error));
  EXPECT_EQ(1u, told.n);
  EXPECT_LT(told.done, told.total);
  EXPECT_GT(statistics().host_kv_bytes, held / 4) << "the rest stays";
  told = {};
  LEOAM_ASSERT_OK(leoam_session_suspend(loaded_->session, &suspend, &error));
  EXPECT_GT(told.n, 1u);
  EXPECT_EQ(kv_bytes, told.total);
  EXPECT_EQ(kv_bytes, told.done);

  auto options = zeroed<leoam_save_options>();
  const std::string path = folder_.file("progress");
  options.path = view(path);
  options.flags = LEOAM_SAVE_PLAINTEXT;
  options.on_progress = tell;
  options.user_data = &told;
  for (const uint64_t stop_at : {uint64_t{1}, told.n}) {
    told = {};
    told.stop_at = stop_at;
    EXPECT_EQ(LEOAM_ERROR_CANCELLED, leoam_session_save(loaded_->session, &options, &error));
    EXPECT_EQ(stop_at, told.n);
    EXPECT_FALSE(info(loaded_->session).flags & LEOAM_SESSION_HAS_FILE);
    EXPECT_TRUE(contents(path).empty());
  }
  told = {};
  LEOAM_ASSERT_OK(leoam_session_save(loaded_->session, &options, &error));
  EXPECT_EQ(kv_bytes, told.total);
  EXPECT_EQ(kv_bytes, told.done);

  // A later save that is stopped leaves the one before.
  evaluate(loaded_->session, words(100));
  told = {};
  told.stop_at = 2;
  EXPECT_EQ(LEOAM_ERROR_CANCELLED, leoam_session_save(loaded_->session, &options, &error));
  start();
  leoam_session* session = nullptr;
  LEOAM_ASSERT_OK(open(loaded_->model, path, nullptr, &session));
  EXPECT_EQ(700u, info(session).n_tokens);
  EXPECT_EQ(last, logits(session));
  leoam_session_release(session);
}

TEST_F(Store, AForkGoesItsOwnWay) {
  evaluate(loaded_->session, words(100));
  leoam_session* fork = nullptr;
  LEOAM_ASSERT_OK(leoam_session_fork(loaded_->session, &fork, &error));
  EXPECT_EQ(logits(loaded_->session), logits(fork));
  EXPECT_EQ(100u, info(fork).n_tokens);
  const std::vector<int32_t> drawn = answer(fork, words(9));
  EXPECT_EQ(100u, info(loaded_->session).n_tokens);
  EXPECT_EQ(drawn, answer(loaded_->session, words(9)));
  leoam_session_release(fork);
  EXPECT_EQ(LEOAM_ERROR_INVALID_ARGUMENT, leoam_session_fork(loaded_->session, nullptr, &error));
  fork = reinterpret_cast<leoam_session*>(1);
  EXPECT_EQ(LEOAM_ERROR_INVALID_HANDLE, leoam_session_fork(nullptr, &fork, &error));
  EXPECT_EQ(nullptr, fork);
}

TEST_F(Store, BytesInMemoryAreKnownWhileARequestRuns) {
  const std::vector<int32_t> prompt = words(1500);
  auto options = zeroed<leoam_request_options>();
  options.prompt = prompt.data();
  options.n_prompt = prompt.size();
  options.max_tokens = 1;
  options.delivery = LEOAM_DELIVERY_STEP;
  leoam_request* request = nullptr;
  LEOAM_ASSERT_OK(leoam_session_submit(loaded_->session, &options, &request, &error));
  EXPECT_EQ(0u, info(loaded_->session).resident_kv_bytes);
  uint64_t seen = 0;
  for (int32_t finished = 0; finished == 0;) {
    LEOAM_ASSERT_OK(leoam_request_step(request, 0, &finished, &error));
    const leoam_session_info now = info(loaded_->session);
    EXPECT_GE(now.resident_kv_bytes, seen) << "everything fits, so it only grows";
    EXPECT_LE(now.resident_kv_bytes, now.kv_bytes);
    seen = now.resident_kv_bytes;
    leoam_event event = zeroed<leoam_event>();
    while (leoam_request_poll(request, &event, &error) == LEOAM_OK && event.kind != LEOAM_EVENT_NONE) {
    }
  }
  EXPECT_GT(seen, 0u);
  EXPECT_EQ(info(loaded_->session).kv_bytes, info(loaded_->session).resident_kv_bytes);
  leoam_request_release(request);
}

TEST_F(Store, ABusySessionIsNotMoved) {
  auto options = zeroed<leoam_request_options>();
  const std::vector<int32_t> prompt = words(20);
  options.prompt = prompt.data();
  options.n_prompt = prompt.size();
  options.delivery = LEOAM_DELIVERY_STEP;
  leoam_request* request = nullptr;
  LEOAM_ASSERT_OK(leoam_session_submit(loaded_->session, &options, &request, &error));
  leoam_session* fork = nullptr;
  EXPECT_EQ(LEOAM_ERROR_BUSY, leoam_session_fork(loaded_->session, &fork, &error));
  EXPECT_EQ(LEOAM_ERROR_BUSY, leoam_session_suspend(loaded_->session, nullptr, &error));
  EXPECT_EQ(LEOAM_ERROR_BUSY, save(loaded_->session, folder_.file("s"), nullptr));
  leoam_request_release(request);
}

TEST_F(Store, AnInstanceTellsAboutItsTiers) {
  std::vector<std::string> keys;
  leoam_string key, value;
  for (uint64_t i = 0; leoam_instance_describe(loaded_->instance, i, &key, &value, nullptr) == LEOAM_OK;
       ++i) {
    keys.push_back(text_of(key));
    if (keys.back() == "state.folder") {
      EXPECT_EQ(folder_.path(), text_of(value));
    }
    EXPECT_NE(0u, value.size) << keys.back();
  }
  for (const char* wanted : {"kv.host_budget_bytes", "kv.disk_budget_bytes", "kv.disk_write_cap_bytes",
                             "kv.scratch", "state.folder", "io.io_uring", "io.o_direct", "io.o_tmpfile"})
    EXPECT_EQ(1, std::count(keys.begin(), keys.end(), wanted)) << wanted;
  const auto refused = [&](auto change) {
    auto options = zeroed<leoam_instance_options>();
    change(options);
    leoam_instance* instance = nullptr;
    return leoam_instance_create(&options, &instance, &error);
  };
  EXPECT_EQ(LEOAM_ERROR_INVALID_ARGUMENT, refused([](auto& o) { o.flags = 8; }));
  EXPECT_EQ(LEOAM_ERROR_INVALID_ARGUMENT, refused([](auto& o) { o.state_folder = view("relative"); }));
}

TEST_F(Store, ADeviceThatComputesInMemoryHasNoBudgetOfItsOwn) {
  auto options = zeroed<leoam_instance_options>();
  options.struct_size = sizeof options;
  options.device_kv_budget_bytes = 1u << 20;
  leoam_instance* instance = nullptr;
  LEOAM_ASSERT_OK(leoam_instance_create(&options, &instance, &error));
  EXPECT_EQ(LEOAM_ERROR_UNSUPPORTED,
            leoam_instance_change_device_kv_budget(instance, 1u << 20, nullptr, &error));
  auto statistics = zeroed<leoam_instance_statistics>();
  statistics.struct_size = sizeof statistics;
  LEOAM_EXPECT_OK(leoam_instance_get_statistics(instance, &statistics, &error));
  EXPECT_EQ(0u, statistics.device_kv_budget_bytes);
  EXPECT_EQ(0u, statistics.device_kv_peak_bytes + statistics.raised_bytes + statistics.lowered_bytes);
  leoam_instance_release(instance);
  EXPECT_EQ(LEOAM_ERROR_INVALID_HANDLE,
            leoam_instance_change_device_kv_budget(instance, 1u << 20, nullptr, &error));
}

TEST_F(Store, StructsOfTheFirstVersionAreEnough) {
  // What a program that was compiled with version 1 passes.
  auto options = zeroed<leoam_instance_options>();
  options.struct_size = offsetof(leoam_instance_options, flags);
  leoam_instance* instance = nullptr;
  LEOAM_ASSERT_OK(leoam_instance_create(&options, &instance, &error));
  auto old = zeroed<leoam_instance_statistics>();
  std::memset(&old, 0x55, sizeof old);
  old.struct_size = offsetof(leoam_instance_statistics, disk_kv_budget_bytes);
  LEOAM_EXPECT_OK(leoam_instance_get_statistics(instance, &old, &error));
  EXPECT_EQ(0x5555555555555555u, old.disk_kv_budget_bytes);
  leoam_instance_release(instance);
  const leoam_api* api = nullptr;
  EXPECT_EQ(LEOAM_OK, leoam_get_api(1, offsetof(leoam_api, instance_change_host_kv_budget), &api));
}

}  // namespace
}  // namespace leoam_test
