// BlockBuffer: memory that files can be read into and written from: whole blocks, aligned to kIoBlock_bytes.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/base/aligned_buffer.h"
#include "runtime/io/writable_file.h"

namespace leoam {

constexpr uint64_t whole_blocks(uint64_t bytes) {
  return (bytes + kIoBlock_bytes - 1) / kIoBlock_bytes * kIoBlock_bytes;
}

class BlockBuffer {
 public:
  BlockBuffer() = default;
  // Room for whole_blocks(bytes), zeros. Fails with out_of_memory.
  static Result<BlockBuffer> create(uint64_t bytes) {
    BlockBuffer blocks;
    LEOAM_ASSIGN_OR_RETURN(blocks.buffer_, AlignedBuffer::allocate(whole_blocks(bytes) + kIoBlock_bytes));
    const uint64_t address = reinterpret_cast<uintptr_t>(blocks.buffer_.data());
    blocks.begin_ = blocks.buffer_.data() + (kIoBlock_bytes - address % kIoBlock_bytes) % kIoBlock_bytes;
    blocks.bytes_ = whole_blocks(bytes);
    return blocks;
  }

  uint8_t* data() const { return begin_; }
  uint64_t bytes() const { return bytes_; }
  std::span<uint8_t> span() const { return {begin_, bytes_}; }
  std::span<uint8_t> first(uint64_t bytes) const { return {begin_, bytes}; }

 private:
  AlignedBuffer buffer_;
  uint8_t* begin_ = nullptr;
  uint64_t bytes_ = 0;
};

}  // namespace leoam
