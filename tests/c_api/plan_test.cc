// leoam_model_plan: its flags, and that it can be stopped.
#include <thread>

#include "tests/c_api/fixture.h"
#include "tests/support/sanitized.h"

namespace leoam_test {
namespace {

class Plan : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { file_ = roomy_model(); }
  static void TearDownTestSuite() { file_.reset(); }

  leoam_status plan(const leoam_plan_options* options, leoam_plan* out) {
    return leoam_model_plan(loaded_.instance, file_->path().data(), file_->path().size(), nullptr, options,
                            out, &error_);
  }
  leoam_plan planned(uint64_t flags, uint64_t host_budget_bytes = 0) {
    auto& error = error_;
    auto options = zeroed<leoam_plan_options>();
    options.context_tokens = 2000;
    options.host_kv_budget_bytes = host_budget_bytes;
    options.flags = flags;
    auto out = zeroed<leoam_plan>();
    LEOAM_EXPECT_OK(plan(&options, &out));
    return out;
  }

  inline static std::unique_ptr<ModelFile> file_;
  Loaded loaded_{file_->path()};
  leoam_error error_ = zeroed<leoam_error>();
};

TEST_F(Plan, SpeedsAreThereWhenAskedFor) {
  if (leoam::testing::kThreadSanitized) GTEST_SKIP() << "it measures for minutes";
  const leoam_plan without = planned(0);
  EXPECT_EQ(1u, without.fits);
  EXPECT_EQ(0, without.prefill_tokens_per_second);
  EXPECT_EQ(0, without.decode_tokens_per_second);
  EXPECT_EQ(0, without.reopen_seconds);
  const leoam_plan with = planned(LEOAM_PLAN_SPEED);
  EXPECT_GT(with.prefill_tokens_per_second, 0);
  EXPECT_GT(with.decode_tokens_per_second, 0);
  EXPECT_GT(with.reopen_seconds, 0);
  EXPECT_EQ(without.total_bytes, with.total_bytes);
}

TEST_F(Plan, TellsTheTypeOfKv) {
  auto& error = error_;
  auto options = zeroed<leoam_plan_options>();
  auto out = zeroed<leoam_plan>();
  for (const leoam_kv_type type :
       {LEOAM_KV_F16, LEOAM_KV_F32, LEOAM_KV_INT8, LEOAM_KV_K8V8, LEOAM_KV_K4V4, LEOAM_KV_K8V4}) {
    options.kv_type = type;
    LEOAM_ASSERT_OK(plan(&options, &out));
    EXPECT_EQ(type, out.kv_type);
  }
  const uint64_t k8v4_bytes = out.kv_token_bytes;
  options.kv_type = LEOAM_KV_AUTO;
  options.host_kv_budget_bytes = 1 << 20;
  LEOAM_ASSERT_OK(plan(&options, &out));
  EXPECT_EQ(LEOAM_KV_K8V4, out.kv_type);
  EXPECT_EQ(k8v4_bytes, out.kv_token_bytes);
}

TEST_F(Plan, ASavedSessionHasAFile) {
  for (const uint64_t budget : {uint64_t{0}, uint64_t{1} << 20}) {
    const leoam_plan without = planned(0, budget);
    const leoam_plan with = planned(LEOAM_PLAN_SAVED, budget);
    EXPECT_EQ(budget == 0 ? 1u : 0u, without.fits);
    EXPECT_EQ(0u, without.session_file_bytes);
    EXPECT_GT(with.session_file_bytes, with.kv_bytes);
    EXPECT_EQ(without.disk_kv_bytes + with.session_file_bytes, with.disk_kv_bytes);
    EXPECT_EQ(without.disk_written_bytes + with.session_file_bytes, with.disk_written_bytes);
    EXPECT_EQ(without.kv_bytes, with.kv_bytes);
  }
}

TEST_F(Plan, UnknownFlagsAndWrongHandlesAreRefused) {
  auto out = zeroed<leoam_plan>();
  auto options = zeroed<leoam_plan_options>();
  options.flags = 4;
  EXPECT_EQ(LEOAM_ERROR_INVALID_ARGUMENT, plan(&options, &out));
  options.flags = 0;
  options.cancel = reinterpret_cast<leoam_cancel_flag*>(loaded_.model);
  EXPECT_EQ(LEOAM_ERROR_INVALID_HANDLE, plan(&options, &out));
}

TEST_F(Plan, MeasuringTheMachineIsCancelled) {
  auto& error = error_;
  leoam_cancel_flag* flag = nullptr;
  LEOAM_ASSERT_OK(leoam_cancel_flag_create(loaded_.instance, &flag, &error));
  auto options = zeroed<leoam_plan_options>();
  options.flags = LEOAM_PLAN_SPEED;
  options.cancel = flag;
  auto out = zeroed<leoam_plan>();
  leoam_cancel_flag_set(flag);
  EXPECT_EQ(LEOAM_ERROR_CANCELLED, plan(&options, &out));
  EXPECT_EQ(0u, out.context_tokens) << "untouched";

  // While it measures.
  leoam_cancel_flag_clear(flag);
  std::chrono::steady_clock::time_point cancelled;
  std::thread stop([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    cancelled = std::chrono::steady_clock::now();
    leoam_cancel_flag_set(flag);
  });
  EXPECT_EQ(LEOAM_ERROR_CANCELLED, plan(&options, &out));
  stop.join();
  EXPECT_LT(ms_since(cancelled), kCancelBoundMs);

  leoam_cancel_flag_clear(flag);
  LEOAM_EXPECT_OK(plan(&options, &out));
  EXPECT_GT(out.decode_tokens_per_second, 0);
  leoam_cancel_flag_release(flag);
}

}  // namespace
}  // namespace leoam_test
