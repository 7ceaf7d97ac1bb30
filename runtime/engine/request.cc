#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "runtime/engine/engine.h"
#include "runtime/engine/request_impl.h"
#include "runtime/engine/scheduler.h"

namespace leoam {
namespace {

// Prepare delivers a token, complete a prefill event, settle the last event.
constexpr size_t kEventsOfAPass = 4;

// In step mode a pass is cut small, so that one operation of one layer is short.
constexpr uint32_t kStepTokens = 32;

uint64_t us_since(std::chrono::steady_clock::time_point start) {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start)
          .count());
}

}  // namespace

Result<std::shared_ptr<RequestImpl>> RequestImpl::create(Engine& engine, std::shared_ptr<Session> session,
                                                         RequestOptions options) {
  if (options.delivery == Delivery::callback && !options.on_event)
    return Status(ErrorKind::invalid_argument, "on_event: expected a function, as delivery is callback");
  std::shared_ptr<RequestImpl> request(new RequestImpl(engine, std::move(session)));
  RequestImpl& r = *request;
  r.delivery_ = options.delivery;
  r.on_event_ = std::move(options.on_event);
  if (r.delivery_ != Delivery::callback) r.ring_ = std::make_unique<std::array<Slot, kRing>>();
  if (r.delivery_ == Delivery::poll) r.event_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  LEOAM_ASSIGN_OR_RETURN(r.generation_,
                         Generation::create(*r.session_, options, *engine.kernels_,
                                            [raw = &r](const Event& event) { return raw->deliver(event); }));
  r.statistics_ = r.generation_->statistics();
  return request;
}

RequestImpl::~RequestImpl() {
  // Only a stepped request can go before it has finished: the scheduler holds the others.
  if (generation_ && !finished()) {
    generation_->end(FinishReason::cancelled, {});
    session_->leave();
  }
  if (event_fd_ >= 0) close(event_fd_);
}

bool RequestImpl::deliver(const Event& event) {
  if (delivery_ == Delivery::callback) return call_back(event);
  push(event);
  return true;
}

bool RequestImpl::call_back(const Event& event) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (detached_) return false;
    in_callback_ = true;
    callback_thread_ = std::this_thread::get_id();
  }
  const bool go_on = on_event_(event);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    in_callback_ = false;
    callback_thread_ = {};
  }
  changed_.notify_all();
  return go_on;
}

void RequestImpl::push(const Event& event) {
  std::lock_guard<std::mutex> lock(mutex_);
  Slot& slot = (*ring_)[(ring_begin_ + ring_size_) % kRing];
  slot.event = event;
  slot.text.assign(event.text);
  ++ring_size_;
  if (ring_size_ == 1 && event_fd_ >= 0) eventfd_write(event_fd_, 1);
}

bool RequestImpl::poll(Event* event) {
  bool was_full = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (ring_size_ == 0) return false;
    Slot& slot = (*ring_)[ring_begin_];
    was_full = ring_size_ + kEventsOfAPass > kRing;
    polled_text_.swap(slot.text);
    *event = slot.event;
    event->text = polled_text_;
    ring_begin_ = (ring_begin_ + 1) % kRing;
    --ring_size_;
    eventfd_t count = 0;
    if (ring_size_ == 0 && event_fd_ >= 0) eventfd_read(event_fd_, &count);
  }
  if (was_full && delivery_ == Delivery::poll) engine_.scheduler_->wake();
  return true;
}

bool RequestImpl::has_room() const {
  if (!ring_) return true;
  std::lock_guard<std::mutex> lock(mutex_);
  return ring_size_ + kEventsOfAPass <= kRing;
}

bool RequestImpl::settle() {
  if (finished()) return true;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    statistics_ = generation_->statistics();
    if (!generation_->ended()) return false;
  }
  // Before the last event, so that whoever receives it can start the next request.
  session_->leave();
  Event event;
  event.kind = EventKind::finished;
  event.reason = generation_->reason();
  event.text = generation_->last_text();
  event.done_tokens = statistics_.generated_tokens;
  event.total_tokens = generation_->max_tokens();
  if (delivery_ != Delivery::callback) {
    std::lock_guard<std::mutex> lock(mutex_);
    reason_ = generation_->reason();
    status_ = std::move(generation_->status());
  }
  deliver(event);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (delivery_ == Delivery::callback) {
      reason_ = generation_->reason();
      status_ = std::move(generation_->status());
    }
    finished_.store(true, std::memory_order_release);
  }
  changed_.notify_all();
  return true;
}

Result<bool> RequestImpl::step(uint64_t budget_us) {
  if (delivery_ != Delivery::step)
    return Status(ErrorKind::invalid_argument, "delivery: expected step, as this request runs by itself");
  if (stepping_.exchange(true, std::memory_order_acquire))
    return Status(ErrorKind::busy, "another thread steps this request");
  const uint64_t bounded_us = std::min<uint64_t>(budget_us, uint64_t{3600} * 1000 * 1000);
  Result<bool> result = step_until(std::chrono::steady_clock::now() + std::chrono::microseconds(bounded_us));
  stepping_.store(false, std::memory_order_release);
  return result;
}

Result<bool> RequestImpl::step_until(Deadline deadline) {
  do {
    if (finished()) return true;
    if (!has_room()) return false;
    if (cancel_.cancelled()) generation_->end(FinishReason::cancelled, {});
    if (!pass_running_ && !generation_->ended()) {
      StepSequence sequence;
      if (generation_->prepare(kStepTokens, &sequence)) {
        Status status;
        Result<ForwardCache::Lease> lease =
            engine_.forwards_->acquire(session_->model(), sequence.kv->shape().layout, kStepTokens);
        if (lease.ok()) {
          forward_.emplace(std::move(*lease));
          status = (*forward_)->begin(std::span(&sequence, 1), &cancel_);
        } else {
          status = std::move(lease).status();
        }
        if (!status.ok()) generation_->end(FinishReason::failed, std::move(status));
        pass_running_ = !generation_->ended();
        pass_us_ = 0;
      }
    }
    if (pass_running_ && !generation_->ended()) {
      const auto start = std::chrono::steady_clock::now();
      Result<bool> done = (*forward_)->advance(deadline);
      pass_us_ += us_since(start);
      if (!done.ok() && done.status().kind() == ErrorKind::corrupt) {
        generation_->repair(&cancel_);
        pass_running_ = false;
        forward_.reset();
      } else if (!done.ok()) {
        generation_->end(
            done.status().kind() == ErrorKind::cancelled ? FinishReason::cancelled : FinishReason::failed,
            std::move(done).status());
      } else if (*done) {
        Status status;
        const uint32_t row = generation_->step_tokens() - 1;
        if (float* logits = generation_->wanted_logits())
          status = (*forward_)->logits(std::span(&row, 1), logits);
        if (status.ok())
          generation_->complete(pass_us_, **forward_);
        else
          generation_->end(FinishReason::failed, std::move(status));
        pass_running_ = false;
        forward_.reset();
      }
    }
    if (generation_->ended()) {
      pass_running_ = false;
      forward_.reset();
    }
    if (settle()) return true;
  } while (std::chrono::steady_clock::now() < deadline);
  return false;
}

void RequestImpl::cancel() {
  cancel_.cancel();
}

Status RequestImpl::wait(uint64_t timeout_us) {
  std::unique_lock<std::mutex> lock(mutex_);
  const auto done = [this] { return finished_.load(std::memory_order_acquire); };
  // Longer than any program runs, and short enough not to overflow the clock.
  const uint64_t bounded_us = std::min<uint64_t>(timeout_us, uint64_t{365} * 24 * 3600 * 1000 * 1000);
  if (changed_.wait_for(lock, std::chrono::microseconds(bounded_us), done)) return {};
  return Status(ErrorKind::busy, "the request has not finished in time");
}

void RequestImpl::detach() {
  cancel();
  std::unique_lock<std::mutex> lock(mutex_);
  detached_ = true;
  if (callback_thread_ == std::this_thread::get_id()) return;
  changed_.wait(lock, [this] { return !in_callback_; });
}

FinishReason RequestImpl::finish_reason() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return reason_;
}

Status RequestImpl::status() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return status_.clone();
}

RequestStatistics RequestImpl::statistics() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return statistics_;
}

}  // namespace leoam
