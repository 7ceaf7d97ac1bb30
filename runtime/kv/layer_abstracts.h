// LayerAbstracts: what is known of the full pages of one layer without reading their KV: a tree of chunks.
//
// A chunk of level k is 4^k pages, aligned, all of them full. Each has a record for each KV head
// (kernels/chunk_bounds), pages have key codes too (kernels/key_codes), of the channels that count most. The
// 16 pages of a chunk of level 2 are a block: its records of levels 0 and 1 are a page of the layer's stream
// of records, its codes one of the stream of codes; both come and go through the tiers as KV does. What
// stands above, of level 2 and up, stays in RAM: 0.4 % of the KV of 64 channels.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/cpu_table.h"
#include "runtime/base/aligned_buffer.h"
#include "runtime/device/device.h"
#include "runtime/kv/tiers.h"

namespace leoam {

struct Chunk {
  static constexpr uint32_t kFanOut_log2 = 2;
  static constexpr uint32_t kBlockLevel = 2;

  uint32_t level = 0;
  uint32_t index = 0;

  uint32_t n_pages() const { return 1u << (kFanOut_log2 * level); }
  uint32_t first_page() const { return index << (kFanOut_log2 * level); }
  uint32_t block() const { return index >> (kFanOut_log2 * (kBlockLevel - level)); }  // level <= kBlockLevel
  Chunk child(uint32_t i) const { return {level - 1, (index << kFanOut_log2) + i}; }
  static constexpr uint32_t kChildren = 1u << kFanOut_log2;
  bool operator==(const Chunk&) const = default;
};
static_assert(1u << (Chunk::kFanOut_log2 * Chunk::kBlockLevel) == kernels::kCodeBlock_pages);

// The two parts of a block.
enum class AbstractPart : uint8_t { records, codes };
inline constexpr size_t kAbstractParts = 2;
constexpr PageKind page_kind(AbstractPart part) {
  return part == AbstractPart::records ? PageKind::records : PageKind::codes;
}

// Pages are counted from the first of the sequence. Copies share everything until one of them writes.
//
// Thread rule: one thread at a time; copies are independent of each other.
class LayerAbstracts {
 public:
  // `n_coded`: channels with codes, at most head_dim. `streams`: the numbers of the layer's two. Tiers and
  // table must outlive it.
  LayerAbstracts(Tiers& tiers, const kernels::CpuTable& kernels, const kernels::KvLayout& layout,
                 uint32_t n_coded, const std::array<uint32_t, kAbstractParts>& streams);

  const kernels::KeyCodeLayout& code_layout() const { return codes_; }
  const kernels::ChunkLayout& chunk_layout() const { return chunk_; }
  uint32_t n_pages() const { return n_pages_; }
  // The last one may be partly filled.
  uint32_t n_blocks() const { return static_cast<uint32_t>(blocks(AbstractPart::records).size()); }
  std::span<const PageHandle> blocks(AbstractPart part) const { return blocks_[static_cast<size_t>(part)]; }
  // Of the part's blocks, as Tiers::LayerUse has it.
  uint64_t& seen_epoch(AbstractPart part) { return seen_epochs_[static_cast<size_t>(part)]; }
  uint32_t block_bytes(AbstractPart part) const { return block_bytes_[static_cast<size_t>(part)]; }
  static Stream stream(uint32_t number, AbstractPart part) {
    return {number, Home::ram, part == AbstractPart::records ? Retention::records : Retention::codes};
  }

  // Room for the next n pages, all of one block; out: where their abstracts go, in order, without `page`.
  // They count once `make` has made them. Fails as Tiers::create and open_for_writing do; with corrupt when
  // the block that they continue is damaged.
  Status append(uint32_t n, const Tiers::Wait& wait, std::vector<PageAbstract>* out);
  // The abstracts of all pages of the last `append`, which are in the device's memory, and of the chunks that
  // are full now. The first page decides which channels have codes: the heaviest of `weights` [n_kv_heads]
  // [head_dim], or without these those in which its own keys reach farthest. Fails as Device::summarize does.
  Status make(Device& device, std::span<PageAbstract> pages, std::span<const float> weights);
  // Forgets pages from n on, or more.
  void truncate(uint32_t n);
  // Forgets what was found damaged, and what is behind it; false: nothing was.
  bool forget_damaged();

  // [n_kv_heads] records, record_stride() apart. Those of a level below kBlockLevel are in their block's
  // records, which must be held.
  const uint8_t* records(Chunk chunk) const {
    if (chunk.level >= Chunk::kBlockLevel)
      return nodes_[chunk.level - Chunk::kBlockLevel][chunk.index]->memory.data();
    const uint32_t slot = chunk.level == 0 ? chunk.index % kernels::kCodeBlock_pages
                                           : kernels::kCodeBlock_pages + chunk.index % Chunk::kChildren;
    return data(AbstractPart::records, chunk.block()) + slot * chunk_.record_bytes();
  }
  const uint8_t* record(Chunk chunk, uint32_t kv_head) const {
    return records(chunk) + kv_head * record_stride(chunk.level);
  }
  // Of a block whose codes are held.
  const uint8_t* codes(uint32_t block) const { return data(AbstractPart::codes, block); }
  // [n_coded]: those with codes, ascending. There is a page at least.
  std::span<const uint32_t> channels(uint32_t kv_head) const {
    return std::span<const uint32_t>(channels_).subspan(size_t{kv_head} * codes_.n_coded, codes_.n_coded);
  }

  // What stands above blocks leaves RAM, where make_tops brings it back: until then nothing but the calls
  // before `make`, `truncate` and those of blocks may be used. Fails as Tiers::pin does, and for want of
  // room.
  void drop_tops() { nodes_.clear(); }
  Status make_tops(const Tiers::Wait& wait);
  bool has_tops() const { return n_tops() == n_pages_ / kernels::kCodeBlock_pages; }

  // What is above blocks and which channels have codes, as bytes, and back: `adopt` makes a layer of these
  // and of blocks in a file. Empty: no block is full. Fails with corrupt when they do not fit each other or
  // n_most_pages.
  std::vector<uint8_t> encode() const;
  Status adopt(std::span<const uint8_t> bytes, uint32_t n_most_pages, const Tiers::Wait& wait,
               std::array<std::vector<PageHandle>, kAbstractParts> blocks);

 private:
  // Records of levels 0 and 1 of one KV head in a block.
  static constexpr uint32_t kHeadRecords =
      kernels::kCodeBlock_pages + kernels::kCodeBlock_pages / Chunk::kChildren;
  // A chunk of kBlockLevel or above.
  struct Node {
    TierShare room;
    AlignedBuffer memory;  // records [n_kv_heads]
  };
  size_t record_stride(uint32_t level) const {
    return chunk_.record_bytes() * (level < Chunk::kBlockLevel ? kHeadRecords : 1);
  }
  size_t node_bytes() const { return codes_.n_kv_heads * chunk_.record_bytes(); }
  uint8_t* data(AbstractPart part, uint32_t block) const { return tiers_->data(*blocks(part)[block].get()); }
  // Whether they are those of all heads.
  bool are_channels(std::span<const uint32_t> channels) const;
  Status choose_channels(Device& device, const PageAbstract& first, std::span<const float> weights);
  uint32_t n_tops() const { return nodes_.empty() ? 0 : static_cast<uint32_t>(nodes_[0].size()); }
  // Nodes of the chunks that end with a block, to be filled once its records are there.
  Status take_nodes(uint32_t block, const Tiers::Wait& wait);
  void fill_nodes();
  void merge(Chunk chunk, uint8_t* records) const;
  Result<std::shared_ptr<Node>> make_node(const Tiers::Wait& wait) const;

  Tiers* tiers_;
  const kernels::CpuTable* kernels_;
  kernels::KvLayout layout_;
  kernels::KeyCodeLayout codes_;
  kernels::ChunkLayout chunk_;
  Stream streams_[kAbstractParts];
  uint32_t block_bytes_[kAbstractParts];
  uint32_t n_pages_ = 0;
  std::array<std::vector<PageHandle>, kAbstractParts> blocks_;
  std::array<uint64_t, kAbstractParts> seen_epochs_ = {};  // 0 when blocks_ changed
  std::vector<std::vector<std::shared_ptr<Node>>> nodes_;  // [level - kBlockLevel][index]
  std::vector<std::shared_ptr<Node>> next_nodes_;          // [level - kBlockLevel]: taken, not filled yet
  std::vector<uint32_t> channels_;                         // [n_kv_heads][n_coded]
};

}  // namespace leoam
