// SynchronousQueue: an IoQueue that carries requests out when they are submitted.
#pragma once

#include <vector>

#include "runtime/io/transfer.h"

namespace leoam::testing {

class SynchronousQueue final : public IoQueue {
 public:
  explicit SynchronousQueue(uint32_t depth) : depth_(depth) {}

  uint32_t depth() const override { return depth_; }
  uint32_t n_in_flight() const override { return static_cast<uint32_t>(finished_.size()); }
  void submit(std::span<IoRequest* const> requests) override {
    for (IoRequest* const request : requests) {
      request->status = transfer(*request);
      finished_.push_back(request);
    }
  }
  void reap(bool /*wait*/, std::vector<IoRequest*>* done) override {
    done->insert(done->end(), finished_.begin(), finished_.end());
    finished_.clear();
  }

 private:
  const uint32_t depth_;
  std::vector<IoRequest*> finished_;
};

}  // namespace leoam::testing
