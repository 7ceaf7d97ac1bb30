// Request: one generation and its events. Part of leoam.hpp.
#pragma once

#include <poll.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "leoam/model.hpp"

namespace leoam {
inline namespace v1 {

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
  float coverage = 1;
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
            c.total_tokens,
            c.coverage};
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

}  // namespace v1
}  // namespace leoam
