#include "tests/c_api/fixture.h"

#include <poll.h>

#include "tests/support/temp_file.h"
#include "tests/support/tiny_model.h"

namespace leoam_test {
namespace {

class TempModel : public ModelFile {
 public:
  explicit TempModel(const leoam::testing::TinyModelOptions& options)
      : file_(leoam::testing::tiny_model(options).bytes()) {}
  const std::string& path() const override { return file_.path(); }

 private:
  leoam::testing::TempFile file_;
};

int32_t collect(const leoam_event* event, void* user_data) {
  static_cast<Answer*>(user_data)->add(*event);
  return LEOAM_CONTINUE;
}

}  // namespace

std::unique_ptr<ModelFile> small_model() {
  leoam::testing::TinyModelOptions options;
  options.tokenizer = leoam::testing::TinyTokenizer::byte_level;
  options.chat_template = true;
  return std::make_unique<TempModel>(options);
}

std::unique_ptr<ModelFile> roomy_model() {
  leoam::testing::TinyModelOptions options;
  options.tokenizer = leoam::testing::TinyTokenizer::byte_level;
  options.n_layers = 4;
  options.n_heads = 4;
  options.n_kv_heads = 4;
  options.head_dim = 32;
  options.context_tokens = 4096;
  return std::make_unique<TempModel>(options);
}

std::unique_ptr<ModelFile> slow_model() {
  leoam::testing::TinyModelOptions options;
  options.matrix_type = leoam::kernels::WeightType::f16;
  options.n_layers = 4;
  options.n_heads = 8;
  options.n_kv_heads = 4;
  options.head_dim = 64;
  options.n_ff = 2048;
  options.context_tokens = 8192;
  return std::make_unique<TempModel>(options);
}

Loaded::Loaded(const std::string& path, leoam_instance_options options) {
  auto error = zeroed<leoam_error>();
  if (options.n_threads == 0) options.n_threads = 2;
  if (options.state_folder.size == 0) options.state_folder = view(state_.path());
  LEOAM_EXPECT_OK(leoam_instance_create(&options, &instance, &error));
  LEOAM_EXPECT_OK(leoam_model_load(instance, path.data(), path.size(), nullptr, &model, &error));
  LEOAM_EXPECT_OK(leoam_session_create(model, nullptr, &session, &error));
}

Loaded::~Loaded() {
  EXPECT_EQ(LEOAM_OK, leoam_session_release(session));
  EXPECT_EQ(LEOAM_OK, leoam_model_release(model));
  EXPECT_EQ(LEOAM_OK, leoam_instance_release(instance));
}

std::vector<int32_t> Loaded::tokens(std::string_view text) const {
  auto error = zeroed<leoam_error>();
  std::vector<int32_t> out(text.size() + 16);
  uint64_t count = 0;
  LEOAM_EXPECT_OK(
      leoam_model_tokenize(model, text.data(), text.size(), 0, out.data(), out.size(), &count, &error));
  out.resize(count);
  return out;
}

void Answer::add(const leoam_event& event) {
  if (event.kind == LEOAM_EVENT_TOKEN) tokens.push_back(event.token);
  if (event.kind == LEOAM_EVENT_FINISHED) reason = event.finish_reason;
  if (event.text.size != 0) pieces.push_back(text_of(event.text));
  text += text_of(event.text);
}

leoam_event next_event(leoam_request* request) {
  auto error = zeroed<leoam_error>();
  auto event = zeroed<leoam_event>();
  pollfd waiting{-1, POLLIN, 0};
  LEOAM_EXPECT_OK(leoam_request_get_event_fd(request, &waiting.fd, &error));
  EXPECT_EQ(1, poll(&waiting, 1, 30'000)) << "no event within 30 s";
  LEOAM_EXPECT_OK(leoam_request_poll(request, &event, &error));
  return event;
}

Answer run(leoam_session* session, leoam_request_options options) {
  auto error = zeroed<leoam_error>();
  Answer answer;
  if (options.delivery == LEOAM_DELIVERY_CALLBACK && !options.on_event) {
    options.on_event = collect;
    options.user_data = &answer;
  }
  leoam_request* request = nullptr;
  LEOAM_EXPECT_OK(leoam_session_submit(session, &options, &request, &error));
  if (!request) return answer;
  if (options.delivery == LEOAM_DELIVERY_CALLBACK) {
    LEOAM_EXPECT_OK(leoam_request_wait(request, UINT64_MAX, &error));
  }
  while (options.delivery == LEOAM_DELIVERY_POLL && answer.reason == LEOAM_FINISH_NONE) {
    const leoam_event event = next_event(request);
    if (event.kind == LEOAM_EVENT_NONE) break;
    answer.add(event);
  }
  while (options.delivery == LEOAM_DELIVERY_STEP && answer.reason == LEOAM_FINISH_NONE) {
    int32_t finished = 0;
    const leoam_status status = leoam_request_step(request, 500, &finished, &error);
    LEOAM_EXPECT_OK(status);
    if (status != LEOAM_OK) break;
    for (auto event = zeroed<leoam_event>();;) {
      LEOAM_EXPECT_OK(leoam_request_poll(request, &event, &error));
      if (event.kind == LEOAM_EVENT_NONE) break;
      answer.add(event);
    }
  }
  EXPECT_EQ(LEOAM_OK, leoam_request_release(request));
  return answer;
}

}  // namespace leoam_test
