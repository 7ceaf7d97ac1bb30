// LayerMasses: how much attention each token of one layer has got so far, for each KV head: the sum over all
// queries that attended to it of the mean over the head's group of their softmaxed scores. For policies that
// evict: what has left a head's set never gets any again.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "runtime/base/aligned_buffer.h"
#include "runtime/device/device.h"
#include "runtime/kv/tiers.h"

namespace leoam {

// In RAM, counted under the host budget: 4 bytes a token and KV head, in blocks. Not saved: tokens of which
// nothing is known have mass 0, all alike. A pass that is given up may leave a part of what it has added.
//
// Thread rule: one thread at a time; copies are independent of each other.
class LayerMasses {
 public:
  static constexpr uint32_t kBlock_tokens = kernels::kAttentionCut_tokens;
  // Of a token that was evicted. Whatever is not at least 0 is.
  static constexpr float kEvicted = -1;

  // Tiers must outlive it.
  LayerMasses(Tiers& tiers, const kernels::KvLayout& layout) : tiers_(&tiers), layout_(layout) {}
  // Fails as `grow` does.
  Result<std::unique_ptr<LayerMasses>> copy() const;

  // Room for tokens up to the n-th. Fails with no_space, out_of_memory.
  Status grow(uint64_t n_tokens, const Tiers::Wait& wait);
  // Forgets tokens from n on. The others keep what queries among these have given them.
  void truncate(uint64_t n_tokens);

  // Of tokens from a multiple of page_tokens on, up to the end of the page.
  float* of_page(uint32_t kv_head, uint32_t page) {
    const uint64_t token = uint64_t{page} * layout_.page_tokens;
    return blocks_[token / kBlock_tokens].memory.as<float>() + size_t{kv_head} * kBlock_tokens +
           token % kBlock_tokens;
  }
  // Floats from a KV head's masses of a page to the next one's.
  static constexpr size_t stride() { return kBlock_tokens; }
  // Adds these pages, for the device.
  void list(std::span<const kernels::KvPageRef> pages, std::vector<kernels::AttentionMassPage>* out);

 private:
  struct Block {
    TierShare room;
    AlignedBuffer memory;  // f32 [n_kv_heads][kBlock_tokens], 0 where there is no token yet
  };
  size_t block_bytes() const { return size_t{layout_.n_kv_heads} * kBlock_tokens * sizeof(float); }

  Tiers* tiers_;
  kernels::KvLayout layout_;
  std::vector<Block> blocks_;
};

}  // namespace leoam
