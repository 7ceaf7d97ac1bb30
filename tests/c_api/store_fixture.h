// An instance, a session and its files, for tests of KV that leaves memory.
#pragma once

#include <array>
#include <fstream>
#include <iterator>

#include "tests/c_api/fixture.h"

namespace leoam_test {

using Key = std::array<uint8_t, LEOAM_KEY_BYTES>;

inline constexpr Key kKey = {1, 2, 3};
inline constexpr Key kOtherKey = {3, 2, 1};

class Store : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { file_ = roomy_model(); }
  static void TearDownTestSuite() { file_.reset(); }

  void SetUp() override {
    error = zeroed<leoam_error>();
    start();
  }
  void start(uint64_t host_budget_bytes = 0) {
    auto options = zeroed<leoam_instance_options>();
    options.state_folder = view(folder_.path());
    options.host_kv_budget_bytes = host_budget_bytes;
    loaded_.reset();
    loaded_ = std::make_unique<Loaded>(file_->path(), options);
  }

  std::vector<int32_t> words(size_t n) const {
    std::string text;
    while (text.size() < 2 * n) text += "words that go on, " + std::to_string(text.size()) + " ";
    std::vector<int32_t> tokens = loaded_->tokens(text);
    tokens.resize(n);
    return tokens;
  }
  void evaluate(leoam_session* session, const std::vector<int32_t>& tokens) {
    LEOAM_ASSERT_OK(leoam_session_evaluate(session, tokens.data(), tokens.size(), nullptr, &error));
  }
  std::vector<float> logits(leoam_session* session) {
    std::vector<float> out(info(session).n_vocab);
    LEOAM_EXPECT_OK(leoam_session_copy_logits(session, out.data(), out.size(), &error));
    return out;
  }
  // Greedy.
  std::vector<int32_t> answer(leoam_session* session, const std::vector<int32_t>& prompt, uint32_t n = 12) {
    auto options = zeroed<leoam_request_options>();
    options.prompt = prompt.data();
    options.n_prompt = prompt.size();
    options.max_tokens = n;
    options.flags = LEOAM_REQUEST_IGNORE_END;
    options.delivery = LEOAM_DELIVERY_CALLBACK;
    return run(session, options).tokens;
  }
  leoam_session_info info(leoam_session* session) {
    auto out = zeroed<leoam_session_info>();
    LEOAM_EXPECT_OK(leoam_session_get_info(session, &out, &error));
    return out;
  }
  leoam_instance_statistics statistics() {
    auto out = zeroed<leoam_instance_statistics>();
    LEOAM_EXPECT_OK(leoam_instance_get_statistics(loaded_->instance, &out, &error));
    return out;
  }

  leoam_status save(leoam_session* session, const std::string& path, const Key* key) {
    auto options = zeroed<leoam_save_options>();
    options.path = view(path);
    options.flags = key ? 0 : LEOAM_SAVE_PLAINTEXT;
    options.key = key ? key->data() : nullptr;
    options.key_size = key ? key->size() : 0;
    return leoam_session_save(session, &options, &error);
  }
  static leoam_session_file_options with(const Key* key) {
    auto options = zeroed<leoam_session_file_options>();
    options.key = key ? key->data() : nullptr;
    options.key_size = key ? key->size() : 0;
    return options;
  }
  leoam_status open(leoam_model* model, const std::string& path, const Key* key, leoam_session** out) {
    const leoam_session_file_options options = with(key);
    return leoam_model_open_session(model, path.data(), path.size(), nullptr, &options, out, &error);
  }
  leoam_status verify(const std::string& path, const Key* key, leoam_session_verdict* verdict,
                      std::vector<std::string>* findings) {
    leoam_session_file_options options = with(key);
    options.user_data = findings;
    const auto on_finding = [](const char* text, uint64_t size, void* user_data) -> int32_t {
      static_cast<std::vector<std::string>*>(user_data)->emplace_back(text, size);
      return LEOAM_CONTINUE;
    };
    return leoam_session_file_verify(loaded_->instance, path.data(), path.size(), &options, on_finding,
                                     verdict, &error);
  }

  leoam::testing::TempFolder folder_;
  inline static std::unique_ptr<ModelFile> file_;
  std::unique_ptr<Loaded> loaded_;
  leoam_error error{};
};

inline std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace leoam_test
