// LayerAbstracts: what is known in RAM of the full pages of one layer without reading them: key codes, and a
// record with bounds and means for each page and KV head.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "runtime/base/aligned_buffer.h"
#include "runtime/device/device.h"
#include "runtime/kv/tiers.h"

namespace leoam {

// Pages are counted from the first of the sequence. Copies share all blocks until one of them writes.
//
// Thread rule: one thread at a time; copies are independent of each other.
class LayerAbstracts {
 public:
  explicit LayerAbstracts(const kernels::KvLayout& layout)
      : codes_(kernels::key_code_layout(layout)), chunk_{layout.head_dim} {}

  const kernels::KeyCodeLayout& code_layout() const { return codes_; }
  const kernels::ChunkLayout& chunk_layout() const { return chunk_; }
  uint32_t n_pages() const { return n_pages_; }
  // What a block of kernels::kCodeBlock_pages takes.
  uint64_t block_bytes() const { return codes_.block_bytes() + record_stride() * codes_.n_kv_heads; }

  // Room for the next n pages; out: where their abstracts go, in order, without `page`. They count once
  // `commit` is called. `take_room`(bytes) lets the memory of a block be taken. Fails as it does, and with
  // out_of_memory.
  using TakeRoom = std::function<Result<TierShare>(uint64_t bytes)>;
  Status append(uint32_t n, const TakeRoom& take_room, std::vector<PageAbstract>* out);
  void commit(uint32_t n);
  // Forgets pages from n on.
  void truncate(uint32_t n);

  uint32_t n_blocks() const { return (n_pages_ + kernels::kCodeBlock_pages - 1) / kernels::kCodeBlock_pages; }
  const uint8_t* code_block(uint32_t block) const { return blocks_[block]->memory.data(); }
  const uint8_t* record(uint32_t page, uint32_t kv_head) const {
    return records_of(*blocks_[page / kernels::kCodeBlock_pages]) + kv_head * record_stride() +
           page % kernels::kCodeBlock_pages * chunk_.record_bytes();
  }
  // [head_dim]: how far the channels of a KV head reach in a page, on average.
  std::span<const float> ranges(uint32_t kv_head) const {
    return std::span<const float>(ranges_).subspan(size_t{kv_head} * codes_.head_dim, codes_.head_dim);
  }

 private:
  struct Block {
    TierShare room;
    AlignedBuffer memory;  // codes, then records [n_kv_heads][16 pages]
  };
  size_t record_stride() const { return kernels::kCodeBlock_pages * chunk_.record_bytes(); }
  uint8_t* records_of(const Block& block) const {
    return const_cast<uint8_t*>(block.memory.data()) + codes_.block_bytes();
  }
  Status make_writable(uint32_t block, const TakeRoom& take_room);

  kernels::KeyCodeLayout codes_;
  kernels::ChunkLayout chunk_;
  uint32_t n_pages_ = 0;
  std::vector<std::shared_ptr<Block>> blocks_;
  std::vector<float> ranges_;      // [n_kv_heads][head_dim]: mean over the pages that were ever committed
  std::vector<float> new_ranges_;  // [pages being appended][n_kv_heads][head_dim]
  uint64_t n_ranges_ = 0;
};

}  // namespace leoam
