// Shares of attention added up by key, over Simd: scores again, as prefill computes them, and what they come
// to beside the sums of their rows.
#pragma once

#include "kernels/attention/attention_prefill_simd.h"

namespace leoam::kernels {
namespace {

// What a block of keys gets.
template <class Element>
struct MassBlock {
  KeyBlock<Element> keys;
  float* mass[kMaxBlockStrips];                                 // of each strip's first token
  alignas(64) float sums[kMaxBlockStrips * kStripTokens] = {};  // of all rows
};

template <uint32_t kRows, class Element>
void add_shares(const RowChunk& chunk, RowGroup rows, const float* log_sums, MassBlock<Element>& block) {
  const StripRange range = score_rows<kRows>(chunk, block.keys, rows);
  for (uint32_t r = 0; r < rows.n_rows; ++r) {
    const uint32_t row = rows.first_row + r;
    float* scores = chunk.scores + r * kPrefillScoreStride;
    if (!mask_row(block.keys, range, chunk.visible(row), scores)) continue;
    const Simd::Float log_sum = Simd::broadcast(log_sums[chunk.head_of(row)] * kLog2E);
    for (uint32_t t = range.begin * kStripTokens; t < range.end * kStripTokens; t += Simd::kLanes) {
      const Simd::Float share = exp2_negative(Simd::min(Simd::zero(), Simd::load(scores + t) - log_sum));
      Simd::store(block.sums + t, Simd::load(block.sums + t) + share);
    }
  }
}

template <class Element>
void add_block(RowChunk& chunk, const AttentionMassParams& params, MassBlock<Element>& block) {
  if (block.keys.n_strips == 0) return;
  convert_keys(block.keys, params.layout, chunk.key);
  const int64_t before = int64_t{block.keys.strips[0].first_position} - params.first_position;
  const uint32_t rows_of_tile = kPrefillTile_tokens * chunk.group;
  const uint32_t step = rows_of_tile < kPrefillRows ? rows_of_tile : kPrefillRows;
  const uint32_t row_end = params.n_tokens * chunk.group;
  // Rows before do not see the block.
  const uint32_t row_begin = before > 0 ? static_cast<uint32_t>(before) * chunk.group : 0;
  for (uint32_t row = row_begin; row < row_end; row += step) {
    chunk.row_begin = row;
    chunk.n_rows = row_end - row < step ? row_end - row : step;
    for_each_group(chunk.n_rows, [&]<uint32_t kRows>(RowGroup rows) {
      pack_queries<kRows>(chunk, rows);
      add_shares<kRows>(chunk, rows, params.log_sums, block);
    });
  }
  const float part = 1.0f / static_cast<float>(chunk.group);
  for (uint32_t s = 0; s < block.keys.n_strips; ++s) {
    for (uint32_t t = 0; t < block.keys.strips[s].n_tokens; ++t) {
      float& sum = block.sums[s * kStripTokens + t];
      if (block.mass[s][t] >= 0) block.mass[s][t] += sum * part;
      sum = 0;
    }
  }
  block.keys.n_strips = 0;
}

// A strip of which all is evicted is not looked at.
LEOAM_INLINE bool counts_any(const float* mass, uint32_t n_tokens) {
  for (uint32_t t = 0; t < n_tokens; ++t)
    if (mass[t] >= 0) return true;
  return false;
}

template <class Element>
void add_pages(RowChunk& chunk, const AttentionMassParams& params, uint32_t page_begin, uint32_t page_end) {
  const KvLayout& layout = params.layout;
  const uint32_t most_strips = prefill_block_tokens(layout.head_dim) / kStripTokens;
  MassBlock<Element> block;
  for (uint32_t p = page_begin; p < page_end; ++p) {
    const KvPageRef& page = params.pages[p].page;
    float* const mass = params.pages[p].mass + chunk.kv_head * params.mass_stride;
    const auto n_tokens = static_cast<uint32_t>(page.n_tokens);
    for (uint32_t slot = 0; slot < n_tokens; slot += kStripTokens) {
      const uint32_t valid = n_tokens - slot < kStripTokens ? n_tokens - slot : kStripTokens;
      if (!counts_any(mass + slot, valid)) continue;
      if (block.keys.n_strips == most_strips) add_block(chunk, params, block);
      block.mass[block.keys.n_strips] = mass + slot;
      block.keys.strips[block.keys.n_strips++] = KeyStrip<Element>::of(layout, page, chunk.kv_head, slot);
    }
  }
  add_block(chunk, params, block);
}

LEOAM_INLINE void attention_mass_simd(const AttentionMassParams& params, uint32_t kv_head,
                                      uint32_t page_begin, uint32_t page_end, uint8_t* scratch) {
  AttentionPrefillParams rows;
  rows.layout = params.layout;
  rows.n_heads = params.n_heads;
  rows.scale = params.scale;
  rows.q = params.q;
  rows.q_stride = params.q_stride;
  rows.n_tokens = params.n_tokens;
  rows.first_position = params.first_position;
  const uint32_t group = params.n_heads / params.layout.n_kv_heads;
  const PrefillScratch places = prefill_scratch(params.layout.head_dim, kPrefillTile_tokens * group);
  const auto at = [scratch](size_t offset) { return reinterpret_cast<float*>(scratch + offset); };
  RowChunk chunk{&rows,   kv_head,           group,   0,      0, at(places.query), nullptr, at(places.key),
                 nullptr, at(places.scores), nullptr, nullptr};
  with_element(params.layout.type,
               [&]<class Element>() { add_pages<Element>(chunk, params, page_begin, page_end); });
}

}  // namespace
}  // namespace leoam::kernels
