// Session: a sequence of tokens with its KV cache. Part of leoam.hpp.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "leoam/request.hpp"
#include "leoam/session_file.hpp"

namespace leoam {
inline namespace v1 {

struct SessionOptions {
  std::string policy{};  // "exact" (empty means it), "leoam", "quest", "window", "h2o"
  KvType kv_type = KvType::f16;
  uint32_t page_tokens = 0;     // 0: 32
  uint32_t context_tokens = 0;  // 0: the model's
  uint32_t piece_tokens = 0;    // 0: the library's choice, as leoam_session_options says
  uint32_t budget_tokens = 0;   // that a policy attends to in a layer; 0: by importance
  double importance = 0;        // the same as a share of the context; 0: 0.1
  uint32_t n_channels = 0;      // these four as leoam_session_options says
  double breadth = 0;
  double page_spread = 0;
  double coverage_floor = 0;
  double most_kv_divergence = 0;  // of KvType::automatic; 0: the library's, as leoam_session_options says
  uint64_t sparse_prefill_tokens = 0;  // likewise; 0: prompts attend to everything
};

struct EvaluateOptions {
  bool all_logits = false;  // on_logits for every position, not only the last
  bool audit = false;       // LEOAM_EVALUATE_AUDIT: slow
  std::function<bool(uint64_t position, std::span<const float> logits)> on_logits{};  // false stops
  Progress on_progress{};                                                             // tokens
  std::optional<CancelFlag> cancel{};
};

struct SuspendOptions {
  Progress on_progress{};  // bytes of KV
  std::optional<CancelFlag> cancel{};
};

class Session {
 public:
  explicit Session(const Model& model, const SessionOptions& options = {})
      : state_(std::make_shared<State>(model)) {
    const leoam_session_options c = convert(options);
    detail::call(leoam_session_create, model.get(), &c, state_->handle.out());
  }

  // A saved session. kv_type, page_tokens and piece_tokens are those of the file.
  static Session open(const Model& model, std::string_view path, const FileOptions& file = {},
                      const SessionOptions& options = {}) {
    Session session{std::make_shared<State>(model)};
    leoam_session_options c = convert(options);
    c.kv_type = LEOAM_KV_DEFAULT;
    detail::CFileOptions c_file(file);
    auto error = detail::make<leoam_error>();
    const leoam_status code = leoam_model_open_session(model.get(), path.data(), path.size(), &c,
                                                       c_file.get(), session.state_->handle.out(), &error);
    c_file.rethrow();
    detail::check(code, error);
    return session;
  }

  leoam_session* get() const { return state_->handle.get(); }
  const Model& model() const { return state_->model; }

  leoam_session_info info() const {
    auto info = detail::make<leoam_session_info>();
    detail::call(leoam_session_get_info, get(), &info);
    return info;
  }
  uint64_t n_tokens() const { return info().n_tokens; }

  // Appends tokens and computes their KV, in pieces. When the KV budget is out, or it is stopped, the whole
  // pieces before stay: n_tokens() says how many tokens.
  void evaluate(std::span<const int32_t> tokens, const EvaluateOptions& options = {}) {
    Evaluation evaluation{options, nullptr};
    auto c = detail::make<leoam_evaluate_options>();
    c.flags =
        (options.all_logits ? LEOAM_EVALUATE_ALL_LOGITS : 0) | (options.audit ? LEOAM_EVALUATE_AUDIT : 0);
    if (options.on_logits) c.on_logits = Evaluation::on_logits;
    if (options.on_progress) c.on_progress = Evaluation::on_progress;
    c.user_data = &evaluation;
    if (options.cancel) c.cancel = options.cancel->get();
    auto error = detail::make<leoam_error>();
    const leoam_status code = leoam_session_evaluate(get(), tokens.data(), tokens.size(), &c, &error);
    if (evaluation.thrown) std::rethrow_exception(evaluation.thrown);
    detail::check(code, error);
  }

  void truncate(uint64_t n_tokens) { detail::call(leoam_session_truncate, get(), n_tokens); }

  std::vector<int32_t> tokens(uint64_t begin, uint64_t count) const {
    std::vector<int32_t> out(static_cast<size_t>(count));
    detail::call(leoam_session_copy_tokens, get(), begin, out.data(), count);
    return out;
  }
  std::vector<int32_t> tokens() const { return tokens(0, n_tokens()); }

  // Of the newest token.
  std::vector<float> logits() const {
    std::vector<float> out(info().n_vocab);
    detail::call(leoam_session_copy_logits, get(), out.data(), static_cast<uint64_t>(out.size()));
    return out;
  }

  // Of the newest step, [n_layers][n_heads]: certain share of a head's attention in what it attended to.
  std::vector<float> coverage() const {
    const leoam_model_info info = state_->model.info();
    std::vector<float> out(size_t{info.n_layers} * info.n_heads);
    detail::call(leoam_session_copy_coverage, get(), out.data(), static_cast<uint64_t>(out.size()));
    return out;
  }

  // Of the newest step, [n_layers][n_heads].
  std::vector<leoam_head_attention> attention() const {
    const leoam_model_info info = state_->model.info();
    std::vector<leoam_head_attention> out(size_t{info.n_layers} * info.n_heads,
                                          detail::make<leoam_head_attention>());
    detail::call(leoam_session_copy_attention, get(), out.data(), static_cast<uint64_t>(out.size()));
    return out;
  }
  // Of the newest step, [n_layers].
  std::vector<leoam_layer_times> layer_times() const {
    std::vector<leoam_layer_times> out(state_->model.info().n_layers, detail::make<leoam_layer_times>());
    detail::call(leoam_session_copy_layer_times, get(), out.data(), static_cast<uint64_t>(out.size()));
    return out;
  }

  // Why old pages become what they do with KvType::automatic.
  leoam_kv_choice kv_choice() const {
    auto choice = detail::make<leoam_kv_choice>();
    detail::call(leoam_session_get_kv_choice, get(), &choice);
    return choice;
  }

  // The same tokens, KV and logits; KV is shared until one of the two changes it.
  Session fork() const {
    Session copy{std::make_shared<State>(state_->model)};
    detail::call(leoam_session_fork, get(), copy.state_->handle.out());
    return copy;
  }

  // All KV leaves memory; the next use brings back what it needs.
  void suspend(const SuspendOptions& options = {}) {
    struct Call {
      const SuspendOptions& options;
      std::exception_ptr thrown;
      static int32_t on_progress(uint64_t done, uint64_t total, void* user_data) {
        auto* self = static_cast<Call*>(user_data);
        return detail::run(self->thrown, [&] { return self->options.on_progress(done, total); });
      }
    } call{options, nullptr};
    auto c = detail::make<leoam_suspend_options>();
    if (options.on_progress) c.on_progress = Call::on_progress;
    c.user_data = &call;
    if (options.cancel) c.cancel = options.cancel->get();
    auto error = detail::make<leoam_error>();
    const leoam_status code = leoam_session_suspend(get(), &c, &error);
    if (call.thrown) std::rethrow_exception(call.thrown);
    detail::check(code, error);
  }

  // Makes the session durable: the first time in a new file, later in the same one, where only what is new is
  // written.
  void save(const SaveOptions& options = {}) {
    auto c = detail::make<leoam_save_options>();
    c.flags = options.plaintext ? LEOAM_SAVE_PLAINTEXT : 0;
    c.path = detail::view(options.path);
    detail::CKeyAndProgress key(options, c);
    if (options.cancel) c.cancel = options.cancel->get();
    auto error = detail::make<leoam_error>();
    const leoam_status code = leoam_session_save(get(), &c, &error);
    key.rethrow();
    detail::check(code, error);
  }

  // Of the file that the session has, as of the last save; empty without one.
  std::optional<leoam_session_file_info> file_info() const {
    auto info = detail::make<leoam_session_file_info>();
    auto error = detail::make<leoam_error>();
    const leoam_status code = leoam_session_get_file_info(get(), &info, &error);
    if (code == LEOAM_ERROR_NOT_FOUND) return std::nullopt;
    detail::check(code, error);
    return info;
  }

  // Starts a generation.
  Request submit(RequestOptions options) {
    auto sampler = detail::make<leoam_sampler_options>();
    sampler.temperature = options.sampler.temperature;
    sampler.top_k = options.sampler.top_k;
    sampler.top_p = options.sampler.top_p;
    sampler.min_p = options.sampler.min_p;
    sampler.repetition_penalty = options.sampler.repetition_penalty;
    sampler.repetition_window_tokens = options.sampler.repetition_window_tokens;
    sampler.seed = options.sampler.seed;
    std::vector<leoam_string> stop;
    for (const std::string& text : options.stop) stop.push_back(detail::view(text));

    Request request;
    request.state_->session = state_;
    request.state_->delivery = options.delivery;
    Request::Callbacks& callbacks = *request.state_->callbacks;
    callbacks.on_event = std::move(options.on_event);
    callbacks.on_logits = std::move(options.on_logits);

    auto c = detail::make<leoam_request_options>();
    c.delivery = static_cast<leoam_delivery>(options.delivery);
    c.flags = (options.ignore_end ? LEOAM_REQUEST_IGNORE_END : 0) |
              (options.show_special ? LEOAM_REQUEST_SHOW_SPECIAL : 0) |
              (options.prefill_only ? LEOAM_REQUEST_PREFILL_ONLY : 0);
    c.prompt = options.prompt.data();
    c.n_prompt = options.prompt.size();
    c.sampler = &sampler;
    c.stop = stop.data();
    c.n_stop = stop.size();
    c.max_tokens = options.prefill_only ? 0 : options.max_tokens;
    if (callbacks.on_event) c.on_event = Request::on_event;
    if (callbacks.on_logits) c.on_logits = Request::on_logits;
    c.user_data = &callbacks;
    detail::call(leoam_session_submit, get(), &c, request.state_->handle.out());
    return request;
  }

 private:
  struct State {
    explicit State(Model owner) : model(std::move(owner)) {}
    Model model;
    detail::Handle<leoam_session, leoam_session_release> handle;
  };
  explicit Session(std::shared_ptr<State> state) : state_(std::move(state)) {}

  static leoam_session_options convert(const SessionOptions& options) {
    auto c = detail::make<leoam_session_options>();
    c.kv_type = static_cast<leoam_kv_type>(options.kv_type);
    c.policy = detail::view(options.policy);
    c.budget_tokens = options.budget_tokens;
    c.importance = options.importance;
    c.n_channels = options.n_channels;
    c.breadth = options.breadth;
    c.page_spread = options.page_spread;
    c.coverage_floor = options.coverage_floor;
    c.most_kv_divergence = options.most_kv_divergence;
    c.sparse_prefill_tokens = options.sparse_prefill_tokens;
    c.page_tokens = options.page_tokens;
    c.context_tokens = options.context_tokens;
    c.piece_tokens = options.piece_tokens;
    return c;
  }

  struct Evaluation {
    const EvaluateOptions& options;
    std::exception_ptr thrown;
    static int32_t on_logits(uint64_t position, const float* logits, uint64_t n_vocab, void* user_data) {
      auto* self = static_cast<Evaluation*>(user_data);
      return detail::run(self->thrown, [&] {
        return self->options.on_logits(position, {logits, static_cast<size_t>(n_vocab)});
      });
    }
    static int32_t on_progress(uint64_t done, uint64_t total, void* user_data) {
      auto* self = static_cast<Evaluation*>(user_data);
      return detail::run(self->thrown, [&] { return self->options.on_progress(done, total); });
    }
  };

  std::shared_ptr<State> state_;
};

}  // namespace v1
}  // namespace leoam
