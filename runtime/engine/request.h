// Request: one generation on a session, and the three ways to receive its tokens: a callback on the engine's
// thread, polling a ring of events (with an eventfd to wait on), or stepping it on the caller's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/engine/sampler.h"
#include "runtime/engine/statistics.h"

namespace leoam {

class Session;

enum class FinishReason : int32_t {
  none = 0,       // not finished
  stop = 1,       // an end-of-generation token or a stop string
  length = 2,     // max_tokens, or the context is full
  cancelled = 3,  // by cancel, by a callback, or by the session's end
  failed = 4,     // status() says why; the session keeps every token committed before
};

enum class EventKind : int32_t {
  prefill = 1,   // done_tokens of total_tokens of the prompt
  token = 2,     // a token was drawn; text is what became complete with it (may be empty)
  finished = 3,  // the last event: reason; text is what was held back until then
};

// Text is whole code points. It is valid during the callback, or until the next poll of its request.
struct Event {
  EventKind kind = EventKind::prefill;
  int32_t token = -1;
  std::string_view text;
  uint64_t done_tokens = 0;   // prefill; for token: generated so far
  uint64_t total_tokens = 0;  // prefill; for token: max_tokens
  FinishReason reason = FinishReason::none;
  // Of the step that a token was drawn from: least certain share of attention that a head's selection has;
  // 1 where everything was attended to.
  float coverage = 1;
};

enum class Delivery : int32_t {
  callback = 0,  // on the engine's thread, in order, one at a time
  poll = 1,      // generation goes on in the background and waits while the ring is full
  step = 2,      // nothing runs except inside step()
};

struct RequestOptions {
  std::vector<int32_t> prompt;
  uint32_t max_tokens = 256;  // 0: prefill only, then finish with length
  SamplerOptions sampler;
  std::vector<std::string>
      stop;                 // never shown, nor any partial match that completes; at most 64 of 1 to 256 bytes
  bool ignore_end = false;  // end-of-generation tokens do not stop, and are passed on
  bool show_special = false;  // spell out control tokens in the text
  Delivery delivery = Delivery::poll;
  // Delivery::callback: returns false to stop. May call cancel and the getters, nothing else of this request.
  std::function<bool(const Event&)> on_event;
  // Called with the logits [n_vocab] before each draw, on the thread that steps; may change them.
  std::function<void(std::span<float> logits)> on_logits;
};

// Thread rule: cancel and the getters from any thread; poll from one thread at a time; step from one thread
// at a time (busy otherwise). The Request keeps its session alive.
class Request {
 public:
  virtual ~Request() = default;

  // Takes the next event. False: none now.
  virtual bool poll(Event* event) = 0;
  // Readable while events wait. Owned by the request; -1 with Delivery::step and callback, or when refused.
  virtual int event_fd() const = 0;
  // Advances the work until about budget_us are over (0: one indivisible piece), then returns true when
  // finished. Events are then polled. The overrun is at most one layer of one piece. Fails with
  // invalid_argument unless Delivery::step, busy.
  virtual Result<bool> step(uint64_t budget_us) = 0;
  // Ends the request within 100 ms of work; events up to then stay. Async-signal-safe flag.
  virtual void cancel() = 0;
  // Returns when finished, or with busy after timeout_us (UINT64_MAX: no limit).
  virtual Status wait(uint64_t timeout_us) = 0;
  // No callback starts after this returns, and none is running; the request is cancelled. From inside a
  // callback it returns at once and the running callback is the last.
  virtual void detach() = 0;

  virtual FinishReason finish_reason() const = 0;
  virtual Status status() const = 0;  // why it failed; ok otherwise
  virtual RequestStatistics statistics() const = 0;
};

}  // namespace leoam
