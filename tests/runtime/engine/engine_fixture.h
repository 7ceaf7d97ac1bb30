// An engine with a tiny random model, for tests of sessions and requests.
#pragma once

#include <gtest/gtest.h>

#include "runtime/engine/engine.h"
#include "tests/support/temp_file.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

namespace leoam::testing {

class EngineTest : public ::testing::Test {
 protected:
  static TinyModelOptions with_tokenizer() {
    TinyModelOptions options;
    options.tokenizer = TinyTokenizer::byte_level;
    return options;
  }

  static TinyModelOptions long_model(uint32_t n_layers, const std::string& architecture = "llama") {
    TinyModelOptions options;
    options.architecture = architecture;
    options.n_layers = n_layers;
    options.context_tokens = 4096;
    return options;
  }

  void start(const TinyModelOptions& model = with_tokenizer(), EngineOptions options = {}) {
    if (options.n_threads == 0) options.n_threads = 2;
    if (options.state_folder.empty()) options.state_folder = state_.path();
    model_.reset();
    file_ = std::make_unique<TempFile>(tiny_model(model).bytes());
    Result<std::unique_ptr<Engine>> engine = Engine::create(options);
    ASSERT_TRUE(engine.ok()) << engine.status().message();
    engine_ = std::move(engine).value();
    auto loaded = engine_->load_model(file_->path(), {}, {}, nullptr);
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    model_ = std::move(loaded).value();
  }

  std::shared_ptr<Session> session(const SessionOptions& options = {}) {
    auto created = engine_->create_session(model_, options);
    EXPECT_TRUE(created.ok()) << created.status().message();
    return std::move(created).value();
  }

  static std::vector<int32_t> tokens(size_t n, uint32_t seed = 1) {
    std::vector<int32_t> out(n);
    for (int32_t& token : out)
      token = static_cast<int32_t>((seed = seed * 1664525u + 1013904223u) >> 8) % 256;
    return out;
  }

  static std::vector<float> logits(Session& session) {
    std::vector<float> out(session.model().config().n_vocab);
    const Status status = session.copy_logits(out);
    EXPECT_TRUE(status.ok()) << status.message();
    return out;
  }

  using Logits = std::vector<std::vector<float>>;

  // Logits of each of the first n tokens of a text, computed in pieces.
  static Logits read(Session& session, size_t n) {
    Logits out;
    EvaluateOptions all;
    all.all_logits = true;
    all.on_logits = [&](uint64_t, std::span<const float> logits) {
      out.emplace_back(logits.begin(), logits.end());
      return true;
    };
    const Status status = session.evaluate(tokens(n), all);
    EXPECT_TRUE(status.ok()) << status.message();
    return out;
  }

  // Logits after each of tokens [begin, end) of one text, one by one.
  static Logits go_on(Session& session, size_t begin, size_t end) {
    const std::vector<int32_t> all = tokens(end);
    Logits out;
    for (size_t i = begin; i < end; ++i) {
      const Status status = session.evaluate(std::span(all).subspan(i, 1), {});
      EXPECT_TRUE(status.ok()) << i << ": " << status.message();
      if (!status.ok()) break;
      out.push_back(logits(session));
    }
    return out;
  }

  static double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
    double largest = 0;
    for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(double{a[i]} - double{b[i]}));
    return largest;
  }

  TempFolder state_;
  std::unique_ptr<TempFile> file_;
  std::unique_ptr<Engine> engine_;
  std::shared_ptr<const Model> model_;
};

}  // namespace leoam::testing
