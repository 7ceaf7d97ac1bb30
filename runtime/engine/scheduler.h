// Scheduler: the one thread of an engine that runs background requests. Decoding sequences of one model share
// a pass, and so the traffic of its weights; between two such passes one piece of one prompt is computed.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/engine/forward.h"
#include "runtime/engine/request_impl.h"

namespace leoam {

// Thread rule: all calls are thread-safe.
class Scheduler {
 public:
  explicit Scheduler(ForwardCache& forwards) : forwards_(forwards) {}
  // Cancels what runs and waits for its thread.
  ~Scheduler();

  // Runs the request to its end. The thread starts with the first one. Fails with out_of_memory when it
  // cannot; then the request is over.
  Status add(std::shared_ptr<RequestImpl> request);
  // A request may have become runnable.
  void wake();
  uint64_t n_passes() const { return n_passes_.load(std::memory_order_relaxed); }

 private:
  struct Part {
    RequestImpl* request;
    StepSequence sequence;
  };
  void run();
  bool run_round(const std::vector<std::shared_ptr<RequestImpl>>& requests);
  void run_pass(std::vector<Part>& parts);
  Status compute(Forward& forward, std::vector<Part>& parts);
  Status take_logits(Forward& forward, std::vector<Part>& parts);

  ForwardCache& forwards_;
  std::mutex mutex_;  // guards requests_, changed_, added_, stop_, thread_
  std::condition_variable wake_;
  std::vector<std::shared_ptr<RequestImpl>> requests_;
  bool changed_ = false;
  bool added_ = false;  // a request
  bool stop_ = false;
  std::thread thread_;
  std::atomic<uint64_t> n_passes_{0};

  // Of the thread alone; kept for their capacity.
  std::vector<std::shared_ptr<RequestImpl>> current_;
  std::vector<Part> decoding_;
  std::vector<Part> group_;
  std::vector<Part> prompt_;
  std::vector<uint32_t> rows_;
  std::vector<float> logits_;
  size_t next_prompt_ = 0;
  uint32_t most_shared_ = 0;  // sequences of a pass, until another request comes: as many as have found room
};

}  // namespace leoam
