// leoam.hpp: C++20 over leoam.h. Header-only; compiled into the program that includes it, so no C++ type
// crosses the binary boundary. Failures are thrown as leoam::Error. Handles are released by their owners;
// copies of an object share it. Callbacks may throw: the work stops and the exception leaves the call that
// waits for it.
//
// Thread rules are those of leoam.h.
#pragma once

#include <poll.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "leoam/leoam.h"

namespace leoam {
inline namespace v1 {

// A failed call: what() is the library's message.
class Error : public std::runtime_error {
 public:
  Error(leoam_status code, const leoam_error& detail)
      : std::runtime_error(detail.message_size > 0 ? std::string(detail.message, detail.message_size)
                                                   : std::string(leoam_error_name(code))),
        code_(code),
        needed_bytes_(detail.needed_bytes),
        available_bytes_(detail.available_bytes) {}

  leoam_status code() const noexcept { return code_; }
  const char* name() const noexcept { return leoam_error_name(code_); }
  // Of LEOAM_ERROR_NO_SPACE, else 0.
  uint64_t needed_bytes() const noexcept { return needed_bytes_; }
  uint64_t available_bytes() const noexcept { return available_bytes_; }

 private:
  leoam_status code_;
  uint64_t needed_bytes_;
  uint64_t available_bytes_;
};

namespace detail {

template <class T>
T make() {
  T value;
  LEOAM_INIT(value);
  return value;
}

inline void check(leoam_status code, const leoam_error& error) {
  if (code != LEOAM_OK) throw Error(code, error);
}

// call(function, arguments...): the function with a leoam_error behind the arguments; throws on failure.
template <class Function, class... Args>
void call(Function function, Args... args) {
  leoam_error error = make<leoam_error>();
  check(function(args..., &error), error);
}

inline leoam_string view(std::string_view text) {
  return {text.data(), text.size()};
}
inline std::string_view view(const leoam_string& text) {
  return {text.data, static_cast<size_t>(text.size)};
}

// Fills a container through fill(data, capacity, &count, &error), growing it when the first guess was too
// small.
template <class Container, class Fill>
Container collect(size_t guess, Fill fill) {
  Container out;
  out.resize(guess);
  for (;;) {
    leoam_error error = make<leoam_error>();
    uint64_t count = 0;
    const leoam_status code = fill(out.data(), static_cast<uint64_t>(out.size()), &count, &error);
    const bool retry = code == LEOAM_ERROR_NO_SPACE && count > out.size();
    if (!retry) check(code, error);
    out.resize(static_cast<size_t>(count));
    if (!retry) return out;
  }
}

// Runs a user's function inside a callback of the library: nothing is thrown through C.
template <class Function>
int32_t run(std::exception_ptr& thrown, Function function) noexcept {
  try {
    return function() ? LEOAM_CONTINUE : LEOAM_STOP;
  } catch (...) {
    thrown = std::current_exception();
    return LEOAM_STOP;
  }
}

// Owns one handle.
template <class T, leoam_status (*Release)(T*) noexcept>
class Handle {
 public:
  Handle() = default;
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { Release(handle_); }
  T* get() const { return handle_; }
  T** out() { return &handle_; }

 private:
  T* handle_ = nullptr;
};

}  // namespace detail

enum class LogLevel : int32_t {
  error = LEOAM_LOG_ERROR,
  warning = LEOAM_LOG_WARNING,
  info = LEOAM_LOG_INFO,
  debug = LEOAM_LOG_DEBUG
};
enum class KvType : int32_t { f16 = LEOAM_KV_F16, f32 = LEOAM_KV_F32 };
enum class RopeScaling : int32_t {
  from_file = LEOAM_ROPE_FROM_FILE,
  none = LEOAM_ROPE_NONE,
  linear = LEOAM_ROPE_LINEAR,
  yarn = LEOAM_ROPE_YARN
};
enum class Delivery : int32_t {
  poll = LEOAM_DELIVERY_POLL,
  callback = LEOAM_DELIVERY_CALLBACK,
  step = LEOAM_DELIVERY_STEP
};
enum class FinishReason : int32_t {
  none = LEOAM_FINISH_NONE,
  stop = LEOAM_FINISH_STOP,
  length = LEOAM_FINISH_LENGTH,
  cancelled = LEOAM_FINISH_CANCELLED,
  failed = LEOAM_FINISH_FAILED
};
enum class EventKind : int32_t {
  none = LEOAM_EVENT_NONE,
  prefill = LEOAM_EVENT_PREFILL,
  token = LEOAM_EVENT_TOKEN,
  finished = LEOAM_EVENT_FINISHED
};

// done of total; false stops the work, which then fails with LEOAM_ERROR_CANCELLED.
using Progress = std::function<bool(uint64_t done, uint64_t total)>;

inline leoam_build_info build_info() {
  auto info = detail::make<leoam_build_info>();
  detail::call(leoam_get_build_info, &info);
  return info;
}

struct InstanceOptions {
  uint32_t n_threads = 0;                                 // 0: the library's choice
  std::string cpu_level{};                                // "scalar", "avx2", "avx512"; empty: the best
  uint64_t host_kv_budget_bytes = 0;                      // 0: half of the machine's memory
  std::function<void(LogLevel, std::string_view)> log{};  // must not call the library; what it throws is lost
  LogLevel log_level = LogLevel::warning;
};

class Instance {
 public:
  explicit Instance(InstanceOptions options = {}) : state_(std::make_shared<State>()) {
    state_->log = std::move(options.log);
    auto c = detail::make<leoam_instance_options>();
    c.n_threads = options.n_threads;
    c.cpu_level = detail::view(options.cpu_level);
    c.host_kv_budget_bytes = options.host_kv_budget_bytes;
    c.log_level = static_cast<leoam_log_level>(options.log_level);
    if (state_->log) {
      c.log = on_log;
      c.log_user_data = state_.get();
    }
    detail::call(leoam_instance_create, &c, state_->handle.out());
  }

  leoam_instance* get() const { return state_->handle.get(); }

  void set_host_kv_budget(uint64_t bytes) { detail::call(leoam_instance_set_host_kv_budget, get(), bytes); }

  leoam_instance_statistics statistics() const {
    auto statistics = detail::make<leoam_instance_statistics>();
    detail::call(leoam_instance_get_statistics, get(), &statistics);
    return statistics;
  }

  // Facts for a diagnosis: dotted key and value.
  std::vector<std::pair<std::string, std::string>> describe() const {
    std::vector<std::pair<std::string, std::string>> facts;
    for (uint64_t i = 0;; ++i) {
      leoam_string key{}, value{};
      auto error = detail::make<leoam_error>();
      const leoam_status code = leoam_instance_describe(get(), i, &key, &value, &error);
      if (code == LEOAM_ERROR_NOT_FOUND) return facts;
      detail::check(code, error);
      facts.emplace_back(detail::view(key), detail::view(value));
    }
  }

  // Cancels all requests; no callback of a request or of the log runs after it.
  void detach() { detail::call(leoam_instance_detach, get()); }

 private:
  struct State {
    // Declared before the handle: log messages may come until the handle is released.
    std::function<void(LogLevel, std::string_view)> log;
    detail::Handle<leoam_instance, leoam_instance_release> handle;
  };

  static void on_log(leoam_log_level level, const char* text, uint64_t size, void* user_data) {
    try {
      static_cast<State*>(user_data)->log(static_cast<LogLevel>(level), {text, static_cast<size_t>(size)});
    } catch (...) {  // nobody to tell
    }
  }

  std::shared_ptr<State> state_;
};

// A wish to stop that any thread may set; load and evaluate watch it.
class CancelFlag {
 public:
  explicit CancelFlag(const Instance& instance)
      : handle_(std::make_shared<detail::Handle<leoam_cancel_flag, leoam_cancel_flag_release>>()) {
    detail::call(leoam_cancel_flag_create, instance.get(), handle_->out());
  }
  leoam_cancel_flag* get() const { return handle_->get(); }
  // Allowed in a signal handler.
  void set() noexcept { leoam_cancel_flag_set(get()); }
  void clear() noexcept { leoam_cancel_flag_clear(get()); }

 private:
  std::shared_ptr<detail::Handle<leoam_cancel_flag, leoam_cancel_flag_release>> handle_;
};

struct LoadOptions {
  RopeScaling rope_scaling = RopeScaling::from_file;
  float rope_factor = 0;  // this and the next: 0: as in the file
  float rope_base = 0;
  uint32_t rope_original_context_tokens = 0;
  uint32_t context_tokens = 0;
  bool header_only = false;  // information and metadata, no weights
  Progress on_progress{};    // bytes
  std::optional<CancelFlag> cancel{};
};

struct PlanOptions {
  KvType kv_type = KvType::f16;
  uint64_t context_tokens = 0;  // 0: the model's
  uint32_t page_tokens = 0;
  uint64_t host_kv_budget_bytes = 0;  // 0: the instance's
};

struct TokenizeOptions {
  bool special = false;  // control tokens spelt out in the text become those tokens
  bool bos = false;      // begins with the beginning-of-sequence token where the file asks for it
};

struct ChatMessage {
  std::string role{};  // "system", "user", "assistant", "tool"
  std::string content{};
};

struct ChatOptions {
  bool generation_prompt = true;
  std::vector<std::pair<std::string, std::string>> variables{};  // name and JSON value
};

namespace detail {

// The C form of load options; points into `options`, which outlives it.
class CLoadOptions {
 public:
  explicit CLoadOptions(const LoadOptions& options) : options_(options), c_(make<leoam_load_options>()) {
    c_.rope_scaling = static_cast<leoam_rope_scaling>(options.rope_scaling);
    c_.flags = options.header_only ? LEOAM_LOAD_HEADER_ONLY : 0;
    c_.rope_factor = options.rope_factor;
    c_.rope_base = options.rope_base;
    c_.rope_original_context_tokens = options.rope_original_context_tokens;
    c_.context_tokens = options.context_tokens;
    if (options.cancel) c_.cancel = options.cancel->get();
    if (options.on_progress) {
      c_.on_progress = on_progress;
      c_.user_data = this;
    }
  }
  CLoadOptions(const CLoadOptions&) = delete;
  CLoadOptions& operator=(const CLoadOptions&) = delete;
  const leoam_load_options* get() const { return &c_; }
  void rethrow() const {
    if (thrown_) std::rethrow_exception(thrown_);
  }

 private:
  static int32_t on_progress(uint64_t done, uint64_t total, void* user_data) {
    auto* self = static_cast<CLoadOptions*>(user_data);
    return run(self->thrown_, [&] { return self->options_.on_progress(done, total); });
  }
  const LoadOptions& options_;
  leoam_load_options c_;
  std::exception_ptr thrown_;
};

// The C form of a conversation; points into its arguments, which outlive it.
class CChat {
 public:
  CChat(std::span<const ChatMessage> messages, const ChatOptions& options) : c_(make<leoam_chat>()) {
    for (const ChatMessage& message : messages) {
      auto c = make<leoam_chat_message>();
      c.role = view(message.role);
      c.content = view(message.content);
      messages_.push_back(c);
    }
    for (const auto& [name, value] : options.variables) {
      auto c = make<leoam_chat_variable>();
      c.name = view(name);
      c.value = view(value);
      variables_.push_back(c);
    }
    c_.flags = options.generation_prompt ? 0 : LEOAM_CHAT_NO_GENERATION_PROMPT;
    c_.messages = messages_.data();
    c_.n_messages = messages_.size();
    c_.variables = variables_.data();
    c_.n_variables = variables_.size();
  }
  CChat(const CChat&) = delete;
  CChat& operator=(const CChat&) = delete;
  const leoam_chat* get() const { return &c_; }

 private:
  leoam_chat c_;
  std::vector<leoam_chat_message> messages_;
  std::vector<leoam_chat_variable> variables_;
};

}  // namespace detail

inline leoam_plan plan(const Instance& instance, std::string_view path, const PlanOptions& options = {},
                       const LoadOptions& load = {}) {
  const detail::CLoadOptions c_load(load);
  auto c = detail::make<leoam_plan_options>();
  c.kv_type = static_cast<leoam_kv_type>(options.kv_type);
  c.context_tokens = options.context_tokens;
  c.page_tokens = options.page_tokens;
  c.host_kv_budget_bytes = options.host_kv_budget_bytes;
  auto plan = detail::make<leoam_plan>();
  detail::call(leoam_model_plan, instance.get(), path.data(), static_cast<uint64_t>(path.size()),
               c_load.get(), &c, &plan);
  return plan;
}

class Model {
 public:
  Model(const Instance& instance, std::string_view path, const LoadOptions& options = {})
      : state_(std::make_shared<State>(instance)) {
    const detail::CLoadOptions c(options);
    auto error = detail::make<leoam_error>();
    const leoam_status code =
        leoam_model_load(instance.get(), path.data(), path.size(), c.get(), state_->handle.out(), &error);
    c.rethrow();
    detail::check(code, error);
  }

  leoam_model* get() const { return state_->handle.get(); }

  // Its strings live as long as the model.
  leoam_model_info info() const {
    auto info = detail::make<leoam_model_info>();
    detail::call(leoam_model_get_info, get(), &info);
    return info;
  }

  // Keys and printable values; they live as long as the model.
  std::vector<std::pair<std::string_view, std::string_view>> metadata() const {
    std::vector<std::pair<std::string_view, std::string_view>> entries;
    const uint64_t count = info().n_metadata;
    for (uint64_t i = 0; i < count; ++i) {
      leoam_string key{}, value{};
      detail::call(leoam_model_get_metadata, get(), i, &key, &value);
      entries.emplace_back(detail::view(key), detail::view(value));
    }
    return entries;
  }

  // Its strings live as long as the model.
  leoam_token_info token(int32_t id) const {
    auto info = detail::make<leoam_token_info>();
    detail::call(leoam_model_get_token, get(), id, &info);
    return info;
  }

  std::optional<int32_t> find_token(std::string_view piece) const {
    int32_t token = -1;
    auto error = detail::make<leoam_error>();
    const leoam_status code = leoam_model_find_token(get(), piece.data(), piece.size(), &token, &error);
    if (code == LEOAM_ERROR_NOT_FOUND) return std::nullopt;
    detail::check(code, error);
    return token;
  }

  std::vector<int32_t> tokenize(std::string_view text, const TokenizeOptions& options = {}) const {
    const uint64_t flags =
        (options.special ? LEOAM_TOKENIZE_SPECIAL : 0) | (options.bos ? LEOAM_TOKENIZE_BOS : 0);
    return detail::collect<std::vector<int32_t>>(
        text.size() + 16, [&](int32_t* data, uint64_t capacity, uint64_t* count, leoam_error* error) {
          return leoam_model_tokenize(get(), text.data(), text.size(), flags, data, capacity, count, error);
        });
  }

  std::string detokenize(std::span<const int32_t> tokens, bool special = false) const {
    const uint64_t flags = special ? LEOAM_DETOKENIZE_SPECIAL : 0;
    return detail::collect<std::string>(tokens.size() * 8, [&](char* data, uint64_t capacity, uint64_t* size,
                                                               leoam_error* error) {
      return leoam_model_detokenize(get(), tokens.data(), tokens.size(), flags, data, capacity, size, error);
    });
  }

  // The conversation in the model's own format, for display.
  std::string render_chat(std::span<const ChatMessage> messages, const ChatOptions& options = {}) const {
    const detail::CChat chat(messages, options);
    return detail::collect<std::string>(
        guess(messages), [&](char* data, uint64_t capacity, uint64_t* size, leoam_error* error) {
          return leoam_model_render_chat(get(), chat.get(), data, capacity, size, error);
        });
  }

  // The conversation as tokens; control tokens spelt out in messages stay text.
  std::vector<int32_t> tokenize_chat(std::span<const ChatMessage> messages,
                                     const ChatOptions& options = {}) const {
    const detail::CChat chat(messages, options);
    return detail::collect<std::vector<int32_t>>(
        guess(messages), [&](int32_t* data, uint64_t capacity, uint64_t* count, leoam_error* error) {
          return leoam_model_tokenize_chat(get(), chat.get(), data, capacity, count, error);
        });
  }

 private:
  struct State {
    explicit State(Instance owner) : instance(std::move(owner)) {}
    Instance instance;
    detail::Handle<leoam_model, leoam_model_release> handle;
  };

  static size_t guess(std::span<const ChatMessage> messages) {
    size_t size = 1024;
    for (const ChatMessage& message : messages) size += message.content.size() + 64;
    return size;
  }

  std::shared_ptr<State> state_;
};

struct SamplerOptions {
  float temperature = 0;  // 0: greedy
  uint32_t top_k = 0;     // 0: off
  float top_p = 1;
  float min_p = 0;
  float repetition_penalty = 1;
  uint32_t repetition_window_tokens = 64;
  uint64_t seed = 0;
};

// `text` is valid during the callback, or until the next event of its request is taken.
struct Event {
  EventKind kind = EventKind::none;
  int32_t token = -1;
  std::string_view text;
  FinishReason finish_reason = FinishReason::none;
  uint64_t done_tokens = 0;
  uint64_t total_tokens = 0;
};

struct RequestOptions {
  std::span<const int32_t> prompt{};
  uint32_t max_tokens = 256;
  SamplerOptions sampler{};
  std::vector<std::string> stop{};
  bool ignore_end = false;    // end-of-generation tokens do not stop and are passed on
  bool show_special = false;  // spells out control tokens in the text
  bool prefill_only = false;  // finishes after the prompt; max_tokens does not count
  Delivery delivery = Delivery::poll;
  std::function<bool(const Event&)> on_event{};              // of Delivery::callback; false stops
  std::function<bool(std::span<float> logits)> on_logits{};  // before each draw, may change them; false stops
};

// One generation. Destroying it cancels it.
class Request {
 public:
  leoam_request* get() const { return state_->handle.get(); }

  // The next event, if there is one now.
  std::optional<Event> poll() {
    auto c = detail::make<leoam_event>();
    detail::call(leoam_request_poll, get(), &c);
    if (c.kind == LEOAM_EVENT_NONE) return std::nullopt;
    return convert(c);
  }

  // The next event, waiting for it (Delivery::poll) or working for it (Delivery::step). Empty after the last;
  // throws then when the request has failed or a callback has thrown.
  std::optional<Event> next() {
    while (!state_->ended) {
      if (std::optional<Event> event = poll()) {
        state_->ended = event->kind == EventKind::finished;
        return event;
      }
      if (state_->delivery == Delivery::step) {
        step(0);
      } else {
        pollfd waiting{event_fd(), POLLIN, 0};
        ::poll(&waiting, 1, -1);
      }
    }
    finish_reason();
    return std::nullopt;
  }

  int event_fd() const {
    int32_t fd = -1;
    detail::call(leoam_request_get_event_fd, get(), &fd);
    return fd;
  }

  // Works for about budget_us; true when finished.
  bool step(uint64_t budget_us) {
    int32_t finished = 0;
    detail::call(leoam_request_step, get(), budget_us, &finished);
    return finished != 0;
  }

  // Allowed in a signal handler.
  void cancel() noexcept { leoam_request_cancel(get()); }

  // False when timeout_us is over first.
  bool wait(uint64_t timeout_us = UINT64_MAX) {
    auto error = detail::make<leoam_error>();
    const leoam_status code = leoam_request_wait(get(), timeout_us, &error);
    if (code == LEOAM_ERROR_BUSY) return false;
    detail::check(code, error);
    return true;
  }

  void detach() { detail::call(leoam_request_detach, get()); }

  // Throws the failure of a failed request, and what a callback has thrown.
  FinishReason finish_reason() const {
    leoam_finish_reason reason = LEOAM_FINISH_NONE;
    auto error = detail::make<leoam_error>();
    const leoam_status code = leoam_request_get_result(get(), &reason, &error);
    if (reason != LEOAM_FINISH_NONE && state_->callbacks->thrown) {
      std::rethrow_exception(state_->callbacks->thrown);
    }
    detail::check(code, error);
    return static_cast<FinishReason>(reason);
  }

  leoam_request_statistics statistics() const {
    auto statistics = detail::make<leoam_request_statistics>();
    detail::call(leoam_request_get_statistics, get(), &statistics);
    return statistics;
  }

  // for (const leoam::Event& event : request): the events by next().
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Event;
    using difference_type = std::ptrdiff_t;
    using pointer = const Event*;
    using reference = const Event&;

    Iterator() = default;
    explicit Iterator(Request* request) : request_(request) { ++*this; }
    reference operator*() const { return *event_; }
    pointer operator->() const { return &*event_; }
    Iterator& operator++() {
      event_ = request_->next();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return !event_.has_value(); }

   private:
    Request* request_ = nullptr;
    std::optional<Event> event_;
  };
  Iterator begin() { return Iterator(this); }
  std::default_sentinel_t end() const { return {}; }

 private:
  friend class Session;

  // Kept alive by a running callback, so that a request may be destroyed inside its own callback.
  struct Callbacks : std::enable_shared_from_this<Callbacks> {
    std::function<bool(const Event&)> on_event;
    std::function<bool(std::span<float>)> on_logits;
    std::exception_ptr thrown;
  };
  struct State {
    std::shared_ptr<void> session;
    std::shared_ptr<Callbacks> callbacks = std::make_shared<Callbacks>();
    Delivery delivery = Delivery::poll;
    bool ended = false;
    detail::Handle<leoam_request, leoam_request_release> handle;
  };

  Request() = default;

  static Event convert(const leoam_event& c) {
    return {static_cast<EventKind>(c.kind),
            c.token,
            detail::view(c.text),
            static_cast<FinishReason>(c.finish_reason),
            c.done_tokens,
            c.total_tokens};
  }
  static int32_t on_event(const leoam_event* event, void* user_data) {
    const auto callbacks = static_cast<Callbacks*>(user_data)->shared_from_this();
    return detail::run(callbacks->thrown, [&] { return callbacks->on_event(convert(*event)); });
  }
  static int32_t on_logits(float* logits, uint64_t n_vocab, void* user_data) {
    const auto callbacks = static_cast<Callbacks*>(user_data)->shared_from_this();
    return detail::run(callbacks->thrown, [&] {
      return callbacks->on_logits({logits, static_cast<size_t>(n_vocab)});
    });
  }

  std::shared_ptr<State> state_ = std::make_shared<State>();
};

struct SessionOptions {
  std::string policy{};  // empty: "exact"
  KvType kv_type = KvType::f16;
  uint32_t page_tokens = 0;     // 0: 32
  uint32_t context_tokens = 0;  // 0: the model's
  uint32_t piece_tokens = 0;    // 0: the library's choice
};

struct EvaluateOptions {
  bool all_logits = false;  // on_logits for every position, not only the last
  std::function<bool(uint64_t position, std::span<const float> logits)> on_logits{};  // false stops
  Progress on_progress{};                                                             // tokens
  std::optional<CancelFlag> cancel{};
};

class Session {
 public:
  explicit Session(const Model& model, const SessionOptions& options = {})
      : state_(std::make_shared<State>(model)) {
    auto c = detail::make<leoam_session_options>();
    c.kv_type = static_cast<leoam_kv_type>(options.kv_type);
    c.policy = detail::view(options.policy);
    c.page_tokens = options.page_tokens;
    c.context_tokens = options.context_tokens;
    c.piece_tokens = options.piece_tokens;
    detail::call(leoam_session_create, model.get(), &c, state_->handle.out());
  }

  leoam_session* get() const { return state_->handle.get(); }
  const Model& model() const { return state_->model; }

  leoam_session_info info() const {
    auto info = detail::make<leoam_session_info>();
    detail::call(leoam_session_get_info, get(), &info);
    return info;
  }
  uint64_t n_tokens() const { return info().n_tokens; }

  // Appends tokens and computes their KV; all or nothing.
  void evaluate(std::span<const int32_t> tokens, const EvaluateOptions& options = {}) {
    Evaluation evaluation{options, nullptr};
    auto c = detail::make<leoam_evaluate_options>();
    c.flags = options.all_logits ? LEOAM_EVALUATE_ALL_LOGITS : 0;
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
