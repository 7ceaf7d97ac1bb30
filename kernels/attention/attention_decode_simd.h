// Decode attention over pages, over Simd: a page is cut into strips of 16 tokens.
#pragma once

#include "kernels/attention/attention_block_simd.h"
#include "kernels/attention/attention_compact_simd.h"
#include "kernels/attention/visible.h"

namespace leoam::kernels {
namespace {

// 16 slots of a page.
template <class T>
struct PageStrip {
  using Element = T;
  static constexpr uint32_t kRuns = 1;
  static constexpr bool kScaled = sizeof(Element) == 1;
  static constexpr bool kMasked = false;
  // Of f16, a channel of one strip is half a line; of int8 a page of two strips has two channels in one.
  static constexpr uint32_t kStripsOfLine = sizeof(Element) == 4 ? 1 : 2;

  const Element* keys;    // channel 0
  const Element* values;  // slot 0 of the strip
  uint32_t begin;
  uint32_t end;
  ReadBesideCodes beside;

  [[gnu::always_inline]] inline const Element* key(uint32_t) const { return keys; }
  [[gnu::always_inline]] inline const Element* value(uint32_t) const { return values; }
  [[gnu::always_inline]] inline Simd::Float load_key(size_t row, uint32_t v) const {
    return Simd::load(keys + row + v * Simd::kLanes);
  }
  [[gnu::always_inline]] inline Simd::Float key_scales(size_t row, uint32_t v) const {
    return Simd::load_bf16(beside.key_scales + row + v * Simd::kLanes);
  }
  [[gnu::always_inline]] inline const uint16_t* origin(uint32_t) const { return beside.key_origin; }
  [[gnu::always_inline]] inline Simd::Float value_scales(uint32_t v) const {
    return Simd::load_bf16(beside.value_scales + v * Simd::kLanes);
  }
  [[gnu::always_inline]] inline uint32_t run_begin(uint32_t) const { return begin; }
  [[gnu::always_inline]] inline uint32_t run_end(uint32_t) const { return end; }
  [[gnu::always_inline]] inline const Element* value_row(uint32_t, uint32_t head_dim) const {
    return values + size_t{begin} * head_dim;
  }
};

LEOAM_INLINE void add_compact_page(const KvPageRef& page, SlotRange slots, CompactRun* run) {
  for (uint32_t first = slots.begin / kStripTokens * kStripTokens; first < slots.end; first += kStripTokens) {
    const uint32_t begin = slots.begin > first ? slots.begin - first : 0;
    const uint32_t end = slots.end - first < kStripTokens ? slots.end - first : kStripTokens;
    const uint32_t granule = first / kGranule_tokens;
    run->add({run->head_of(page.data), {granule, granule + 1}, (1u << end) - (1u << begin)});
  }
}

template <class Element>
void decode(const AttentionDecodeParams& params, uint32_t kv_head, uint32_t page_begin, uint32_t page_end,
            float* partials) {
  const KvLayout& layout = params.layout;
  const uint32_t group = params.n_heads / layout.n_kv_heads;
  const size_t stride = attention_partial_floats(layout.head_dim);
  start_partials(group, stride, partials);

  BlockWork<PageStrip<Element>> work{layout.head_dim, layout.page_tokens,
                                     params.scale,    params.q + size_t{kv_head} * group * layout.head_dim,
                                     partials,        stride,
                                     nullptr};
  const PositionRange visible = visible_positions(params.position, params.window);
  CompactRun compact(layout, kv_head, group, params.scale, params.q, partials);
  Block<PageStrip<Element>> block;
  block.n_strips = 0;
  const auto flush = [&] {
    if (block.n_strips == 0) return;
    work.next_key = block.strips[0].key(0);
    run_group(group, block, work);
    block.n_strips = 0;
  };
  for (uint32_t p = page_begin; p < page_end; ++p) {
    const KvPageRef& page = params.pages[p];
    const SlotRange slots = visible_slots(page, visible);
    if (slots.begin == slots.end) continue;
    compact.turn_to(page.codec);
    if (page.codec != PageCodec::plain) {
      flush();
      add_compact_page(page, slots, &compact);
      continue;
    }
    const auto* key = reinterpret_cast<const Element*>(page.data + layout.key_offset(kv_head));
    const auto* value = reinterpret_cast<const Element*>(page.data + layout.value_offset(kv_head));
    const ReadBesideCodes beside = ReadBesideCodes::of(layout, page.data, kv_head);
    if constexpr (PageStrip<Element>::kScaled) prefetch(beside.key_scales);
    for (uint32_t first = slots.begin / kStripTokens * kStripTokens; first < slots.end;
         first += kStripTokens) {
      if (block.n_strips == kBlockStrips) {
        work.next_key = key + first;
        run_group(group, block, work);
        block.n_strips = 0;
      }
      const uint32_t end = slots.end - first;
      block.strips[block.n_strips++] = {key + first, value + layout.value_element(first, 0),
                                        slots.begin > first ? slots.begin - first : 0,
                                        end < kStripTokens ? end : kStripTokens, beside.from(first)};
    }
  }
  flush();
  compact.flush();
}

LEOAM_INLINE void attention_decode_simd(const AttentionDecodeParams& params, uint32_t kv_head,
                                        uint32_t page_begin, uint32_t page_end, float* partials) {
  if (params.layout.head_dim > kMaxCompact_channels)
    for (uint32_t p = page_begin; p < page_end; ++p)
      if (params.pages[p].codec != PageCodec::plain)
        return attention_decode_scalar(params, kv_head, page_begin, page_end, partials);
  with_element(params.layout.type,
               [&]<class Element>() { decode<Element>(params, kv_head, page_begin, page_end, partials); });
}

}  // namespace
}  // namespace leoam::kernels
