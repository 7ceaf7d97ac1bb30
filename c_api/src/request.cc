#include <cmath>

#include "c_api/src/guard.h"
#include "c_api/src/objects.h"

namespace leoam::c_api {

static_assert(static_cast<int>(EventKind::prefill) == LEOAM_EVENT_PREFILL);
static_assert(static_cast<int>(EventKind::finished) == LEOAM_EVENT_FINISHED);
static_assert(static_cast<int>(FinishReason::stop) == LEOAM_FINISH_STOP);
static_assert(static_cast<int>(FinishReason::failed) == LEOAM_FINISH_FAILED);

leoam_event to_c(const Event& event) {
  leoam_event c{};
  c.struct_size = sizeof c;
  c.kind = static_cast<leoam_event_kind>(event.kind);
  c.text = to_c(event.text);
  c.token = event.kind == EventKind::token ? event.token : -1;
  c.finish_reason = static_cast<leoam_finish_reason>(event.reason);
  c.done_tokens = event.done_tokens;
  c.total_tokens = event.total_tokens;
  c.coverage = event.coverage;
  return c;
}

bool RequestCallbacks::event(const Event& event) {
  const std::lock_guard lock(mutex_);
  if (detached_) return false;
  const CallbackList::Scope scope(list_);
  const leoam_event c = to_c(event);
  return on_event_(&c, user_data_) == LEOAM_CONTINUE;
}

void RequestCallbacks::logits(std::span<float> logits) {
  const std::lock_guard lock(mutex_);
  if (detached_) return;
  const CallbackList::Scope scope(list_);
  if (on_logits_(logits.data(), logits.size(), user_data_) == LEOAM_CONTINUE) return;
  const std::lock_guard bind_lock(bind_mutex_);
  stopped_ = true;
  if (const std::shared_ptr<Request> request = request_.lock()) request->cancel();
}

void RequestCallbacks::bind(const std::shared_ptr<Request>& request) {
  const std::lock_guard lock(bind_mutex_);
  request_ = request;
  if (stopped_) request->cancel();
}

void RequestCallbacks::detach() {
  const std::lock_guard lock(mutex_);
  detached_ = true;
}

void RequestObject::detach() {
  request->cancel();
  callbacks->detach();
  request->detach();
}

// Outside callbacks the session is free again when the release returns: a cancelled request ends soon.
void RequestObject::on_release() {
  detach();
  constexpr uint64_t kPatienceUs = 10'000'000;
  if (delivery == Delivery::step || instance().callbacks().has_this_thread()) return;
  static_cast<void>(request->wait(kPatienceUs));
}

namespace {

// NaN fails every comparison, so ranges are written as what must hold.
Status read_sampler(const leoam_sampler_options* sampler, SamplerOptions* out) {
  leoam_sampler_options c;
  LEOAM_RETURN_IF_ERROR(read_struct(sampler, "sampler", &c));
  if (!(c.temperature >= 0) || !std::isfinite(c.temperature)) {
    return error(ErrorKind::invalid_argument, "temperature: {}, expected at least 0", c.temperature);
  }
  if (!(c.top_p >= 0 && c.top_p <= 1)) {
    return error(ErrorKind::invalid_argument, "top_p: {}, expected 0 to 1", c.top_p);
  }
  if (!(c.min_p >= 0 && c.min_p <= 1)) {
    return error(ErrorKind::invalid_argument, "min_p: {}, expected 0 to 1", c.min_p);
  }
  if (!(c.repetition_penalty >= 0) || !std::isfinite(c.repetition_penalty)) {
    return error(ErrorKind::invalid_argument, "repetition_penalty: {}, expected at least 0",
                 c.repetition_penalty);
  }
  out->temperature = c.temperature;
  out->top_k = c.top_k;
  if (c.top_p != 0) out->top_p = c.top_p;
  out->min_p = c.min_p;
  if (c.repetition_penalty != 0) out->repetition_penalty = c.repetition_penalty;
  if (c.repetition_window_tokens != 0) out->repetition_window_tokens = c.repetition_window_tokens;
  out->seed = c.seed;
  return {};
}

Status read_delivery(const leoam_request_options& c, Delivery* out) {
  switch (c.delivery) {
    case LEOAM_DELIVERY_POLL:
      *out = Delivery::poll;
      break;
    case LEOAM_DELIVERY_CALLBACK:
      *out = Delivery::callback;
      break;
    case LEOAM_DELIVERY_STEP:
      *out = Delivery::step;
      break;
    default:
      return error(ErrorKind::invalid_argument, "delivery: {}", c.delivery);
  }
  if ((*out == Delivery::callback) == (c.on_event != nullptr)) return {};
  return error(ErrorKind::invalid_argument, "on_event: {}",
               c.on_event ? "only for LEOAM_DELIVERY_CALLBACK" : "NULL");
}

Status read_stop(const leoam_request_options& c, std::vector<std::string>* out) {
  constexpr uint64_t kMostStop = 64;
  if (c.n_stop > kMostStop) {
    return error(ErrorKind::invalid_argument, "n_stop: {}, at most {}", c.n_stop, kMostStop);
  }
  if (c.n_stop != 0) LEOAM_RETURN_IF_ERROR(check_pointer(c.stop, "stop"));
  for (uint64_t i = 0; i < c.n_stop; ++i) {
    std::string_view text;
    LEOAM_RETURN_IF_ERROR(read_text(c.stop[i], "stop", &text));
    out->emplace_back(text);
  }
  return {};
}

Result<RequestOptions> read_options(const leoam_request_options& c) {
  RequestOptions options;
  constexpr uint64_t kKnownFlags =
      LEOAM_REQUEST_IGNORE_END | LEOAM_REQUEST_SHOW_SPECIAL | LEOAM_REQUEST_PREFILL_ONLY;
  LEOAM_RETURN_IF_ERROR(check_flags(c.flags, kKnownFlags, "flags"));
  std::span<const int32_t> prompt;
  LEOAM_RETURN_IF_ERROR(read_array(c.prompt, c.n_prompt, "prompt", &prompt));
  options.prompt.assign(prompt.begin(), prompt.end());
  LEOAM_RETURN_IF_ERROR(read_sampler(c.sampler, &options.sampler));
  LEOAM_RETURN_IF_ERROR(read_stop(c, &options.stop));
  LEOAM_RETURN_IF_ERROR(read_delivery(c, &options.delivery));
  if (c.flags & LEOAM_REQUEST_PREFILL_ONLY) {
    if (c.max_tokens != 0) {
      return error(ErrorKind::invalid_argument, "max_tokens: {} with LEOAM_REQUEST_PREFILL_ONLY",
                   c.max_tokens);
    }
    options.max_tokens = 0;
  } else if (c.max_tokens != 0) {
    options.max_tokens = c.max_tokens;
  }
  options.ignore_end = (c.flags & LEOAM_REQUEST_IGNORE_END) != 0;
  options.show_special = (c.flags & LEOAM_REQUEST_SHOW_SPECIAL) != 0;
  return options;
}

// Marks that somebody is inside poll; a second caller is refused.
class PollScope {
 public:
  explicit PollScope(std::atomic<bool>& polled) : polled_(polled), entered_(!polled.exchange(true)) {}
  PollScope(const PollScope&) = delete;
  PollScope& operator=(const PollScope&) = delete;
  ~PollScope() {
    if (entered_) polled_.store(false);
  }
  bool entered() const { return entered_; }

 private:
  std::atomic<bool>& polled_;
  const bool entered_;
};

}  // namespace

}  // namespace leoam::c_api

using namespace leoam;         // NOLINT(google-build-using-namespace)
using namespace leoam::c_api;  // NOLINT(google-build-using-namespace)

leoam_status leoam_session_submit(leoam_session* session, const leoam_request_options* options,
                                  leoam_request** out_request, leoam_error* error) noexcept {
  return guarded(error, [&]() -> Status {
    LEOAM_RETURN_IF_ERROR(check_pointer(out_request, "out_request"));
    *out_request = nullptr;
    const Pinned<SessionObject> parent(session);
    if (!parent) return invalid_handle<SessionObject>();
    CallbackList& list = parent->model->instance->callbacks();
    LEOAM_RETURN_IF_ERROR(list.refuse("leoam_session_submit"));
    leoam_request_options c;
    LEOAM_RETURN_IF_ERROR(read_struct(options, "options", &c));
    LEOAM_ASSIGN_OR_RETURN(RequestOptions parsed, read_options(c));
    const auto callbacks = std::make_shared<RequestCallbacks>(c, list);
    if (c.on_event) parsed.on_event = [callbacks](const Event& event) { return callbacks->event(event); };
    if (c.on_logits) parsed.on_logits = [callbacks](std::span<float> logits) { callbacks->logits(logits); };

    auto object = std::make_shared<RequestObject>();
    object->session = parent.share();
    object->callbacks = callbacks;
    object->delivery = parsed.delivery;
    LEOAM_ASSIGN_OR_RETURN(object->request, parent->session->submit(std::move(parsed)));
    callbacks->bind(object->request);
    const Status handed = hand_out(object, out_request);
    if (!handed.ok()) {
      object->detach();
      return handed.clone();
    }
    parent->model->instance->add_request(object);
    return {};
  });
}

leoam_status leoam_request_poll(leoam_request* request, leoam_event* out_event, leoam_error* error) noexcept {
  return guarded_with<RequestObject>(request, error, [&](RequestObject& object) -> Status {
    LEOAM_RETURN_IF_ERROR(check_out_struct(out_event, "out_event"));
    if (object.delivery == Delivery::callback) {
      return leoam::error(ErrorKind::invalid_argument, "request: its events go to a callback");
    }
    const PollScope scope(object.polled);
    if (!scope.entered()) return leoam::error(ErrorKind::busy, "request: another thread polls it");
    Event event;
    leoam_event c{};
    c.token = -1;
    if (object.request->poll(&event)) c = to_c(event);
    write_struct(out_event, c);
    return {};
  });
}

leoam_status leoam_request_get_event_fd(leoam_request* request, int32_t* out_fd,
                                        leoam_error* error) noexcept {
  return guarded_with<RequestObject>(request, error, [&](RequestObject& object) -> Status {
    LEOAM_RETURN_IF_ERROR(check_pointer(out_fd, "out_fd"));
    *out_fd = -1;
    if (object.delivery != Delivery::poll) {
      return leoam::error(ErrorKind::invalid_argument, "request: only LEOAM_DELIVERY_POLL has a descriptor");
    }
    *out_fd = object.request->event_fd();
    if (*out_fd >= 0) return {};
    return leoam::error(ErrorKind::io, "request: the system refused a descriptor");
  });
}

leoam_status leoam_request_step(leoam_request* request, uint64_t budget_us, int32_t* out_finished,
                                leoam_error* error) noexcept {
  return guarded_with<RequestObject>(request, error, [&](RequestObject& object) -> Status {
    LEOAM_RETURN_IF_ERROR(check_pointer(out_finished, "out_finished"));
    *out_finished = 0;
    LEOAM_RETURN_IF_ERROR(object.instance().callbacks().refuse("leoam_request_step"));
    LEOAM_ASSIGN_OR_RETURN(const bool finished, object.request->step(budget_us));
    *out_finished = finished ? 1 : 0;
    return {};
  });
}

// May run in a signal handler: no memory, no lock.
leoam_status leoam_request_cancel(leoam_request* request) noexcept {
  const Pinned<RequestObject> object(request);
  if (!object) return LEOAM_ERROR_INVALID_HANDLE;
  object->request->cancel();
  return LEOAM_OK;
}

leoam_status leoam_request_wait(leoam_request* request, uint64_t timeout_us, leoam_error* error) noexcept {
  return guarded_with<RequestObject>(request, error, [&](RequestObject& object) -> Status {
    LEOAM_RETURN_IF_ERROR(object.instance().callbacks().refuse("leoam_request_wait"));
    return object.request->wait(timeout_us);
  });
}

leoam_status leoam_request_detach(leoam_request* request, leoam_error* error) noexcept {
  return guarded_with<RequestObject>(request, error, [&](RequestObject& object) -> Status {
    object.detach();
    return {};
  });
}

leoam_status leoam_request_get_result(leoam_request* request, leoam_finish_reason* out_reason,
                                      leoam_error* error) noexcept {
  return guarded_with<RequestObject>(request, error, [&](RequestObject& object) -> Status {
    LEOAM_RETURN_IF_ERROR(check_pointer(out_reason, "out_reason"));
    *out_reason = static_cast<leoam_finish_reason>(object.request->finish_reason());
    return *out_reason == LEOAM_FINISH_FAILED ? object.request->status() : Status();
  });
}

leoam_status leoam_request_get_statistics(leoam_request* request, leoam_request_statistics* out_statistics,
                                          leoam_error* error) noexcept {
  return guarded_with<RequestObject>(request, error, [&](RequestObject& object) -> Status {
    LEOAM_RETURN_IF_ERROR(check_out_struct(out_statistics, "out_statistics"));
    const RequestStatistics statistics = object.request->statistics();
    leoam_request_statistics c{};
    c.prompt_tokens = statistics.prompt_tokens;
    c.prefilled_tokens = statistics.prefilled_tokens;
    c.generated_tokens = statistics.generated_tokens;
    c.time_to_first_token_us = statistics.time_to_first_token_us;
    c.prefill_us = statistics.prefill_us;
    c.decode_us = statistics.decode_us;
    c.kv_bytes_read = statistics.kv_bytes_read;
    c.weight_bytes_read = statistics.weight_bytes_read;
    write_struct(out_statistics, c);
    return {};
  });
}

leoam_status leoam_request_release(leoam_request* request) noexcept {
  return release<RequestObject>(request);
}
