// RequestImpl: a Generation with its receivers: the ring of events, the callback, those who wait.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "runtime/engine/forward.h"
#include "runtime/engine/generation.h"
#include "runtime/engine/request.h"

namespace leoam {

class Engine;

// Thread rule: as Request. The calls under "driver" belong to the scheduler's thread, or to step's.
class RequestImpl final : public Request, public std::enable_shared_from_this<RequestImpl> {
 public:
  // `session` has been marked as in use; the request leaves it when it finishes. On failure the caller leaves
  // it.
  static Result<std::shared_ptr<RequestImpl>> create(Engine& engine, std::shared_ptr<Session> session,
                                                     RequestOptions options);
  ~RequestImpl() override;

  bool poll(Event* event) override;
  int event_fd() const override { return event_fd_; }
  Result<bool> step(uint64_t budget_us) override;
  void cancel() override;
  Status wait(uint64_t timeout_us) override;
  void detach() override;
  FinishReason finish_reason() const override;
  Status status() const override;
  RequestStatistics statistics() const override;

  Delivery delivery() const { return delivery_; }
  const CancelFlag& cancel_flag() const { return cancel_; }

  // Driver.
  Generation& generation() { return *generation_; }
  Session& session() { return *session_; }
  // Room in the ring for everything that one prepare and complete can deliver.
  bool has_room() const;
  // Publishes counts; when the generation has ended, leaves the session and delivers the last event. True
  // then.
  bool settle();
  bool finished() const { return finished_.load(std::memory_order_acquire); }

 private:
  static constexpr size_t kRing = 256;
  struct Slot {
    Event event;
    std::string text;
  };
  RequestImpl(Engine& engine, std::shared_ptr<Session> session)
      : engine_(engine), session_(std::move(session)) {}
  bool deliver(const Event& event);
  bool call_back(const Event& event);
  void push(const Event& event);
  Result<bool> step_until(Deadline deadline);

  Engine& engine_;
  std::shared_ptr<Session> session_;
  Delivery delivery_ = Delivery::poll;
  std::function<bool(const Event&)> on_event_;
  std::unique_ptr<Generation> generation_;
  CancelFlag cancel_;
  int event_fd_ = -1;

  // Step mode: the pass in progress.
  std::atomic<bool> stepping_{false};
  std::optional<ForwardCache::Lease> forward_;
  bool pass_running_ = false;
  uint64_t pass_us_ = 0;

  mutable std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::unique_ptr<std::array<Slot, kRing>> ring_;
  size_t ring_begin_ = 0;
  size_t ring_size_ = 0;
  std::string polled_text_;
  std::thread::id callback_thread_;
  bool in_callback_ = false;
  bool detached_ = false;
  FinishReason reason_ = FinishReason::none;
  Status status_;
  RequestStatistics statistics_;
  std::atomic<bool> finished_{false};
};

}  // namespace leoam
