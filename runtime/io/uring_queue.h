// UringQueue: the IoQueue over io_uring, with registered files and a registered staging buffer.
#pragma once

#include <liburing.h>

#include <memory>

#include "runtime/io/io_queue.h"
#include "runtime/io/registered_files.h"

namespace leoam {

// Files are OsFiles. Completions are taken from the ring by the thread that reaps; the queue's rule (one
// thread at a time) orders them for every thread, and for ThreadSanitizer.
class UringQueue final : public IoQueue {
 public:
  struct Outcome {
    std::unique_ptr<UringQueue> queue;  // null: refused
    int refusal = 0;                    // of the ring
    int staging_refusal = 0;            // of the registered buffer; 0 also when there is no staging
  };
  static Outcome create(uint32_t depth, std::span<uint8_t> staging);
  ~UringQueue() override;

  uint32_t depth() const override { return depth_; }
  uint32_t n_in_flight() const override { return n_with_kernel_ + static_cast<uint32_t>(finished_.size()); }
  void submit(std::span<IoRequest* const> requests) override;
  void reap(bool wait, std::vector<IoRequest*>* done) override;

 private:
  explicit UringQueue(uint32_t depth) : depth_(depth) {}
  void prepare(IoRequest* request);
  void give_to_kernel(uint32_t n_prepared);
  void take_back(int result);
  void take_completions(std::vector<IoRequest*>* done);
  void wait_for_one();
  void finish(IoRequest* request, int result);

  const uint32_t depth_;
  io_uring ring_ = {};
  bool ring_open_ = false;
  std::shared_ptr<RegisteredFiles> files_;  // null: refused
  std::span<uint8_t> staging_;              // empty: not registered
  uint32_t n_with_kernel_ = 0;
  uint32_t n_writes_ = 0;  // of those
  std::vector<IoRequest*> finished_;
};

}  // namespace leoam
