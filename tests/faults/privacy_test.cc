// A canary in a prompt: neither the files nor the log have it, and no key is in a core dump.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "runtime/engine/engine.h"
#include "tests/support/child_process.h"
#include "tests/support/memory_dump.h"
#include "tests/support/sanitized.h"
#include "tests/support/temp_file.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

namespace leoam::testing {
namespace {

constexpr std::string_view kCanary = "Zq7!canary-of-64-bytes:Wx0@Kv3#Lm9$Np5%Rt1^Gh8&Jb4*Df6(Cy2)Sa_=+";

std::string contents(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

// Files that are open and have no name: scratch.
std::string unnamed_files(const std::string& folder) {
  std::string all;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const std::string target = std::filesystem::read_symlink(entry.path(), gone).string();
    if (gone || !target.starts_with(folder) || target.find(" (deleted)") == std::string::npos) continue;
    all += contents(entry.path().string());
  }
  return all;
}

class PrivacyTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kBudget_bytes = 150 << 10;

  PrivacyTest() {
    TinyModelOptions model;
    model.tokenizer = TinyTokenizer::byte_level;
    model.n_layers = 3;
    model.context_tokens = 1024;
    model_file_.write(tiny_model(model).bytes());
  }

  void start(bool plaintext_scratch = false) {
    model_.reset();
    engine_.reset();
    EngineOptions options;
    options.n_threads = 1;
    options.state_folder = folder_.file("state");
    options.host_kv_budget_bytes = kBudget_bytes;
    options.disk_kv_budget_bytes = uint64_t{64} << 20;
    options.plaintext_scratch = plaintext_scratch;
    options.log = [](void* text, LogLevel, std::string_view line) {
      static_cast<std::string*>(text)->append(line).append("\n");
    };
    options.log_user_data = &log_;
    options.log_level = LogLevel::debug;
    engine_ = std::move(Engine::create(options)).value();
    model_ = std::move(engine_->load_model(model_file_.path(), {}, {}, nullptr)).value();
  }

  // A session whose prompt is mostly canary, with more KV than fits.
  std::shared_ptr<Session> talk() {
    std::string prompt = "This is what nobody else shall read:";
    while (prompt.size() < 600) prompt += kCanary;
    prompt_ = model_->tokenizer()->tokenize(prompt, {}).value();
    std::shared_ptr<Session> session = engine_->create_session(model_, {}).value();
    EXPECT_TRUE(session->evaluate(prompt_, {}).ok());
    generate(*session);
    return session;
  }

  static void generate(Session& session) {
    RequestOptions options;
    options.max_tokens = 8;
    options.ignore_end = true;
    const auto request = session.submit(options);
    ASSERT_TRUE(request.ok()) << request.status().message();
    Event event;
    while ((*request)->finish_reason() == FinishReason::none) (*request)->poll(&event);
    EXPECT_TRUE((*request)->status().ok()) << (*request)->status().message();
  }

  // How much of the conversation is in `bytes`: its text, its token ids, its KV.
  size_t n_found(const std::string& bytes) const {
    size_t n = 0;
    const auto look_for = [&](std::string_view needle) { n += bytes.find(needle) != std::string::npos; };
    look_for(kCanary.substr(0, 16));
    look_for(kCanary.substr(32, 16));
    for (const size_t at : {size_t{40}, size_t{300}, size_t{500}})
      look_for({reinterpret_cast<const char*>(&prompt_[at]), 6 * sizeof(int32_t)});
    for (const std::string& row : kv_) look_for(row);
    return n;
  }

  // Bytes of pages, from a session file that shows them.
  void learn_kv(const std::string& path) {
    DiskAccount account(UINT64_MAX);
    const auto file =
        SessionFile::open(engine_->files(), path, nullptr, nullptr, account, OpenMode::read_only).value();
    const std::string bytes = contents(path);
    for (const StreamIndex& layer : file->streams())
      for (const PageRecord& page : layer.pages)
        for (const uint64_t at : {uint64_t{0}, uint64_t{1000}, uint64_t{3000}})
          kv_.push_back(bytes.substr(page.offset_bytes + at, 48));
    ASSERT_GT(kv_.size(), 50u);
  }

  TempFile model_file_;
  TempFolder folder_;
  std::string log_;
  std::unique_ptr<Engine> engine_;
  std::shared_ptr<const Model> model_;
  std::vector<int32_t> prompt_;
  std::vector<std::string> kv_;
};

TEST_F(PrivacyTest, ASessionFileShowsNothing) {
  start();
  std::shared_ptr<Session> session = talk();
  const std::string plain = folder_.file("plain.session");
  ASSERT_TRUE(session->save(plain, nullptr, {}).ok());
  session.reset();
  learn_kv(plain);
  EXPECT_GT(n_found(contents(plain)), kv_.size() / 2);
  session = talk();
  const std::string sealed = folder_.file("sealed.session");
  const SecretKey key = SecretKey::random().value();
  ASSERT_TRUE(session->save(sealed, &key, {}).ok());
  generate(*session);
  ASSERT_TRUE(session->save({}, nullptr, {}).ok());
  EXPECT_EQ(0u, n_found(contents(sealed)));
  EXPECT_EQ(std::string::npos, contents(sealed).find(std::string_view("tiny")));
  std::filesystem::remove(plain);
  // Nor does anything else that is there.
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path()))
    if (entry.is_regular_file()) {
      EXPECT_EQ(0u, n_found(contents(entry.path()))) << entry.path();
    }
}

TEST_F(PrivacyTest, AScratchFileShowsNothing) {
  start(true);
  std::shared_ptr<Session> session = talk();
  const std::string plain = folder_.file("plain.session");
  ASSERT_TRUE(session->save(plain, nullptr, {}).ok());
  session.reset();
  learn_kv(plain);
  std::filesystem::remove(plain);
  session = talk();
  EXPECT_GT(n_found(unnamed_files(folder_.path())), 10u);
  session.reset();
  start();
  session = talk();
  const std::string scratch = unnamed_files(folder_.path());
  EXPECT_GT(scratch.size(), size_t{100000});
  EXPECT_EQ(0u, n_found(scratch));
}

TEST_F(PrivacyTest, TheLogSaysNothing) {
  start();
  const std::string path = folder_.file("a.session");
  {
    std::shared_ptr<Session> session = talk();
    ASSERT_TRUE(session->save(path, nullptr, {}).ok());
    EXPECT_FALSE(engine_->create_session(model_, {.context_tokens = 8}).value()->evaluate(prompt_, {}).ok());
  }
  learn_kv(path);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    DiskAccount account(UINT64_MAX);
    const auto opened =
        SessionFile::open(engine_->files(), path, nullptr, nullptr, account, OpenMode::read_only).value();
    file.seekp(static_cast<std::streamoff>(opened->streams()[0].pages[1].offset_bytes));
    file << "damage";
  }
  const SecretKey key = SecretKey::random().value();
  EXPECT_FALSE(engine_->open_session(model_, path, &key, {}).ok());
  const std::shared_ptr<Session> session = engine_->open_session(model_, path, nullptr, {}).value();
  ASSERT_TRUE(session->evaluate(std::span(prompt_).first(1), {}).ok());
  EXPECT_GT(engine_->statistics().pages_damaged, 0u);
  EXPECT_NE(std::string::npos, log_.find("damaged")) << log_;
  EXPECT_EQ(0u, n_found(log_)) << log_;
}

// A child at work with a key that only it has; `at_work` ends it.
class CoreDumpTest : public PrivacyTest {
 protected:
  // Returns the child's process id, and in `key` the bytes of its key.
  pid_t start_child(const std::function<void()>& at_work, Aes256Key* key) {
    int ends[2];
    EXPECT_EQ(0, pipe(ends));
    const pid_t child = fork();
    if (child == 0) {
      start();
      const std::string said(kCanary);  // the host's own copy
      const std::shared_ptr<Session> session = talk();
      const SecretKey own = SecretKey::random().value();
      if (!session->save(folder_.file("a.session"), &own, {}).ok()) _exit(1);
      generate(*session);
      (void)!write(ends[1], own.bytes().data(), own.bytes().size());
      at_work();
      _exit(said == kCanary ? 2 : 3);
    }
    close(ends[1]);
    EXPECT_EQ(static_cast<ssize_t>(key->size()), read(ends[0], key->data(), key->size()));
    close(ends[0]);
    return child;
  }

  static size_t count(const std::string& bytes, const Aes256Key& key) {
    return bytes.find({reinterpret_cast<const char*>(key.data()), key.size()}) != std::string::npos;
  }
};

TEST_F(CoreDumpTest, NoKeyIsInWhatADumpTakes) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer's memory cannot be read as a whole";
  // Copies of what is searched, keys among it, must not stay for the children of other tests.
  const std::string outcome = run_in_child([&] {
    Aes256Key key;
    const pid_t child = start_child([] { (void)raise(SIGSTOP); }, &key);
    int status = 0;
    ASSERT_EQ(child, waitpid(child, &status, WUNTRACED));
    ASSERT_TRUE(WIFSTOPPED(status)) << status;
    const std::string dumped = memory_dump(child, DumpPart::dumped);
    const std::string left_out = memory_dump(child, DumpPart::left_out);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, &status, 0);
    // The search finds what is there: the key, and those that ciphers work with.
    EXPECT_EQ(1u, count(left_out, key));
    const std::vector<Aes256Key> keys = expanded_keys(left_out);
    EXPECT_GE(keys.size(), 2u) << "of the session file and of the scratch file";
    EXPECT_NE(std::string::npos, dumped.find(kCanary)) << "what is said is in ordinary memory";
    EXPECT_EQ(0u, count(dumped, key));
    EXPECT_EQ(0u, expanded_keys(dumped).size());
    for (const Aes256Key& each : keys) EXPECT_EQ(0u, count(dumped, each));
  });
  EXPECT_EQ("", outcome);
}

TEST_F(CoreDumpTest, NoKeyIsInACoreFile) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer writes no core file";
  std::string pattern = contents("/proc/sys/kernel/core_pattern");
  if (pattern.starts_with("|") || pattern.starts_with("/"))
    GTEST_SKIP() << "core files go elsewhere: " << pattern;
  const TempFolder cores;
  Aes256Key key;
  const pid_t child = start_child(
      [&] {
        const rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
        if (chdir(cores.path().c_str()) == 0 && setrlimit(RLIMIT_CORE, &all) == 0) abort();
      },
      &key);
  int status = 0;
  ASSERT_EQ(child, waitpid(child, &status, 0));
  if (!WIFSIGNALED(status) || !WCOREDUMP(status)) GTEST_SKIP() << "the system writes no core file";
  const std::filesystem::path file = std::filesystem::directory_iterator(cores.path())->path();
  const std::string core = contents(file.string());
  EXPECT_NE(std::string::npos, core.find(kCanary)) << "what is said is in ordinary memory";
  EXPECT_EQ(0u, count(core, key));
  EXPECT_EQ(0u, expanded_keys(core).size());
}

}  // namespace
}  // namespace leoam::testing
