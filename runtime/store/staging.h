// Staging: memory that transfers go through, in blocks; gives out runs of them without touching the heap.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/store/block_buffer.h"

namespace leoam {

// Thread rule: one thread at a time.
class Staging {
 public:
  // `bytes` is a multiple of kIoBlock_bytes. Fails with out_of_memory.
  static Result<Staging> create(uint64_t bytes);

  std::span<uint8_t> memory() { return blocks_.span(); }
  // Aligned to kIoBlock_bytes; null when no run of free blocks is that long. `bytes` is a multiple of it.
  uint8_t* take(uint64_t bytes);
  void give_back(uint8_t* data, uint64_t bytes);

 private:
  BlockBuffer blocks_;
  std::vector<bool> used_;  // a block each
  size_t search_from_ = 0;
};

}  // namespace leoam
