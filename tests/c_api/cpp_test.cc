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
  leoam::Instance instance_{{.n_threads = 2}};
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

}  // namespace
}  // namespace leoam_test
