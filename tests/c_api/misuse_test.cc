// Wrong structs, pointers, counts and values: an error of one call, never more.
#include <cstddef>
#include <cstring>
#include <functional>
#include <limits>

#include "tests/c_api/misuse_fixture.h"

namespace leoam_test {
namespace {

TEST_F(Misuse, ShortStructsAreExtendedWithZeros) {
  // A program that knew the first fields only.
  struct Early {
    uint32_t struct_size;
    uint32_t n_threads;
  } early{sizeof(Early), 1};
  leoam_instance* instance = nullptr;
  expect_ok(leoam_instance_create(reinterpret_cast<leoam_instance_options*>(&early), &instance, &error_));
  auto statistics = zeroed<leoam_instance_statistics>();
  std::memset(reinterpret_cast<char*>(&statistics) + 16, 0x55, sizeof(statistics) - 16);
  statistics.struct_size = 16;
  expect_ok(leoam_instance_get_statistics(instance, &statistics, &error_));
  EXPECT_EQ(1u, statistics.n_threads);
  EXPECT_EQ(16u, statistics.struct_size);
  EXPECT_GT(statistics.host_kv_budget_bytes, 0u);
  EXPECT_EQ(0x5555555555555555u, statistics.host_kv_bytes) << "written behind the caller's struct";
  leoam_instance_release(instance);
}

TEST_F(Misuse, LongStructsNeedZerosBehind) {
  struct Later {
    leoam_session_options known;
    uint64_t unknown[4];
  } later{};
  later.known.struct_size = sizeof(Later);
  leoam_session* session = nullptr;
  expect_ok(leoam_session_create(loaded_->model, &later.known, &session, &error_));
  leoam_session_release(session);
  later.unknown[2] = 1;
  EXPECT_EQ(LEOAM_ERROR_VERSION, leoam_session_create(loaded_->model, &later.known, &session, &error_));
  EXPECT_EQ(nullptr, session);
  later.unknown[2] = 0;
  later.known.reserved = 1;
  EXPECT_EQ(LEOAM_ERROR_VERSION, leoam_session_create(loaded_->model, &later.known, &session, &error_));

  struct LaterInfo {
    leoam_session_info known;
    uint64_t unknown[4];
  } info;
  std::memset(&info, 0x55, sizeof(info));
  info.known.struct_size = sizeof(LaterInfo);
  expect_ok(leoam_session_get_info(loaded_->session, &info.known, &error_));
  for (const uint64_t word : info.unknown) EXPECT_EQ(0u, word);
}

TEST_F(Misuse, StructsWithoutASizeAreRefused) {
  for (const uint32_t size : {0u, 1u, 7u, 1u << 20, UINT32_MAX}) {
    leoam_session_options options{};
    options.struct_size = size;
    leoam_session* session = nullptr;
    EXPECT_EQ(LEOAM_ERROR_INVALID_ARGUMENT, leoam_session_create(loaded_->model, &options, &session, &error_))
        << size;
    leoam_session_info info{};
    info.struct_size = size;
    EXPECT_EQ(LEOAM_ERROR_INVALID_ARGUMENT, leoam_session_get_info(loaded_->session, &info, &error_)) << size;
    leoam_error broken{};
    broken.struct_size = size;
    EXPECT_EQ(LEOAM_ERROR_INVALID_ARGUMENT, leoam_session_truncate(loaded_->session, 0, &broken)) << size;
    EXPECT_EQ(0, broken.code);
  }
}

TEST_F(Misuse, AShortErrorStructGetsWhatFits) {
  auto small = zeroed<leoam_error>();
  std::memset(small.message, 'x', sizeof(small.message));
  small.struct_size = offsetof(leoam_error, message) + 10;
  EXPECT_EQ(LEOAM_ERROR_INVALID_ARGUMENT, leoam_session_truncate(loaded_->session, 1000, &small));
  EXPECT_EQ(LEOAM_ERROR_INVALID_ARGUMENT, small.code);
  EXPECT_EQ(9u, small.message_size);
  EXPECT_EQ(9u, std::strlen(small.message));
  EXPECT_EQ('x', small.message[10]);
}

TEST_F(Misuse, NullPointersAreErrors) {
  leoam_error* e = &error_;
  constexpr leoam_status kBad = LEOAM_ERROR_INVALID_ARGUMENT;
  Out out;
  const std::string& path = file_->path();
  auto plan = zeroed<leoam_plan>();
  auto chat = zeroed<leoam_chat>();
  EXPECT_EQ(kBad, leoam_get_build_info(nullptr, e));
  EXPECT_EQ(kBad, leoam_get_api(1, sizeof(leoam_api), nullptr));
  EXPECT_EQ(kBad, leoam_instance_create(nullptr, nullptr, e));
  EXPECT_EQ(kBad, leoam_instance_get_statistics(loaded_->instance, nullptr, e));
  EXPECT_EQ(kBad, leoam_instance_describe(loaded_->instance, 0, nullptr, &out.value, e));
  EXPECT_EQ(kBad, leoam_instance_describe(loaded_->instance, 0, &out.key, nullptr, e));
  EXPECT_EQ(kBad, leoam_cancel_flag_create(loaded_->instance, nullptr, e));
  EXPECT_EQ(kBad,
            leoam_model_plan(loaded_->instance, path.data(), path.size(), nullptr, nullptr, nullptr, e));
  EXPECT_EQ(kBad, leoam_model_plan(loaded_->instance, nullptr, 5, nullptr, nullptr, &plan, e));
  EXPECT_EQ(kBad, leoam_model_load(loaded_->instance, path.data(), path.size(), nullptr, nullptr, e));
  EXPECT_EQ(kBad, leoam_model_load(loaded_->instance, nullptr, 5, nullptr, &out.model, e));
  EXPECT_EQ(kBad, leoam_model_load(loaded_->instance, "a\0b", 3, nullptr, &out.model, e));
  EXPECT_EQ(kBad, leoam_model_load(loaded_->instance, nullptr, 0, nullptr, &out.model, e));
  EXPECT_EQ(kBad, leoam_model_get_info(loaded_->model, nullptr, e));
  EXPECT_EQ(kBad, leoam_model_get_metadata(loaded_->model, 0, nullptr, &out.value, e));
  EXPECT_EQ(kBad, leoam_model_get_token(loaded_->model, 0, nullptr, e));
  EXPECT_EQ(kBad, leoam_model_find_token(loaded_->model, "a", 1, nullptr, e));
  EXPECT_EQ(kBad, leoam_model_find_token(loaded_->model, nullptr, 1, &out.number, e));
  EXPECT_EQ(kBad, leoam_model_tokenize(loaded_->model, "a", 1, 0, out.tokens, 64, nullptr, e));
  EXPECT_EQ(kBad, leoam_model_tokenize(loaded_->model, nullptr, 1, 0, out.tokens, 64, &out.count, e));
  EXPECT_EQ(kBad, leoam_model_tokenize(loaded_->model, "a", 1, 0, nullptr, 64, &out.count, e));
  EXPECT_EQ(kBad, leoam_model_detokenize(loaded_->model, nullptr, 1, 0, out.text, 256, &out.count, e));
  EXPECT_EQ(kBad, leoam_model_detokenize(loaded_->model, out.tokens, 1, 0, nullptr, 256, &out.count, e));
  EXPECT_EQ(kBad, leoam_model_render_chat(loaded_->model, nullptr, out.text, 256, &out.count, e));
  EXPECT_EQ(kBad, leoam_model_tokenize_chat(loaded_->model, nullptr, out.tokens, 64, &out.count, e));
  chat.n_messages = 1;
  EXPECT_EQ(kBad, leoam_model_tokenize_chat(loaded_->model, &chat, out.tokens, 64, &out.count, e));
  EXPECT_EQ(kBad, leoam_session_create(loaded_->model, nullptr, nullptr, e));
  EXPECT_EQ(kBad, leoam_session_get_info(loaded_->session, nullptr, e));
  EXPECT_EQ(kBad, leoam_session_evaluate(loaded_->session, nullptr, 1, nullptr, e));
  EXPECT_EQ(kBad, leoam_session_copy_tokens(loaded_->session, 0, nullptr, 1, e));
  EXPECT_EQ(kBad, leoam_session_copy_logits(loaded_->session, nullptr, 1, e));
  auto file = zeroed<leoam_session_file_info>();
  auto verdict = zeroed<leoam_session_verdict>();
  EXPECT_EQ(kBad, leoam_session_fork(loaded_->session, nullptr, e));
  EXPECT_EQ(kBad, leoam_session_save(loaded_->session, nullptr, e));
  EXPECT_EQ(kBad, leoam_session_get_file_info(loaded_->session, nullptr, e));
  EXPECT_EQ(kBad, leoam_model_open_session(loaded_->model, "a", 1, nullptr, nullptr, nullptr, e));
  EXPECT_EQ(kBad, leoam_model_open_session(loaded_->model, nullptr, 1, nullptr, nullptr, &out.session, e));
  EXPECT_EQ(kBad, leoam_session_file_get_info(loaded_->instance, nullptr, 1, nullptr, &file, e));
  EXPECT_EQ(kBad, leoam_session_file_get_info(loaded_->instance, "a", 1, nullptr, nullptr, e));
  EXPECT_EQ(kBad,
            leoam_session_file_copy_tokens(loaded_->instance, "a", 1, nullptr, out.tokens, 64, nullptr, e));
  EXPECT_EQ(kBad, leoam_session_file_verify(loaded_->instance, "a", 1, nullptr, nullptr, nullptr, e));
  EXPECT_EQ(kBad, leoam_session_file_verify(loaded_->instance, "", 0, nullptr, nullptr, &verdict, e));
  EXPECT_EQ(kBad, leoam_session_file_compact(loaded_->instance, nullptr, 0, nullptr, e));
  EXPECT_EQ(kBad, leoam_session_file_remove(loaded_->instance, nullptr, 0, e));
  EXPECT_EQ(kBad, leoam_session_submit(loaded_->session, nullptr, nullptr, e));
  EXPECT_EQ(kBad, leoam_session_submit(loaded_->session, nullptr, &out.request, e));  // no prompt, no logits
  EXPECT_EQ(kBad, leoam_request_poll(request_, nullptr, e));
  EXPECT_EQ(kBad, leoam_request_step(request_, 0, nullptr, e));
  EXPECT_EQ(kBad, leoam_request_get_event_fd(request_, nullptr, e));
  EXPECT_EQ(kBad, leoam_request_get_event_fd(request_, &out.number, e));  // a stepped request
  EXPECT_EQ(kBad, leoam_request_get_result(request_, nullptr, e));
  EXPECT_EQ(kBad, leoam_request_get_statistics(request_, nullptr, e));
}

TEST_F(Misuse, CountsThatAreNoCountsAreErrors) {
  leoam_error* e = &error_;
  constexpr leoam_status kBad = LEOAM_ERROR_INVALID_ARGUMENT;
  constexpr uint64_t kMinusOne = UINT64_MAX;
  Out out;
  auto chat = zeroed<leoam_chat>();
  EXPECT_EQ(kBad, leoam_model_load(loaded_->instance, "a", kMinusOne, nullptr, &out.model, e));
  EXPECT_EQ(kBad, leoam_model_tokenize(loaded_->model, "a", kMinusOne, 0, out.tokens, 64, &out.count, e));
  EXPECT_EQ(kBad, leoam_model_find_token(loaded_->model, "a", kMinusOne, &out.number, e));
  EXPECT_EQ(kBad,
            leoam_model_detokenize(loaded_->model, out.tokens, kMinusOne, 0, out.text, 256, &out.count, e));
  EXPECT_EQ(kBad, leoam_model_get_token(loaded_->model, -1, nullptr, e));
  EXPECT_EQ(kBad, leoam_session_evaluate(loaded_->session, out.tokens, kMinusOne, nullptr, e));
  EXPECT_EQ(kBad, leoam_session_copy_tokens(loaded_->session, kMinusOne, out.tokens, 1, e));
  EXPECT_EQ(kBad, leoam_session_copy_tokens(loaded_->session, 0, out.tokens, kMinusOne, e));
  EXPECT_EQ(kBad, leoam_session_copy_logits(loaded_->session, out.logits, kMinusOne, e));
  EXPECT_EQ(kBad, leoam_session_truncate(loaded_->session, kMinusOne, e));
  EXPECT_EQ(LEOAM_ERROR_NOT_FOUND,
            leoam_model_get_metadata(loaded_->model, kMinusOne, &out.key, &out.value, e));
  EXPECT_EQ(LEOAM_ERROR_NOT_FOUND,
            leoam_instance_describe(loaded_->instance, kMinusOne, &out.key, &out.value, e));
  auto message = zeroed<leoam_chat_message>();
  chat.messages = &message;
  chat.n_messages = kMinusOne;
  EXPECT_EQ(kBad, leoam_model_tokenize_chat(loaded_->model, &chat, out.tokens, 64, &out.count, e));
  const int32_t no_token[] = {-1};
  EXPECT_EQ(kBad, leoam_session_evaluate(loaded_->session, no_token, 1, nullptr, e));
  EXPECT_EQ(kBad, leoam_model_detokenize(loaded_->model, no_token, 1, 0, out.text, 256, &out.count, e));
}

TEST_F(Misuse, ValuesOutOfRangeAreErrors) {
  constexpr leoam_status kBad = LEOAM_ERROR_INVALID_ARGUMENT;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto submit = [&](const std::function<void(leoam_request_options&, leoam_sampler_options&)>& change) {
    auto sampler = zeroed<leoam_sampler_options>();
    auto options = zeroed<leoam_request_options>();
    options.prompt = prompt_.data();
    options.n_prompt = prompt_.size();
    options.sampler = &sampler;
    change(options, sampler);
    leoam_request* request = nullptr;
    const leoam_status status = leoam_session_submit(loaded_->session, &options, &request, &error_);
    EXPECT_EQ(nullptr, request);
    return status;
  };
  const auto never = [](const leoam_event*, void*) -> int32_t { return LEOAM_STOP; };
  EXPECT_EQ(kBad, submit([](auto& o, auto&) { o.delivery = 3; }));
  EXPECT_EQ(kBad, submit([](auto& o, auto&) { o.delivery = LEOAM_DELIVERY_CALLBACK; }));
  EXPECT_EQ(kBad, submit([&](auto& o, auto&) { o.on_event = never; }));
  EXPECT_EQ(kBad, submit([](auto& o, auto&) { o.flags = uint64_t{1} << 40; }));
  EXPECT_EQ(kBad, submit([](auto& o, auto&) { o.n_stop = 1; }));
  EXPECT_EQ(kBad, submit([](auto& o, auto&) { o.n_stop = UINT64_MAX; }));
  EXPECT_EQ(kBad, submit([](auto& o, auto&) { o.n_prompt = UINT64_MAX; }));
  EXPECT_EQ(kBad, submit([](auto& o, auto&) { o.flags = LEOAM_REQUEST_PREFILL_ONLY, o.max_tokens = 1; }));
  EXPECT_EQ(kBad, submit([](auto&, auto& s) { s.temperature = -1; }));
  EXPECT_EQ(kBad, submit([&](auto&, auto& s) { s.temperature = nan; }));
  EXPECT_EQ(kBad, submit([](auto&, auto& s) { s.top_p = 1.5f; }));
  EXPECT_EQ(kBad, submit([&](auto&, auto& s) { s.top_p = nan; }));
  EXPECT_EQ(kBad, submit([](auto&, auto& s) { s.min_p = -0.5f; }));
  EXPECT_EQ(kBad, submit([](auto&, auto& s) { s.repetition_penalty = -2; }));
  EXPECT_EQ(kBad, submit([](auto&, auto& s) { s.struct_size = 0; }));

  const auto create = [&](const std::function<void(leoam_session_options&)>& change) {
    auto options = zeroed<leoam_session_options>();
    change(options);
    leoam_session* session = nullptr;
    return leoam_session_create(loaded_->model, &options, &session, &error_);
  };
  EXPECT_EQ(kBad, create([](auto& o) { o.page_tokens = 33; }));
  EXPECT_EQ(kBad, create([](auto& o) { o.kv_type = 9; }));
  EXPECT_EQ(LEOAM_ERROR_UNSUPPORTED, create([](auto& o) { o.policy = view("other"); }));
  EXPECT_EQ(kBad, create([](auto& o) { o.policy = {nullptr, 4}; }));

  const auto load = [&](const std::function<void(leoam_load_options&)>& change) {
    auto options = zeroed<leoam_load_options>();
    change(options);
    leoam_model* model = nullptr;
    return leoam_model_load(loaded_->instance, file_->path().data(), file_->path().size(), &options, &model,
                            &error_);
  };
  EXPECT_EQ(kBad, load([](auto& o) { o.rope_scaling = 4; }));
  EXPECT_EQ(kBad, load([](auto& o) { o.rope_factor = 0.5f; }));
  EXPECT_EQ(kBad, load([&](auto& o) { o.rope_factor = nan; }));
  EXPECT_EQ(kBad, load([](auto& o) { o.rope_base = -1; }));
  EXPECT_EQ(kBad, load([](auto& o) { o.flags = 2; }));
  EXPECT_EQ(LEOAM_ERROR_INVALID_HANDLE, load([&](auto& o) { o.cancel = as<leoam_cancel_flag>(request_); }));

  const auto instance = [&](const std::function<void(leoam_instance_options&)>& change) {
    auto options = zeroed<leoam_instance_options>();
    change(options);
    leoam_instance* created = nullptr;
    return leoam_instance_create(&options, &created, &error_);
  };
  EXPECT_EQ(kBad, instance([](auto& o) { o.cpu_level = view("mmx"); }));
  EXPECT_EQ(kBad, instance([](auto& o) { o.log_level = 9; }));
  EXPECT_EQ(kBad, instance([](auto& o) { o.n_threads = UINT32_MAX; }));
}

TEST_F(Misuse, ABufferThatIsTooSmallStaysUntouched) {
  uint64_t count = 0;
  expect_ok(leoam_model_tokenize(loaded_->model, "some words", 10, 0, nullptr, 0, &count, &error_));
  ASSERT_GT(count, 1u);
  std::vector<int32_t> tokens(count, -7);
  EXPECT_EQ(LEOAM_ERROR_NO_SPACE, leoam_model_tokenize(loaded_->model, "some words", 10, 0, tokens.data(),
                                                       count - 1, &count, &error_));
  EXPECT_EQ(tokens.size(), count);
  EXPECT_EQ(std::vector<int32_t>(count, -7), tokens);
  EXPECT_EQ(count * 4, error_.needed_bytes);
  EXPECT_EQ(count * 4 - 4, error_.available_bytes);
  expect_ok(leoam_model_tokenize(loaded_->model, "some words", 10, 0, tokens.data(), count, &count, &error_));
}

TEST_F(Misuse, ABudgetIsAnErrorWithBytes) {
  leoam_session* session = nullptr;
  // Nowhere to go.
  expect_ok(leoam_instance_set_disk_kv_budget(loaded_->instance, 0, &error_));
  expect_ok(leoam_session_evaluate(loaded_->session, prompt_.data(), prompt_.size(), nullptr, &error_));
  auto statistics = zeroed<leoam_instance_statistics>();
  expect_ok(leoam_instance_get_statistics(loaded_->instance, &statistics, &error_));
  EXPECT_EQ(LEOAM_ERROR_NO_SPACE, leoam_instance_set_host_kv_budget(loaded_->instance, 1, &error_));
  EXPECT_EQ(statistics.host_kv_bytes, error_.needed_bytes);
  EXPECT_EQ(1u, error_.available_bytes);

  expect_ok(leoam_instance_set_host_kv_budget(loaded_->instance, statistics.host_kv_bytes, &error_));
  expect_ok(leoam_session_create(loaded_->model, nullptr, &session, &error_));
  EXPECT_EQ(LEOAM_ERROR_NO_SPACE, leoam_session_evaluate(session, prompt_.data(), 1, nullptr, &error_));
  EXPECT_GT(error_.needed_bytes, 0u);
  expect_ok(leoam_instance_set_host_kv_budget(loaded_->instance, 1u << 30, &error_));
  expect_ok(leoam_session_evaluate(session, prompt_.data(), 1, nullptr, &error_));
  leoam_session_release(session);
}

TEST_F(Misuse, TheTableIsVersioned) {
  const leoam_api* api = nullptr;
  EXPECT_EQ(LEOAM_ERROR_VERSION, leoam_get_api(LEOAM_API_VERSION + 1, sizeof(leoam_api), &api));
  EXPECT_EQ(nullptr, api);
  EXPECT_EQ(LEOAM_ERROR_VERSION, leoam_get_api(LEOAM_API_VERSION, sizeof(leoam_api) + 8, &api));
  EXPECT_EQ(LEOAM_ERROR_INVALID_ARGUMENT, leoam_get_api(0, sizeof(leoam_api), &api));
  ASSERT_EQ(LEOAM_OK, leoam_get_api(1, 64, &api));  // an older, shorter table
  EXPECT_EQ(sizeof(leoam_api), api->struct_size);
  EXPECT_EQ(leoam_version(), api->version());
}

}  // namespace
}  // namespace leoam_test
