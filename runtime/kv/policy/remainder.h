// Remainder: what one KV head does not attend to, as chunks: estimated by their means, bounded by their
// bounds, taken back until it is certain to weigh little.
#pragma once

#include <span>
#include <vector>

#include "runtime/kv/policy/chunk_search.h"
#include "runtime/kv/policy/page_masks.h"

namespace leoam {

// Thread rule: one thread at a time.
class Remainder {
 public:
  // All chunks that the search has found, of which `masks` says what is selected.
  void begin(const ChunkSearch& search, uint32_t group);
  // Each chunk that counts(chunk), of which nothing is selected; of others their children likewise, down to
  // pages. Records of the chunks and of what is below them are held.
  template <class Counts>
  void estimate(const LayerAbstracts& abstracts, uint32_t kv_head, const PageMasks& masks,
                const Counts& counts, std::vector<kernels::AttentionEstimate>* out) const {
    for (const ChunkSearch::Found& found : chunks_)
      if (counts(found.chunk)) estimate(abstracts, kv_head, found.chunk, masks, out);
  }
  // outside [group]: log of what sum exp(score) of all tokens that are not selected is at most.
  void bound(const ChunkSearch& search, const PageMasks& masks, uint32_t page_tokens,
             std::span<float> outside);
  // Selects pages, those first that may weigh most, until for each head of the group the rest is certain to
  // be at most 1 - floor of everything. inside [group]: log of sum exp(score) of what is selected so far,
  // fixed tokens included. All records are held.
  void widen(const kernels::CpuTable& kernels, std::span<const float> inside, double floor,
             uint32_t page_tokens, ChunkSearch& search, PageMasks* masks);

 private:
  void estimate(const LayerAbstracts& abstracts, uint32_t kv_head, Chunk chunk, const PageMasks& masks,
                std::vector<kernels::AttentionEstimate>* out) const;
  uint32_t n_left(Chunk chunk, const PageMasks& masks, uint32_t page_tokens) const {
    return chunk.n_pages() * page_tokens - masks.n_tokens(chunk);
  }

  uint32_t group_ = 0;
  std::vector<ChunkSearch::Found> chunks_;
  std::vector<ChunkSearch::Found> children_;
  std::vector<float> left_;  // tokens of each chunk
};

}  // namespace leoam
