#include "runtime/engine/scheduler.h"

#include <pthread.h>

#include <algorithm>
#include <new>
#include <system_error>

namespace leoam {
namespace {

// Most sequences that share one decode pass.
constexpr uint32_t kMaxBatch = 32;

// How often a shared pass looks whether one of its requests was cancelled.
constexpr auto kCancelCheck = std::chrono::milliseconds(20);

bool share_a_pass(const Session& a, const Session& b) {
  return &a.model() == &b.model() && a.options().kv_type == b.options().kv_type &&
         a.options().page_tokens == b.options().page_tokens;
}

}  // namespace

Scheduler::~Scheduler() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
    for (const std::shared_ptr<RequestImpl>& request : requests_) request->cancel();
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Status Scheduler::add(std::shared_ptr<RequestImpl> request) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!thread_.joinable()) {
    try {
      thread_ = std::thread([this] { run(); });
    } catch (const std::system_error& failure) {
      request->generation().end(FinishReason::failed, {});
      request->settle();
      return error(ErrorKind::out_of_memory, "cannot start the engine's thread: {}", failure.what());
    }
    pthread_setname_np(thread_.native_handle(), "leoam-engine");
  }
  requests_.push_back(std::move(request));
  changed_ = true;
  added_ = true;
  wake_.notify_all();
  return {};
}

void Scheduler::wake() {
  std::lock_guard<std::mutex> lock(mutex_);
  changed_ = true;
  wake_.notify_all();
}

void Scheduler::run() {
  for (;;) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_ = false;
      std::erase_if(requests_,
                    [](const std::shared_ptr<RequestImpl>& request) { return request->finished(); });
      if (stop_ && requests_.empty()) return;
      current_ = requests_;
      if (std::exchange(added_, false)) most_shared_ = kMaxBatch;
    }
    bool worked = false;
    try {
      worked = run_round(current_);
    } catch (const std::bad_alloc&) {
      // Which request asked for too much is unknown: all of this round end, the engine lives on.
      worked = true;
      for (const std::shared_ptr<RequestImpl>& request : current_) {
        if (request->finished()) continue;
        request->generation().end(FinishReason::failed,
                                  Status(ErrorKind::out_of_memory, "the system is out of memory"));
        request->settle();
      }
    }
    current_.clear();
    if (worked) continue;
    // Nothing can run: every ring is full, or there is no request. A cancelled request with a full ring still
    // has to end, so the wait is bounded while there are any.
    std::unique_lock<std::mutex> lock(mutex_);
    const auto ready = [this] { return changed_ || stop_; };
    if (requests_.empty())
      wake_.wait(lock, ready);
    else
      wake_.wait_for(lock, kCancelCheck, ready);
  }
}

bool Scheduler::run_round(const std::vector<std::shared_ptr<RequestImpl>>& requests) {
  bool worked = false;
  decoding_.clear();
  prompt_.clear();
  for (const std::shared_ptr<RequestImpl>& request : requests) {
    if (request->finished()) continue;
    if (request->cancel_flag().cancelled()) {
      request->generation().end(FinishReason::cancelled, {});
      request->settle();
      worked = true;
    } else if (request->has_room() && !request->generation().in_prefill()) {
      Part part{request.get(), {}};
      worked = true;
      if (request->generation().prepare(1, &part.sequence))
        decoding_.push_back(part);
      else
        request->settle();
    }
  }
  while (!decoding_.empty()) {
    group_.clear();
    const Session& first = decoding_.front().request->session();
    std::erase_if(decoding_, [&](const Part& part) {
      const bool fits = group_.size() < most_shared_ && share_a_pass(part.request->session(), first);
      if (fits) group_.push_back(part);
      return fits;
    });
    run_pass(group_);
  }
  // One piece of one prompt, taking turns.
  for (size_t i = 0; i < requests.size(); ++i) {
    RequestImpl& request = *requests[(next_prompt_ + i) % requests.size()];
    if (request.finished() || !request.has_room() || !request.generation().in_prefill()) continue;
    next_prompt_ = (next_prompt_ + i + 1) % requests.size();
    Part part{&request, {}};
    if (request.generation().prepare(request.session().options().piece_tokens, &part.sequence)) {
      prompt_.push_back(part);
      run_pass(prompt_);
    } else {
      request.settle();
    }
    return true;
  }
  return worked;
}

void Scheduler::run_pass(std::vector<Part>& parts) {
  uint32_t n_tokens = 0;
  for (const Part& part : parts) n_tokens += static_cast<uint32_t>(part.sequence.tokens.size());
  const auto start = std::chrono::steady_clock::now();
  Session& session = parts.front().request->session();
  // A workspace for pieces serves decode passes too, so that one is enough.
  const uint32_t room = std::max({n_tokens, session.options().piece_tokens, kMaxBatch});
  Result<ForwardCache::Lease> forward =
      forwards_.acquire(session.model(), parts.front().sequence.kv->shape().layout, room);
  Status status = forward.ok() ? compute(**forward, parts) : std::move(forward).status();
  const uint64_t us = static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start)
          .count());
  n_passes_.fetch_add(1, std::memory_order_relaxed);
  // What several hold at once in RAM may be more than there is: then fewer share a pass.
  const bool too_many = status.kind() == ErrorKind::no_space && parts.size() > 1;
  if (too_many) most_shared_ = static_cast<uint32_t>(parts.size() + 1) / 2;
  for (Part& part : parts) {
    Generation& generation = part.request->generation();
    if (status.ok()) {
      generation.complete(us, **forward);
    } else if (too_many) {
      generation.abandon();
    } else if (status.kind() == ErrorKind::corrupt) {
      generation.repair(&part.request->cancel_flag());
    } else if (status.kind() != ErrorKind::cancelled) {
      generation.end(FinishReason::failed, status.clone());
    } else if (part.request->cancel_flag().cancelled()) {
      generation.end(FinishReason::cancelled, {});
    } else {
      generation.abandon();  // another request of the pass was cancelled: run again
    }
    part.request->settle();
  }
}

Status Scheduler::compute(Forward& forward, std::vector<Part>& parts) {
  StepSequence sequences[kMaxBatch];
  for (size_t i = 0; i < parts.size(); ++i) sequences[i] = parts[i].sequence;
  // A pass of one request stops inside its operations; a shared one between them.
  const CancelFlag* cancel = parts.size() == 1 ? &parts.front().request->cancel_flag() : nullptr;
  LEOAM_RETURN_IF_ERROR(forward.begin(std::span(sequences, parts.size()), cancel));
  for (;;) {
    LEOAM_ASSIGN_OR_RETURN(const bool done, forward.advance(std::chrono::steady_clock::now() + kCancelCheck));
    if (done) return take_logits(forward, parts);
    for (const Part& part : parts)
      if (part.request->cancel_flag().cancelled())
        return Status(ErrorKind::cancelled, "cancelled by the caller");
  }
}

Status Scheduler::take_logits(Forward& forward, std::vector<Part>& parts) {
  rows_.clear();
  uint32_t end = 0;
  for (Part& part : parts) {
    end += static_cast<uint32_t>(part.sequence.tokens.size());
    if (part.request->generation().wanted_logits()) rows_.push_back(end - 1);
  }
  if (rows_.empty()) return {};
  if (rows_.size() == 1) {
    for (Part& part : parts)
      if (float* out = part.request->generation().wanted_logits()) return forward.logits(rows_, out);
  }
  const size_t n_vocab = forward.model().config().n_vocab;
  if (logits_.size() < rows_.size() * n_vocab) logits_.resize(rows_.size() * n_vocab);
  LEOAM_RETURN_IF_ERROR(forward.logits(rows_, logits_.data()));
  size_t row = 0;
  for (Part& part : parts)
    if (float* out = part.request->generation().wanted_logits())
      std::copy_n(logits_.begin() + static_cast<std::ptrdiff_t>(row++ * n_vocab), n_vocab, out);
  return {};
}

}  // namespace leoam
