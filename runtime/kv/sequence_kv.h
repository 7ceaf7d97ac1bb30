// SequenceKv: the KV pages of one sequence, layer by layer.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/kv_layout.h"
#include "runtime/base/status.h"
#include "runtime/kv/page_pool.h"

namespace leoam {

// Geometry of a model's KV. `windows` [n_layers]: 0 for global layers, else the layer's sliding window, of
// which only the pages that it still reaches are kept.
struct KvShape {
  kernels::KvLayout layout;
  std::vector<uint32_t> windows;
};

// Tokens are reserved, written by a step, then committed or rolled back. Copies share all pages (a fork); the
// page that a copy writes next is copied first.
//
// Thread rule: one thread at a time; copies are independent of each other.
class SequenceKv {
 public:
  // `pool` must outlive the sequence. Page lists have room for capacity_tokens from the start, so that
  // growing up to there allocates pages only.
  SequenceKv(PagePool& pool, KvShape shape, uint64_t capacity_tokens);

  const KvShape& shape() const { return shape_; }
  uint64_t n_tokens() const { return n_tokens_; }
  // KV bytes of the pages that this sequence holds, shared ones included.
  uint64_t bytes() const { return n_pages_ * shape_.layout.page_bytes(); }
  // KV bytes that attention of the newest token reads.
  uint64_t visible_bytes() const;

  // Room for n tokens behind n_tokens() in every layer, once before each commit or rollback. All or nothing.
  // Fails with no_space, out_of_memory.
  Status reserve(uint32_t n);
  // Pages of a layer in ascending positions, from the first one kept to the last reserved token. Valid until
  // the next call that changes the sequence.
  std::span<const kernels::KvPageRef> pages(uint32_t layer) const { return layers_[layer].refs; }
  // The reserved tokens are in place now; pages that no window reaches any more are dropped.
  void commit();
  // Gives the reserved tokens up.
  void rollback();
  // Drops tokens from n on. Fails with invalid_argument beyond the end, with unsupported when a sliding layer
  // no longer has the window before n (0 always works); then nothing changes.
  Status truncate(uint64_t n);

 private:
  struct Layer {
    std::vector<PageHandle> pages;
    std::vector<kernels::KvPageRef> refs;  // one a page
    uint64_t first_page = 0;               // page number (position / page_tokens) of pages[0]
  };
  uint64_t page_count(uint64_t n_tokens) const {
    return (n_tokens + shape_.layout.page_tokens - 1) / shape_.layout.page_tokens;
  }
  bool tail_is_shared(const Layer& layer) const;
  // Drops pages behind the first n tokens and sets the token counts of the rest.
  void cut(uint64_t n);
  void drop_out_of_window(Layer& layer, uint32_t window);

  PagePool* pool_;
  KvShape shape_;
  std::vector<Layer> layers_;
  std::vector<PageHandle> fresh_;  // between allocation and placement; kept for its capacity
  uint64_t n_tokens_ = 0;
  uint64_t n_reserved_ = 0;
  uint64_t n_pages_ = 0;
};

}  // namespace leoam
