// How fast this machine's memory can be read now: the floor of decoding.
#pragma once

#include <cstdint>
#include <vector>

namespace leoam::cli {

class MemoryBandwidth {
 public:
  // Reads a block far larger than the caches with n_threads threads.
  explicit MemoryBandwidth(uint32_t n_threads);
  // Bytes a second of one pass.
  double measure();

 private:
  uint32_t n_threads_;
  std::vector<uint64_t> block_;
  uint64_t sink_ = 0;
};

}  // namespace leoam::cli
