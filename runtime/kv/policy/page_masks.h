// PageMasks: which granules of each candidate page one KV head attends to.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "runtime/kv/policy/policy.h"

namespace leoam {

// Thread rule: one thread at a time.
class PageMasks {
 public:
  // Nothing of the pages [first, end) is selected.
  void begin(uint32_t first, uint32_t end, uint32_t page_granules) {
    first_ = first;
    all_ = page_granules >= 32 ? UINT32_MAX : (uint32_t{1} << page_granules) - 1;
    masks_.assign(end - first, 0);
    counts_.assign(end - first, 0);
  }
  void set(uint32_t page, uint32_t mask) {
    masks_[page - first_] = mask;
    counts_[page - first_] = static_cast<uint8_t>(std::popcount(mask));
  }
  void set_all(uint32_t page) { set(page, all_); }
  uint32_t operator[](uint32_t page) const { return masks_[page - first_]; }
  uint32_t n_granules(Chunk chunk) const {
    uint32_t n = 0;
    for (uint32_t i = 0; i < chunk.n_pages(); ++i) n += counts_[chunk.first_page() - first_ + i];
    return n;
  }
  void list(std::vector<PageGranules>* out) const {
    out->clear();
    for (uint32_t i = 0; i < masks_.size(); ++i)
      if (masks_[i] != 0) out->push_back({first_ + i, masks_[i]});
  }

 private:
  uint32_t first_ = 0;
  uint32_t all_ = 0;
  std::vector<uint32_t> masks_;
  std::vector<uint8_t> counts_;  // granules of each
};

}  // namespace leoam
