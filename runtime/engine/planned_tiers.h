// PlannedTiers: how the tiers would place the KV of one session; the arithmetic of runtime/kv without its
// pages.
#pragma once

#include <cstdint>

#include "kernels/page_codec/page_codec_layout.h"
#include "runtime/model/model_config.h"

namespace leoam {

// Sums and products that stop at UINT64_MAX.
uint64_t bounded_sum(uint64_t a, uint64_t b);
uint64_t bounded_product(uint64_t a, uint64_t b);

// Contexts of up to INT32_MAX tokens. None of these falls when the context grows.
class PlannedTiers {
 public:
  // Budgets as in PlanRequest; `config` outlives it. `codec`: of pages that are old enough.
  PlannedTiers(const ModelConfig& config, const kernels::KvLayout& layout, kernels::PageCodec codec,
               uint64_t piece_tokens, uint64_t host_budget_bytes, uint64_t disk_budget_bytes);

  // Pages that are kept of a context; `passing_tokens` of it belong to a pass that is not committed yet.
  uint64_t n_pages(uint64_t n_tokens, uint64_t passing_tokens) const;
  uint64_t kv_bytes(uint64_t n_tokens) const {
    return bounded_sum(bounded_product(n_pages(n_tokens, 0), page_bytes_), plain_bytes(n_tokens, 0));
  }
  // In RAM, when all of it is there.
  uint64_t ram_bytes(uint64_t n_tokens) const;
  bool fits_ram(uint64_t n_tokens) const;
  bool fits_with_disk(uint64_t n_tokens) const;

  // Pages are written to disk before RAM is short.
  bool writes(uint64_t n_tokens) const { return has_disk_ && ram_bytes(n_tokens) > host_budget_ / 4 * 3; }
  uint64_t host_bytes(uint64_t n_tokens) const;
  uint64_t scratch_file_bytes(uint64_t n_tokens) const;
  uint64_t written_bytes(uint64_t n_tokens) const;
  uint64_t session_file_bytes(uint64_t n_tokens, uint32_t n_vocab) const;
  // From disk, for one pass behind n_tokens of which `passing_tokens` are its own.
  uint64_t read_bytes(uint64_t n_tokens, uint64_t passing_tokens) const;

  // Reads of 128 KiB that the memory of transfers has room for at once.
  double reads_at_once() const { return static_cast<double>(staging_bytes()) / (128 << 10); }

  // The longest context, at most INT32_MAX, that `fits` accepts.
  template <class Fits>
  static uint64_t longest(const Fits& fits) {
    uint64_t low = 0;
    for (uint64_t high = INT32_MAX; low < high;) {
      const uint64_t middle = low + (high - low + 1) / 2;
      if (fits(middle)) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return low;
  }

 private:
  // What pages that are still plain take beyond page_bytes_.
  uint64_t plain_bytes(uint64_t n_tokens, uint64_t passing_tokens) const;
  uint64_t pages_of(uint64_t n_tokens) const { return (n_tokens + page_tokens_ - 1) / page_tokens_; }
  uint64_t window_pages() const { return pages_of(window_tokens_) + 1; }
  uint64_t staging_bytes() const;
  // What must be in RAM when all that may leave has left.
  uint64_t least_ram_bytes(uint64_t n_tokens) const;
  // A file that has grown until `bytes` fit behind its head.
  static uint64_t file_bytes(uint64_t head_bytes, uint64_t bytes);

  uint64_t page_tokens_;
  uint64_t page_bytes_;
  uint64_t plain_extra_bytes_;  // of a page
  uint64_t stored_bytes_;       // of a page, on disk
  uint64_t piece_tokens_;
  uint64_t n_global_layers_ = 0;
  uint64_t n_sliding_layers_ = 0;
  uint64_t window_tokens_;
  uint64_t host_budget_;
  uint64_t disk_budget_;
  bool has_disk_;
};

}  // namespace leoam
