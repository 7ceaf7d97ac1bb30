// KV that leaves memory, through the C interface: budgets while requests run, forks, suspended and saved
// sessions, their files.
#include <sys/stat.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <thread>

#include "tests/c_api/fixture.h"

namespace leoam_test {
namespace {

using Key = std::array<uint8_t, LEOAM_KEY_BYTES>;

constexpr Key kKey = {1, 2, 3};
constexpr Key kOtherKey = {3, 2, 1};

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

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

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
  LEOAM_ASSERT_OK(leoam_session_suspend(other, nullptr, &error));
  EXPECT_LT(statistics().host_kv_bytes, both);
  EXPECT_EQ(logits(loaded_->session), logits(other));
  EXPECT_EQ(answer(loaded_->session, words(7)), answer(other, words(7)));
  leoam_session_release(other);
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

TEST_F(Store, ASavedSessionIsOpenedAndGoesOn) {
  for (const Key* key : {&kKey, static_cast<const Key*>(nullptr)}) {
    const std::string path = folder_.file(key ? "secret" : "plain");
    start();
    auto file = zeroed<leoam_session_file_info>();
    EXPECT_EQ(LEOAM_ERROR_NOT_FOUND, leoam_session_get_file_info(loaded_->session, &file, &error));
    evaluate(loaded_->session, words(300));
    LEOAM_ASSERT_OK(save(loaded_->session, path, key));
    EXPECT_TRUE(info(loaded_->session).flags & LEOAM_SESSION_HAS_FILE);
    struct stat status {};
    ASSERT_EQ(0, stat(path.c_str(), &status));
    EXPECT_EQ(0600u, status.st_mode & 07777);

    evaluate(loaded_->session, words(40));
    const uint64_t written = statistics().disk_written_bytes;
    LEOAM_ASSERT_OK(leoam_session_save(loaded_->session, nullptr, &error));
    EXPECT_LT(statistics().disk_written_bytes - written, written) << "a later save writes what is new";
    LEOAM_ASSERT_OK(leoam_session_get_file_info(loaded_->session, &file, &error));
    EXPECT_EQ(340u, file.n_tokens);
    EXPECT_EQ(340u, file.n_kv_tokens);
    EXPECT_EQ(key != nullptr, (file.flags & LEOAM_SESSION_FILE_ENCRYPTED) != 0);
    EXPECT_GT(file.model_name_size, 0u);
    EXPECT_EQ(file.model_name_size, std::strlen(file.model_name));
    const std::vector<float> last = logits(loaded_->session);
    const std::vector<int32_t> drawn = answer(loaded_->session, words(5));

    start();
    leoam_session* session = nullptr;
    LEOAM_ASSERT_OK(open(loaded_->model, path, key, &session));
    EXPECT_EQ(340u, info(session).n_tokens);
    EXPECT_EQ(last, logits(session));
    EXPECT_EQ(drawn, answer(session, words(5)));
    LEOAM_EXPECT_OK(leoam_session_save(session, nullptr, &error));
    auto later = zeroed<leoam_session_file_info>();
    LEOAM_EXPECT_OK(leoam_session_get_file_info(session, &later, &error));
    EXPECT_GT(later.generation, file.generation);
    leoam_session_release(session);
  }
}

TEST_F(Store, AKeyFunctionIsAskedOnce) {
  struct Asked {
    int n = 0;
    int32_t result = LEOAM_CONTINUE;
  } asked;
  const auto on_key = [](uint8_t* key, uint64_t size, void* user_data) -> int32_t {
    EXPECT_EQ(kKey.size(), size);
    std::copy(kKey.begin(), kKey.end(), key);
    ++static_cast<Asked*>(user_data)->n;
    return static_cast<Asked*>(user_data)->result;
  };
  const std::string path = folder_.file("asked");
  auto options = zeroed<leoam_save_options>();
  options.path = view(path);
  options.on_key = on_key;
  options.user_data = &asked;
  evaluate(loaded_->session, words(50));
  asked.result = LEOAM_STOP;
  EXPECT_EQ(LEOAM_ERROR_CANCELLED, leoam_session_save(loaded_->session, &options, &error));
  asked = {};
  LEOAM_ASSERT_OK(leoam_session_save(loaded_->session, &options, &error));
  LEOAM_ASSERT_OK(leoam_session_save(loaded_->session, &options, &error));
  EXPECT_EQ(1, asked.n);
  start();
  auto file = zeroed<leoam_session_file_options>();
  file.on_key = on_key;
  file.user_data = &asked;
  leoam_session* session = nullptr;
  LEOAM_ASSERT_OK(
      leoam_model_open_session(loaded_->model, path.data(), path.size(), nullptr, &file, &session, &error));
  EXPECT_EQ(2, asked.n);
  leoam_session_release(session);
}

TEST_F(Store, WrongSavesAreRefused) {
  constexpr leoam_status kBad = LEOAM_ERROR_INVALID_ARGUMENT;
  evaluate(loaded_->session, words(20));
  const std::string path = folder_.file("refused");
  const auto attempt = [&](auto change) {
    auto options = zeroed<leoam_save_options>();
    options.path = view(path);
    change(options);
    return leoam_session_save(loaded_->session, &options, &error);
  };
  EXPECT_EQ(kBad, leoam_session_save(loaded_->session, nullptr, &error)) << "no path yet";
  EXPECT_EQ(kBad, attempt([](auto&) {})) << "neither key nor flag";
  EXPECT_EQ(kBad, attempt([](auto& o) { o.flags = 2; }));
  EXPECT_EQ(kBad, attempt([](auto& o) { o.key = kKey.data(), o.key_size = 16; }));
  EXPECT_EQ(kBad, attempt([](auto& o) { o.key_size = LEOAM_KEY_BYTES; }));
  EXPECT_EQ(kBad, attempt([](auto& o) {
              o.key = kKey.data(), o.key_size = LEOAM_KEY_BYTES, o.flags = LEOAM_SAVE_PLAINTEXT;
            }));
  EXPECT_EQ(LEOAM_ERROR_INVALID_HANDLE, attempt([&](auto& o) {
              o.flags = LEOAM_SAVE_PLAINTEXT, o.cancel = reinterpret_cast<leoam_cancel_flag*>(loaded_->model);
            }));
  EXPECT_EQ(LEOAM_ERROR_VERSION, attempt([](auto& o) { o.reserved = 1; }));
  EXPECT_EQ(LEOAM_ERROR_NOT_FOUND, save(loaded_->session, folder_.file("no/folder"), nullptr));
  EXPECT_TRUE(contents(path).empty());
  EXPECT_FALSE(info(loaded_->session).flags & LEOAM_SESSION_HAS_FILE);

  LEOAM_ASSERT_OK(save(loaded_->session, path, nullptr));
  EXPECT_EQ(kBad, save(loaded_->session, folder_.file("another"), nullptr));
  EXPECT_EQ(kBad, save(loaded_->session, path, &kKey)) << "the file is plaintext";
  LEOAM_EXPECT_OK(save(loaded_->session, path, nullptr));
  leoam_session* other = nullptr;
  LEOAM_ASSERT_OK(leoam_session_create(loaded_->model, nullptr, &other, &error));
  evaluate(other, words(5));
  EXPECT_EQ(LEOAM_ERROR_BUSY, save(other, path, nullptr)) << "the file exists";
  leoam_session_release(other);
}

TEST_F(Store, OpeningTellsWhatIsWrong) {
  const std::string path = folder_.file("session");
  evaluate(loaded_->session, words(100));
  LEOAM_ASSERT_OK(save(loaded_->session, path, &kKey));
  const std::string before = contents(path);
  const auto second_instance = std::make_unique<Loaded>(file_->path());
  leoam_session* session = nullptr;
  const auto start_time = std::chrono::steady_clock::now();
  EXPECT_EQ(LEOAM_ERROR_BUSY, open(second_instance->model, path, &kKey, &session));
  EXPECT_EQ(nullptr, session);
  EXPECT_LT(ms_since(start_time), 5 * kCancelBoundMs);
  EXPECT_EQ(LEOAM_ERROR_BUSY,
            leoam_session_file_remove(second_instance->instance, path.data(), path.size(), &error));

  start();
  constexpr leoam_status kBad = LEOAM_ERROR_INVALID_ARGUMENT;
  EXPECT_EQ(kBad, open(loaded_->model, path, &kOtherKey, &session));
  EXPECT_EQ(kBad, open(loaded_->model, path, nullptr, &session));
  EXPECT_EQ(kBad, open(loaded_->model, "", &kKey, &session));
  EXPECT_EQ(LEOAM_ERROR_NOT_FOUND, open(loaded_->model, path + ".gone", &kKey, &session));
  const std::unique_ptr<ModelFile> other_model = slow_model();
  EXPECT_EQ(LEOAM_ERROR_UNSUPPORTED, open(Loaded(other_model->path()).model, path, &kKey, &session));
  const auto with_options = [&](auto change) {
    auto options = zeroed<leoam_session_options>();
    change(options);
    const leoam_session_file_options file = with(&kKey);
    return leoam_model_open_session(loaded_->model, path.data(), path.size(), &options, &file, &session,
                                    &error);
  };
  EXPECT_EQ(kBad, with_options([](auto& o) { o.context_tokens = 99; }));
  EXPECT_EQ(kBad, with_options([](auto& o) { o.page_tokens = 64; }));
  EXPECT_EQ(kBad, with_options([](auto& o) { o.kv_type = LEOAM_KV_F32; }));
  EXPECT_EQ(nullptr, session);
  EXPECT_EQ(before, contents(path)) << "refused, and touched";

  std::ofstream(folder_.file("words")) << "this is no session\n";
  ASSERT_EQ(0, chmod(folder_.file("words").c_str(), 0600));
  EXPECT_EQ(LEOAM_ERROR_CORRUPT, open(loaded_->model, folder_.file("words"), &kKey, &session));
  EXPECT_NE(0u, error.message_size);
  EXPECT_EQ(kBad, leoam_model_open_session(loaded_->model, path.data(), path.size(), nullptr, nullptr,
                                           nullptr, &error));
  LEOAM_ASSERT_OK(with_options([](auto& o) { o.kv_type = LEOAM_KV_F16, o.page_tokens = 32; }));
  leoam_session_release(session);
}

TEST_F(Store, FilesAreReadWithoutTheirModel) {
  const std::string path = folder_.file("session");
  const std::vector<int32_t> tokens = words(200);
  evaluate(loaded_->session, tokens);
  LEOAM_ASSERT_OK(save(loaded_->session, path, &kKey));
  start();
  const leoam_session_file_options options = with(&kKey);
  auto file = zeroed<leoam_session_file_info>();
  LEOAM_ASSERT_OK(
      leoam_session_file_get_info(loaded_->instance, path.data(), path.size(), &options, &file, &error));
  EXPECT_EQ(tokens.size(), file.n_tokens);
  EXPECT_EQ(contents(path).size(), file.file_bytes);
  EXPECT_EQ(32u, file.page_tokens);
  uint64_t count = 0;
  std::vector<int32_t> out(tokens.size());
  EXPECT_EQ(LEOAM_ERROR_NO_SPACE, leoam_session_file_copy_tokens(loaded_->instance, path.data(), path.size(),
                                                                 &options, out.data(), 10, &count, &error));
  EXPECT_EQ(tokens.size(), count);
  LEOAM_ASSERT_OK(leoam_session_file_copy_tokens(loaded_->instance, path.data(), path.size(), &options,
                                                 out.data(), out.size(), &count, &error));
  EXPECT_EQ(tokens, out);
  auto verdict = zeroed<leoam_session_verdict>();
  std::vector<std::string> findings;
  LEOAM_ASSERT_OK(verify(path, &kKey, &verdict, &findings));
  EXPECT_EQ(1u, verdict.whole);
  EXPECT_GT(verdict.n_pages, 0u);
  EXPECT_EQ(UINT64_MAX, verdict.first_bad_token);
  EXPECT_TRUE(findings.empty());
  EXPECT_EQ(LEOAM_ERROR_INVALID_ARGUMENT, verify(path, &kOtherKey, &verdict, &findings));
  LEOAM_EXPECT_OK(leoam_session_file_compact(loaded_->instance, path.data(), path.size(), &options, &error));
  LEOAM_ASSERT_OK(verify(path, &kKey, &verdict, &findings));
  EXPECT_EQ(1u, verdict.whole);
  leoam_session* session = nullptr;
  LEOAM_ASSERT_OK(open(loaded_->model, path, &kKey, &session));
  EXPECT_EQ(200u, info(session).n_tokens);
  leoam_session_release(session);
  LEOAM_EXPECT_OK(leoam_session_file_remove(loaded_->instance, path.data(), path.size(), &error));
  EXPECT_TRUE(contents(path).empty());
  EXPECT_EQ(LEOAM_ERROR_NOT_FOUND,
            leoam_session_file_remove(loaded_->instance, path.data(), path.size(), &error));
}

TEST_F(Store, DamageIsAVerdictAndTheSessionRepairsItself) {
  const std::string path = folder_.file("session");
  const std::vector<int32_t> tokens = words(400);
  evaluate(loaded_->session, tokens);
  LEOAM_ASSERT_OK(save(loaded_->session, path, nullptr));
  const std::vector<int32_t> drawn = answer(loaded_->session, words(5));
  start();
  const std::string whole = contents(path);
  const auto put = [&](size_t at, char byte) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(byte);
  };
  // One bit, tried until it lies in a page.
  auto verdict = zeroed<leoam_session_verdict>();
  std::vector<std::string> findings;
  for (size_t at = whole.size() / 8; verdict.n_bad_pages == 0 && at < whole.size(); at += 4096) {
    put(at, static_cast<char>(whole[at] ^ 4));
    findings.clear();
    LEOAM_ASSERT_OK(verify(path, nullptr, &verdict, &findings));
    if (verdict.n_bad_pages == 0) put(at, whole[at]);
  }
  ASSERT_GT(verdict.n_bad_pages, 0u);
  EXPECT_EQ(0u, verdict.whole);
  EXPECT_LT(verdict.first_bad_token, tokens.size());
  EXPECT_EQ(tokens.size() - verdict.first_bad_token, verdict.n_recompute_tokens);
  EXPECT_EQ(verdict.n_findings, findings.size());
  EXPECT_FALSE(findings.empty());
  leoam_session* session = nullptr;
  LEOAM_ASSERT_OK(open(loaded_->model, path, nullptr, &session));
  EXPECT_EQ(drawn, answer(session, words(5)));
  EXPECT_GT(statistics().recomputed_tokens, 0u);
  EXPECT_GT(statistics().n_pages_damaged, 0u);
  leoam_session_release(session);
}

TEST_F(Store, VerifyStopsWhenItIsAskedTo) {
  const std::string path = folder_.file("session");
  evaluate(loaded_->session, words(200));
  LEOAM_ASSERT_OK(save(loaded_->session, path, nullptr));
  start();
  auto options = zeroed<leoam_session_file_options>();
  options.on_progress = [](uint64_t done, uint64_t total, void*) -> int32_t {
    EXPECT_LE(done, total);
    return LEOAM_STOP;
  };
  auto verdict = zeroed<leoam_session_verdict>();
  EXPECT_EQ(LEOAM_ERROR_CANCELLED, leoam_session_file_verify(loaded_->instance, path.data(), path.size(),
                                                             &options, nullptr, &verdict, &error));
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
