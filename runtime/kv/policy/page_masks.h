// PageMasks: which granules of each candidate page one KV head attends to, or which of their tokens.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "runtime/kv/policy/policy.h"

namespace leoam {

// Granules are set by `set` and `set_all`; once add_token was called, tokens by that and by set_all.
//
// Thread rule: one thread at a time.
class PageMasks {
 public:
  // Nothing of the pages [first, end) is selected.
  void begin(uint32_t first, uint32_t end, uint32_t page_granules) {
    first_ = first;
    page_granules_ = page_granules;
    all_ = page_granules >= 32 ? UINT32_MAX : (uint32_t{1} << page_granules) - 1;
    masks_.assign(end - first, 0);
    counts_.assign(end - first, 0);
    tokens_.clear();
  }
  void set(uint32_t page, uint32_t mask) {
    masks_[page - first_] = mask;
    counts_[page - first_] = static_cast<uint16_t>(n_bits(mask) * kernels::kGranule_tokens);
  }
  void set_all(uint32_t page) {
    set(page, all_);
    if (!tokens_.empty()) std::fill_n(tokens_of(page), page_granules_, uint8_t{0xff});
  }
  // A token that was not selected before.
  void add_token(uint32_t page, uint32_t slot) {
    if (tokens_.empty()) tokens_.assign(masks_.size() * page_granules_, 0);
    const uint32_t granule = slot / kernels::kGranule_tokens;
    tokens_of(page)[granule] |= static_cast<uint8_t>(1u << slot % kernels::kGranule_tokens);
    masks_[page - first_] |= 1u << granule;
    ++counts_[page - first_];
  }
  uint32_t operator[](uint32_t page) const { return masks_[page - first_]; }
  uint32_t n_tokens(Chunk chunk) const {
    uint32_t n = 0;
    for (uint32_t i = 0; i < chunk.n_pages(); ++i) n += counts_[chunk.first_page() - first_ + i];
    return n;
  }
  void list(Selection::Head* out) const {
    out->granules.clear();
    out->token_masks.clear();
    out->n_tokens = 0;
    for (uint32_t i = 0; i < masks_.size(); ++i) {
      if (masks_[i] == 0) continue;
      out->granules.push_back({first_ + i, masks_[i]});
      out->n_tokens += counts_[i];
      if (tokens_.empty()) continue;
      const auto tokens = tokens_.begin() + static_cast<std::ptrdiff_t>(size_t{i} * page_granules_);
      out->token_masks.insert(out->token_masks.end(), tokens, tokens + page_granules_);
    }
  }

 private:
  // A library's call where the compiler may not count on an instruction.
  static uint32_t n_bits(uint32_t x) {
    x -= x >> 1 & 0x55555555;
    x = (x & 0x33333333) + (x >> 2 & 0x33333333);
    return ((x + (x >> 4)) & 0x0f0f0f0f) * 0x01010101 >> 24;
  }
  uint8_t* tokens_of(uint32_t page) { return &tokens_[size_t{page - first_} * page_granules_]; }

  uint32_t first_ = 0;
  uint32_t page_granules_ = 0;
  uint32_t all_ = 0;
  std::vector<uint32_t> masks_;
  std::vector<uint16_t> counts_;  // tokens of each
  std::vector<uint8_t> tokens_;   // [pages][page_granules]: a bit a token; empty: whole granules
};

}  // namespace leoam
