// ThreadQueue: the IoQueue of systems without io_uring: threads that read and write.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "runtime/io/io_queue.h"

namespace leoam {

// Works with every WritableFile.
class ThreadQueue final : public IoQueue {
 public:
  static constexpr uint32_t kMaxThreads = 8;

  // Starts min(depth, 8) threads, or as many as the system gives; fails with out_of_memory when it gives
  // none.
  static Result<std::unique_ptr<IoQueue>> create(uint32_t depth);
  ~ThreadQueue() override;

  uint32_t depth() const override { return depth_; }
  uint32_t n_in_flight() const override { return n_in_flight_; }
  void submit(std::span<IoRequest* const> requests) override;
  void reap(bool wait, std::vector<IoRequest*>* done) override;

 private:
  explicit ThreadQueue(uint32_t depth);
  void work();

  const uint32_t depth_;
  uint32_t n_in_flight_ = 0;  // of the caller's thread
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable work_ready_;
  std::condition_variable work_done_;
  std::vector<IoRequest*> waiting_;  // [depth], a ring
  uint32_t first_ = 0;
  uint32_t n_waiting_ = 0;
  std::vector<IoRequest*> done_;
  bool stop_ = false;
};

}  // namespace leoam
