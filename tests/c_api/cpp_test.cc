// leoam.hpp: the same library, with C++ lifetimes, exceptions and ranges.
#include "leoam/leoam.hpp"
#include "tests/c_api/fixture.h"

namespace leoam_test {
namespace {

class Cpp : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { file_ = small_model(); }
  static void TearDownTestSuite() { file_.reset(); }

  inline static std::unique_ptr<ModelFile> file_;
  leoam::testing::TempFolder folder_;
  leoam::Instance instance_{{.n_threads = 2, .state_folder = folder_.path()}};
};

TEST_F(Cpp, ReadsAModelAndItsText) {
  const leoam::Model model(instance_, file_->path());
  EXPECT_EQ("llama", leoam::detail::view(model.info().architecture));
  EXPECT_EQ(model.info().n_metadata, model.metadata().size());
  const std::string text = "words and \xf0\x9f\x98\x80 more";
  EXPECT_EQ(text, model.detokenize(model.tokenize(text)));
  EXPECT_FALSE(model.find_token("no token is spelt like this"));
  const std::vector<leoam::ChatMessage> chat = {{"user", "hello"}};
  EXPECT_EQ("user: hello\nassistant: ", model.render_chat(chat));
  EXPECT_EQ(model.tokenize("user: hello\nassistant: "), model.tokenize_chat(chat));
  const auto plan = leoam::plan(instance_, file_->path(), {.context_tokens = 100});
  EXPECT_EQ(100u, plan.context_tokens);
  EXPECT_EQ(1u, plan.fits);
  EXPECT_FALSE(instance_.describe().empty());
}

TEST_F(Cpp, ThrowsWithCodeAndBytes) {
  try {
    const leoam::Model model(instance_, "/nowhere/at.all");
    FAIL();
  } catch (const leoam::Error& error) {
    EXPECT_EQ(LEOAM_ERROR_NOT_FOUND, error.code());
    EXPECT_STREQ("not_found", error.name());
    EXPECT_NE(std::string::npos, std::string(error.what()).find("/nowhere/at.all"));
  }
  const leoam::Model model(instance_, file_->path());
  leoam::Session session(model);
  instance_.set_host_kv_budget(1);
  try {
    session.evaluate(std::vector<int32_t>{70});
    FAIL();
  } catch (const leoam::Error& error) {
    EXPECT_EQ(LEOAM_ERROR_NO_SPACE, error.code());
    EXPECT_GT(error.needed_bytes(), error.available_bytes());
  }
}

TEST_F(Cpp, IteratesOverEventsInBothPullingModes) {
  const leoam::Model model(instance_, file_->path());
  const std::vector<int32_t> prompt = model.tokenize("a prompt");
  std::vector<int32_t> tokens[2];
  for (const leoam::Delivery delivery : {leoam::Delivery::poll, leoam::Delivery::step}) {
    leoam::Session session(model);
    leoam::Request request =
        session.submit({.prompt = prompt, .max_tokens = 30, .ignore_end = true, .delivery = delivery});
    auto& seen = tokens[delivery == leoam::Delivery::step];
    for (const leoam::Event& event : request) {
      if (event.kind == leoam::EventKind::token) seen.push_back(event.token);
    }
    EXPECT_EQ(leoam::FinishReason::length, request.finish_reason());
    EXPECT_EQ(30u, request.statistics().generated_tokens);
  }
  EXPECT_EQ(30u, tokens[0].size());
  EXPECT_EQ(tokens[0], tokens[1]);
}

TEST_F(Cpp, ExceptionsOfCallbacksReachTheCaller) {
  struct Mine {};
  leoam::LoadOptions load;
  load.on_progress = [](uint64_t, uint64_t) -> bool { throw Mine(); };
  EXPECT_THROW(leoam::Model(instance_, file_->path(), load), Mine);

  const leoam::Model model(instance_, file_->path());
  leoam::Session session(model);
  const std::vector<int32_t> prompt = model.tokenize("a prompt");
  leoam::EvaluateOptions evaluate;
  evaluate.on_logits = [](uint64_t, std::span<const float>) -> bool { throw Mine(); };
  EXPECT_THROW(session.evaluate(prompt, evaluate), Mine);

  session.evaluate(prompt);
  const auto on_progress = [](uint64_t, uint64_t) -> bool { throw Mine(); };
  EXPECT_THROW(session.suspend({.on_progress = on_progress}), Mine);
  EXPECT_THROW(session.save({.path = folder_.file("thrown"), .plaintext = true, .on_progress = on_progress}),
               Mine);
  EXPECT_FALSE(session.file_info());

  leoam::RequestOptions options;
  options.prompt = prompt;
  options.delivery = leoam::Delivery::callback;
  options.on_event = [](const leoam::Event&) -> bool { throw Mine(); };
  leoam::Request request = session.submit(options);
  EXPECT_TRUE(request.wait());
  EXPECT_THROW(request.finish_reason(), Mine);
}

TEST_F(Cpp, ARequestMayBeDestroyedInItsOwnCallback) {
  const leoam::Model model(instance_, file_->path());
  leoam::Session session(model);
  const std::vector<int32_t> prompt = model.tokenize("a prompt");
  std::optional<leoam::Request> request;
  Gate submitted, destroyed;
  leoam::RequestOptions options;
  options.prompt = prompt;
  options.delivery = leoam::Delivery::callback;
  options.on_event = [&](const leoam::Event&) {
    submitted.wait();
    request.reset();
    destroyed.open();
    return true;
  };
  request = session.submit(options);
  submitted.open();
  destroyed.wait();
}

TEST_F(Cpp, EvaluatesWithLogitsOfEveryPosition) {
  const leoam::Model model(instance_, file_->path());
  leoam::Session session(model);
  const std::vector<int32_t> tokens = model.tokenize("one two three");
  std::vector<uint64_t> positions;
  std::vector<float> last;
  leoam::EvaluateOptions options;
  options.all_logits = true;
  options.on_logits = [&](uint64_t position, std::span<const float> logits) {
    positions.push_back(position);
    last.assign(logits.begin(), logits.end());
    return true;
  };
  session.evaluate(tokens, options);
  ASSERT_EQ(tokens.size(), positions.size());
  for (size_t i = 0; i < positions.size(); ++i) EXPECT_EQ(i, positions[i]);
  EXPECT_EQ(last, session.logits());
  EXPECT_EQ(tokens, session.tokens());
  EXPECT_EQ(tokens.size(), session.n_tokens());
}

TEST_F(Cpp, SessionsForkSuspendSaveAndOpen) {
  const leoam::Model model(instance_, file_->path());
  const std::vector<uint8_t> key(LEOAM_KEY_BYTES, 7);
  const std::string path = folder_.file("session");
  std::vector<float> logits;
  {
    leoam::Session session(model);
    EXPECT_FALSE(session.file_info());
    session.evaluate(model.tokenize("words that are kept"));
    leoam::Session fork = session.fork();
    fork.suspend();
    logits = fork.logits();
    EXPECT_EQ(session.logits(), logits);
    fork.save({.path = path, .key = {.bytes = key}});
    fork.save();
    EXPECT_EQ(2u, fork.file_info()->generation);
    EXPECT_FALSE(session.file_info());
  }
  int n_asked = 0;
  leoam::FileOptions options;
  options.key.ask = [&](std::span<uint8_t> out) {
    std::copy(key.begin(), key.end(), out.begin());
    return ++n_asked > 0;
  };
  {
    const leoam::Session session = leoam::Session::open(model, path, options);
    EXPECT_EQ(1, n_asked);
    EXPECT_EQ(logits, session.logits());
    EXPECT_EQ(model.tokenize("words that are kept"), session.tokens());
  }
  leoam::SessionFile file(instance_, path, options);
  EXPECT_EQ(file.tokens(), model.tokenize("words that are kept"));
  EXPECT_EQ(file.tokens().size(), file.info().n_tokens);
  EXPECT_EQ(1u, file.verify().counts.whole);
  file.compact();
  EXPECT_TRUE(file.verify().findings.empty());
  file.remove();
  EXPECT_THROW(file.info(), leoam::Error);
}

TEST_F(Cpp, ExceptionsOfStoreCallbacksReachTheCaller) {
  struct Mine {};
  const leoam::Model model(instance_, file_->path());
  leoam::Session session(model);
  session.evaluate(model.tokenize("some words"));
  leoam::SaveOptions save;
  save.path = folder_.file("session");
  save.key.ask = [](std::span<uint8_t>) -> bool { throw Mine(); };
  EXPECT_THROW(session.save(save), Mine);
  save.key = {};
  save.plaintext = true;
  session.save(save);
  leoam::FileOptions options;
  options.on_progress = [](uint64_t, uint64_t) -> bool { throw Mine(); };
  const std::string copy = folder_.file("copy");
  {
    leoam::Session other(model);
    other.evaluate(model.tokenize("other words"));
    other.save({.path = copy, .plaintext = true});
  }
  EXPECT_THROW(leoam::SessionFile(instance_, copy, options).verify(), Mine);
  try {
    leoam::Session::open(model, save.path);
    FAIL() << "a second owner";
  } catch (const leoam::Error& error) {
    EXPECT_EQ(LEOAM_ERROR_BUSY, error.code());
  }
  const leoam::CancelFlag cancel(instance_);
  instance_.set_host_kv_budget(
      1u << 28, [](uint64_t, uint64_t) { return true; }, &cancel);
  instance_.set_disk_kv_budget(1u << 28);
  instance_.set_disk_write_cap(UINT64_MAX);
}

}  // namespace
}  // namespace leoam_test
