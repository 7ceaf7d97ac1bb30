// Every function with every wrong handle: an error of one call, never more. Handles may race with their
// release.
#include <functional>
#include <thread>
#include <utility>

#include "tests/c_api/misuse_fixture.h"

namespace leoam_test {
namespace {

using Handles = Misuse;

using Function = std::function<leoam_status(const void* handle, leoam_error* error)>;

// Functions that take the object of one type, valid in everything but the handle.
std::vector<std::pair<const char*, Function>> instance_functions(Out& out, const std::string& path) {
  return {
      {"set_host_kv_budget",
       [](auto h, auto e) { return leoam_instance_set_host_kv_budget(as<leoam_instance>(h), 1u << 30, e); }},
      {"change_host_kv_budget",
       [](auto h, auto e) {
         return leoam_instance_change_host_kv_budget(as<leoam_instance>(h), 1u << 30, nullptr, e);
       }},
      {"set_disk_kv_budget",
       [](auto h, auto e) { return leoam_instance_set_disk_kv_budget(as<leoam_instance>(h), 1u << 30, e); }},
      {"set_disk_write_cap",
       [](auto h, auto e) {
         return leoam_instance_set_disk_write_cap(as<leoam_instance>(h), UINT64_MAX, e);
       }},
      {"get_statistics",
       [](auto h, auto e) {
         auto statistics = zeroed<leoam_instance_statistics>();
         return leoam_instance_get_statistics(as<leoam_instance>(h), &statistics, e);
       }},
      {"describe",
       [&](auto h, auto e) {
         return leoam_instance_describe(as<leoam_instance>(h), 0, &out.key, &out.value, e);
       }},
      {"detach", [](auto h, auto e) { return leoam_instance_detach(as<leoam_instance>(h), e); }},
      {"cancel_flag_create",
       [&](auto h, auto e) {
         const leoam_status status = leoam_cancel_flag_create(as<leoam_instance>(h), &out.flag, e);
         leoam_cancel_flag_release(out.flag);
         return status;
       }},
      {"model_plan",
       [&](auto h, auto e) {
         auto plan = zeroed<leoam_plan>();
         return leoam_model_plan(as<leoam_instance>(h), path.data(), path.size(), nullptr, nullptr, &plan, e);
       }},
      {"model_load",
       [&](auto h, auto e) {
         const leoam_status status =
             leoam_model_load(as<leoam_instance>(h), path.data(), path.size(), nullptr, &out.model, e);
         leoam_model_release(out.model);
         return status;
       }},
  };
}

std::vector<std::pair<const char*, Function>> model_functions(Out& out) {
  return {
      {"get_info",
       [](auto h, auto e) {
         auto info = zeroed<leoam_model_info>();
         return leoam_model_get_info(as<leoam_model>(h), &info, e);
       }},
      {"get_metadata",
       [&](auto h, auto e) {
         return leoam_model_get_metadata(as<leoam_model>(h), 0, &out.key, &out.value, e);
       }},
      {"get_token",
       [](auto h, auto e) {
         auto info = zeroed<leoam_token_info>();
         return leoam_model_get_token(as<leoam_model>(h), 0, &info, e);
       }},
      {"find_token",
       [&](auto h, auto e) { return leoam_model_find_token(as<leoam_model>(h), "a", 1, &out.number, e); }},
      {"tokenize",
       [&](auto h, auto e) {
         return leoam_model_tokenize(as<leoam_model>(h), "abc", 3, 0, out.tokens, 64, &out.count, e);
       }},
      {"detokenize",
       [&](auto h, auto e) {
         return leoam_model_detokenize(as<leoam_model>(h), out.tokens, 1, 0, out.text, 256, &out.count, e);
       }},
      {"render_chat",
       [&](auto h, auto e) {
         const auto chat = zeroed<leoam_chat>();
         return leoam_model_render_chat(as<leoam_model>(h), &chat, out.text, 256, &out.count, e);
       }},
      {"tokenize_chat",
       [&](auto h, auto e) {
         const auto chat = zeroed<leoam_chat>();
         return leoam_model_tokenize_chat(as<leoam_model>(h), &chat, out.tokens, 64, &out.count, e);
       }},
      {"session_create",
       [&](auto h, auto e) {
         const leoam_status status = leoam_session_create(as<leoam_model>(h), nullptr, &out.session, e);
         leoam_session_release(out.session);
         return status;
       }},
  };
}

std::vector<std::pair<const char*, Function>> session_functions(Out& out, uint64_t n_vocab) {
  return {
      {"get_info",
       [](auto h, auto e) {
         auto info = zeroed<leoam_session_info>();
         return leoam_session_get_info(as<leoam_session>(h), &info, e);
       }},
      {"evaluate",
       [&](auto h, auto e) {
         return leoam_session_evaluate(as<leoam_session>(h), out.tokens, 2, nullptr, e);
       }},
      {"copy_tokens",
       [&](auto h, auto e) { return leoam_session_copy_tokens(as<leoam_session>(h), 0, out.tokens, 1, e); }},
      {"copy_logits",
       [&out, n_vocab](auto h, auto e) {
         return leoam_session_copy_logits(as<leoam_session>(h), out.logits, n_vocab, e);
       }},
      {"fork",
       [&](auto h, auto e) {
         const leoam_status status = leoam_session_fork(as<leoam_session>(h), &out.session, e);
         leoam_session_release(out.session);
         return status;
       }},
      {"suspend", [](auto h, auto e) { return leoam_session_suspend(as<leoam_session>(h), nullptr, e); }},
      {"truncate", [](auto h, auto e) { return leoam_session_truncate(as<leoam_session>(h), 0, e); }},
      {"submit",
       [&](auto h, auto e) {
         auto options = zeroed<leoam_request_options>();
         options.prompt = out.tokens;
         options.n_prompt = 1;
         options.max_tokens = 1;
         const leoam_status status = leoam_session_submit(as<leoam_session>(h), &options, &out.request, e);
         leoam_request_release(out.request);
         return status;
       }},
  };
}

std::vector<std::pair<const char*, Function>> request_functions(Out& out) {
  return {
      {"step", [&](auto h, auto e) { return leoam_request_step(as<leoam_request>(h), 0, &out.number, e); }},
      {"poll",
       [](auto h, auto e) {
         auto event = zeroed<leoam_event>();
         return leoam_request_poll(as<leoam_request>(h), &event, e);
       }},
      {"get_result",
       [&](auto h, auto e) { return leoam_request_get_result(as<leoam_request>(h), &out.number, e); }},
      {"get_statistics",
       [](auto h, auto e) {
         auto statistics = zeroed<leoam_request_statistics>();
         return leoam_request_get_statistics(as<leoam_request>(h), &statistics, e);
       }},
      {"cancel", [](auto h, auto) { return leoam_request_cancel(as<leoam_request>(h)); }},
      {"detach", [](auto h, auto e) { return leoam_request_detach(as<leoam_request>(h), e); }},
  };
}

// With the right handle each works; with NULL, with one of every other type and with values that never were
// handles each says invalid_handle and nothing else happens.
void try_handles(const std::vector<std::pair<const char*, Function>>& functions, const void* right,
                 const std::vector<const void*>& all) {
  std::vector<const void*> wrong = {nullptr, &functions, reinterpret_cast<void*>(uintptr_t{1}),
                                    reinterpret_cast<void*>(UINTPTR_MAX)};
  for (const void* handle : all) {
    if (handle != right) wrong.push_back(handle);
    // The same handle of another generation.
    wrong.push_back(reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(handle) ^ (uintptr_t{1} << 20)));
  }
  auto error = zeroed<leoam_error>();
  for (const auto& [name, function] : functions) {
    for (const void* handle : wrong) {
      EXPECT_EQ(LEOAM_ERROR_INVALID_HANDLE, function(handle, &error)) << name;
      EXPECT_EQ(LEOAM_ERROR_INVALID_HANDLE, function(handle, nullptr)) << name;
    }
    EXPECT_EQ(LEOAM_OK, function(right, &error)) << name << ": " << error.message;
    EXPECT_EQ(LEOAM_OK, error.code) << name;
    EXPECT_EQ(0u, error.message_size) << name;
  }
}

TEST_F(Handles, WrongHandlesAreErrors) {
  Out out;
  auto info = zeroed<leoam_session_info>();
  expect_ok(leoam_session_get_info(loaded_->session, &info, &error_));
  ASSERT_LE(info.n_vocab, std::size(out.logits));
  try_handles(instance_functions(out, file_->path()), loaded_->instance, all_handles());
  try_handles(model_functions(out), loaded_->model, all_handles());
  try_handles(session_functions(out, info.n_vocab), loaded_->session, all_handles());
  try_handles(request_functions(out), request_, all_handles());
  try_handles({{"set", [](auto h, auto) { return leoam_cancel_flag_set(as<leoam_cancel_flag>(h)); }},
               {"clear", [](auto h, auto) { return leoam_cancel_flag_clear(as<leoam_cancel_flag>(h)); }}},
              flag_, all_handles());
}

TEST_F(Handles, ReleaseTakesNullAndRefusesTheRest) {
  EXPECT_EQ(LEOAM_OK, leoam_instance_release(nullptr));
  EXPECT_EQ(LEOAM_OK, leoam_cancel_flag_release(nullptr));
  EXPECT_EQ(LEOAM_OK, leoam_model_release(nullptr));
  EXPECT_EQ(LEOAM_OK, leoam_session_release(nullptr));
  EXPECT_EQ(LEOAM_OK, leoam_request_release(nullptr));
  EXPECT_EQ(LEOAM_ERROR_INVALID_HANDLE, leoam_instance_release(as<leoam_instance>(loaded_->model)));
  EXPECT_EQ(LEOAM_ERROR_INVALID_HANDLE, leoam_session_release(as<leoam_session>(request_)));
}

TEST_F(Handles, AStaleHandleStaysStale) {
  std::vector<leoam_cancel_flag*> old;
  for (int i = 0; i < 100; ++i) {
    leoam_cancel_flag* flag = nullptr;
    expect_ok(leoam_cancel_flag_create(loaded_->instance, &flag, &error_));
    for (leoam_cancel_flag* stale : old) EXPECT_EQ(LEOAM_ERROR_INVALID_HANDLE, leoam_cancel_flag_set(stale));
    EXPECT_EQ(LEOAM_OK, leoam_cancel_flag_release(flag));
    EXPECT_EQ(LEOAM_ERROR_INVALID_HANDLE, leoam_cancel_flag_release(flag));
    old.push_back(flag);
  }
}

TEST_F(Handles, ReleaseRacesWithCalls) {
  for (int round = 0; round < 50; ++round) {
    leoam_session* session = nullptr;
    expect_ok(leoam_session_create(loaded_->model, nullptr, &session, &error_));
    std::atomic<bool> stop{false};
    std::vector<std::thread> callers;
    for (int i = 0; i < 3; ++i) {
      callers.emplace_back([&] {
        while (!stop) {
          auto info = zeroed<leoam_session_info>();
          const leoam_status status = leoam_session_get_info(session, &info, nullptr);
          if (status == LEOAM_ERROR_INVALID_HANDLE) return;
          ASSERT_EQ(LEOAM_OK, status);
          leoam_session_evaluate(session, prompt_.data(), 1, nullptr, nullptr);
        }
      });
    }
    std::this_thread::yield();
    EXPECT_EQ(LEOAM_OK, leoam_session_release(session));
    stop = true;
    for (std::thread& caller : callers) caller.join();
  }
}

}  // namespace
}  // namespace leoam_test
