// Staging: memory that transfers go through, in blocks; gives out runs of them without touching the heap.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/base/aligned_buffer.h"
#include "runtime/io/writable_file.h"

namespace leoam {

// Thread rule: one thread at a time.
class Staging {
 public:
  // `bytes` is a multiple of kIoBlock_bytes. Fails with out_of_memory.
  static Result<Staging> create(uint64_t bytes);

  std::span<uint8_t> memory() { return {base_, bytes_}; }
  // Aligned to kIoBlock_bytes; null when no run of free blocks is that long. `bytes` is a multiple of it.
  uint8_t* take(uint64_t bytes);
  void give_back(uint8_t* data, uint64_t bytes);

 private:
  AlignedBuffer buffer_;
  uint8_t* base_ = nullptr;
  uint64_t bytes_ = 0;
  std::vector<bool> used_;  // a block each
  size_t search_from_ = 0;
};

}  // namespace leoam
