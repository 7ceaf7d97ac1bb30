// SequenceKv: the KV pages of one sequence, layer by layer.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/kv_layout.h"
#include "runtime/base/status.h"
#include "runtime/kv/page_pool.h"

namespace leoam {

// Geometry of a model's KV. `windows` [n_layers]: 0 for global layers, else the layer's sliding window: only
// the pages that the window still reaches are kept.
struct KvShape {
  kernels::KvLayout layout;
  std::vector<uint32_t> windows;
  uint32_t n_layers() const { return static_cast<uint32_t>(windows.size()); }
};

// Thread rule: one thread at a time.
class SequenceKv {
 public:
  SequenceKv(PagePool& pool, KvShape shape);

  const KvShape& shape() const { return shape_; }
  uint64_t n_tokens() const { return n_tokens_; }
  uint64_t bytes() const { return n_pages_ * shape_.layout.page_bytes(); }

  // Makes room for n tokens behind n_tokens() in every layer; a shared tail is copied first. All or nothing.
  // Fails with no_space or out_of_memory. `capacity_tokens`: room for page lists up to that length is kept,
  // so later calls do not allocate lists.
  Status reserve(uint32_t n);
  // The page list of a layer, n_tokens() + reserved tokens long; the step writes the new ones. Valid until
  // the next reserve, commit or truncate.
  std::span<const kernels::KvPageRef> pages(uint32_t layer) const { return layers_[layer].refs; }
  // Tokens [n_tokens(), n_tokens() + n) are now in place; pages out of a layer's window are dropped.
  void commit(uint32_t n);
  // Gives back what reserve took and commit did not keep.
  void rollback();
  // Drops tokens from `n` on. Fails with unsupported when a sliding layer no longer has the window before n.
  Status truncate(uint64_t n);
  // A sequence that shares all pages.
  SequenceKv fork() const { return *this; }

 private:
  struct Layer {
    std::vector<PageHandle> pages;
    std::vector<kernels::KvPageRef> refs;
    uint64_t first_page = 0;  // page index (position / page_tokens) of pages[0]
  };
  void set_lengths(uint64_t n_tokens);

  PagePool* pool_;
  KvShape shape_;
  std::vector<Layer> layers_;
  std::vector<PageHandle> spare_;
  uint64_t n_tokens_ = 0;
  uint64_t n_reserved_ = 0;
  uint64_t n_pages_ = 0;
};

}  // namespace leoam
