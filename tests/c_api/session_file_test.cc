// Saved sessions and their files, through the C interface.
#include <sys/stat.h>

#include <cstring>

#include "tests/c_api/store_fixture.h"

namespace leoam_test {
namespace {

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
  LEOAM_ASSERT_OK(with_options([](auto& o) { o.kv_type = LEOAM_KV_AUTO; }));
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

}  // namespace
}  // namespace leoam_test
