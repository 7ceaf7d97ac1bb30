// Model: information, tokens, chat template. Part of leoam.hpp.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "leoam/instance.hpp"

namespace leoam {
inline namespace v1 {

// What keys and values are kept as: leoam_kv_type.
enum class KvType : int32_t {
  f16 = LEOAM_KV_F16,
  f32 = LEOAM_KV_F32,
  int8 = LEOAM_KV_INT8,
  automatic = LEOAM_KV_AUTO,
  k8v8 = LEOAM_KV_K8V8,
  k8v4 = LEOAM_KV_K8V4,
  k4v4 = LEOAM_KV_K4V4
};

enum class RopeScaling : int32_t {
  from_file = LEOAM_ROPE_FROM_FILE,
  none = LEOAM_ROPE_NONE,
  linear = LEOAM_ROPE_LINEAR,
  yarn = LEOAM_ROPE_YARN
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
  uint64_t disk_kv_budget_bytes = 0;  // 0: the instance's
  bool speed = false;                 // measures the machine once, within 5 s
  bool saved = false;                 // in a session file at the end
  std::optional<CancelFlag> cancel{};
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
  c.disk_kv_budget_bytes = options.disk_kv_budget_bytes;
  c.flags = (options.speed ? LEOAM_PLAN_SPEED : 0) | (options.saved ? LEOAM_PLAN_SAVED : 0);
  if (options.cancel) c.cancel = options.cancel->get();
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

  // `special` spells control tokens out; `continues`: the tokens go on from others, a first blank is kept.
  std::string detokenize(std::span<const int32_t> tokens, bool special = false,
                         bool continues = false) const {
    const uint64_t flags =
        (special ? LEOAM_DETOKENIZE_SPECIAL : 0) | (continues ? LEOAM_DETOKENIZE_CONTINUE : 0);
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

}  // namespace v1
}  // namespace leoam
