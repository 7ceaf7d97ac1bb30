// A live object of every type, and room for every out parameter.
#pragma once

#include <string>
#include <vector>

#include "tests/c_api/fixture.h"

namespace leoam_test {

template <class T>
T* as(const void* handle) {
  return static_cast<T*>(const_cast<void*>(handle));
}

// Room for every out parameter.
struct Out {
  leoam_instance* instance = nullptr;
  leoam_cancel_flag* flag = nullptr;
  leoam_model* model = nullptr;
  leoam_session* session = nullptr;
  leoam_request* request = nullptr;
  leoam_string key{}, value{};
  uint64_t count = 0;
  int32_t number = 0;
  int32_t tokens[64] = {};
  char text[256] = {};
  float logits[4096] = {};
};

class Misuse : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { file_ = small_model(); }
  static void TearDownTestSuite() { file_.reset(); }
  void SetUp() override {
    loaded_ = std::make_unique<Loaded>(file_->path());
    error_ = zeroed<leoam_error>();
    expect_ok(leoam_cancel_flag_create(loaded_->instance, &flag_, &error_));
    prompt_ = loaded_->tokens("abc");
    auto options = zeroed<leoam_request_options>();
    options.delivery = LEOAM_DELIVERY_STEP;
    options.prompt = prompt_.data();
    options.n_prompt = prompt_.size();
    expect_ok(leoam_session_create(loaded_->model, nullptr, &requested_, &error_));
    expect_ok(leoam_session_submit(requested_, &options, &request_, &error_));
  }
  void TearDown() override {
    leoam_request_release(request_);
    leoam_session_release(requested_);
    leoam_cancel_flag_release(flag_);
    loaded_.reset();
  }
  void expect_ok(leoam_status status) { ASSERT_EQ(LEOAM_OK, status) << error_.message; }

  std::vector<const void*> all_handles() const {
    return {loaded_->instance, flag_, loaded_->model, loaded_->session, request_};
  }

  inline static std::unique_ptr<ModelFile> file_;
  std::unique_ptr<Loaded> loaded_;
  leoam_cancel_flag* flag_ = nullptr;
  leoam_session* requested_ = nullptr;
  leoam_request* request_ = nullptr;
  std::vector<int32_t> prompt_;
  leoam_error error_{};
};

}  // namespace leoam_test
