// Decode attention over granules, or over some of their tokens, over Simd: a strip is two granules, wherever
// they stand.
#pragma once

#include "kernels/attention/attention_block_simd.h"
#include "kernels/attention/attention_compact_simd.h"

namespace leoam::kernels {
namespace {

template <class T>
struct GranuleStrip {
  using Element = T;
  static constexpr uint32_t kRuns = kStripTokens / kGranule_tokens;
  static constexpr bool kScaled = sizeof(Element) == 1;
  static constexpr bool kMasked = false;
  // Of each strip both places are prefetched.
  static constexpr uint32_t kStripsOfLine = 1;
  static constexpr uint32_t begin = 0;

  const Element* keys[kRuns];    // channel 0
  const Element* values[kRuns];  // the granule's first token
  ReadBesideCodes beside[kRuns];
  uint32_t end;  // 8 when there is one granule: then the other is the same

  [[gnu::always_inline]] inline const Element* key(uint32_t run) const { return keys[run]; }
  [[gnu::always_inline]] inline const Element* value(uint32_t run) const { return values[run]; }
  [[gnu::always_inline]] inline Simd::Float load_key(size_t row, uint32_t v) const {
    return Simd::load_eights(keys, row, v);
  }
  [[gnu::always_inline]] inline Simd::Float key_scales(size_t row, uint32_t v) const {
    return Simd::load_bf16_eights({beside[0].key_scales, beside[1].key_scales}, row, v);
  }
  [[gnu::always_inline]] inline Simd::Float value_scales(uint32_t v) const {
    return Simd::load_bf16_eights({beside[0].value_scales, beside[1].value_scales}, 0, v);
  }
  [[gnu::always_inline]] inline const uint16_t* origin(uint32_t run) const { return beside[run].key_origin; }
  [[gnu::always_inline]] inline uint32_t run_begin(uint32_t run) const { return run * kGranule_tokens; }
  [[gnu::always_inline]] inline uint32_t run_end(uint32_t run) const {
    return run * kGranule_tokens < end ? (run + 1) * kGranule_tokens : run * kGranule_tokens;
  }
  [[gnu::always_inline]] inline const Element* value_row(uint32_t run, uint32_t) const { return values[run]; }
};

// Some tokens of two granules.
template <class T>
struct TokenStrip : GranuleStrip<T> {
  static constexpr bool kMasked = true;
  uint32_t mask;
};

// Which tokens of a granule count, a bit each.
template <class Strip>
LEOAM_INLINE uint32_t counting_tokens(const AttentionGranulesParams& params, uint32_t entry,
                                      uint32_t granule) {
  if constexpr (!Strip::kMasked) return 0xff;
  return params.token_masks[size_t{entry} * (params.layout.page_tokens / kGranule_tokens) + granule];
}

// Strips of a compact page are of this page alone, for its keys share what they are multiplied with.
template <class Strip>
void add_compact_granules(const AttentionGranulesParams& params, uint32_t index, CompactRun* run) {
  const KvGranules& entry = params.granules[index];
  CompactStrip strip{run->head_of(entry.page), {0, 0}, 0};
  for (uint32_t mask = entry.mask; mask != 0; mask &= mask - 1) {
    const auto granule = static_cast<uint32_t>(__builtin_ctz(mask));
    const uint32_t tokens = counting_tokens<Strip>(params, index, granule);
    if (tokens == 0) continue;
    if (strip.mask == 0) {
      strip.granules[0] = strip.granules[1] = granule;
      strip.mask = tokens;
      continue;
    }
    strip.granules[1] = granule;
    strip.mask |= tokens << kGranule_tokens;
    run->add(strip);
    strip.mask = 0;
  }
  if (strip.mask != 0) run->add(strip);
}

template <class Strip>
void attend_granules(const AttentionGranulesParams& params, uint32_t kv_head, float* partials) {
  using Element = typename Strip::Element;
  const KvLayout& layout = params.layout;
  const uint32_t group = params.n_heads / layout.n_kv_heads;
  const size_t stride = attention_partial_floats(layout.head_dim);
  start_partials(group, stride, partials);
  BlockWork<Strip> work{layout.head_dim, layout.page_tokens,
                        params.scale,    params.q + size_t{kv_head} * group * layout.head_dim,
                        partials,        stride,
                        nullptr};
  CompactRun compact(layout, kv_head, group, params.scale, params.q, partials);
  Block<Strip> block;
  uint32_t n_granules = 0;
  const auto flush = [&] {
    if (n_granules == 0) return;
    block.n_strips = (n_granules + 1) / 2;
    if (n_granules % 2 != 0) {
      Strip& last = block.strips[n_granules / 2];
      last.keys[1] = last.keys[0];
      last.values[1] = last.values[0];
      last.beside[1] = last.beside[0];
    }
    work.next_key = block.strips[0].keys[0];
    run_group(group, block, work);
    n_granules = 0;
  };
  for (uint32_t i = 0; i < params.n_granules; ++i) {
    const KvGranules& entry = params.granules[i];
    if (entry.mask == 0) continue;
    compact.turn_to(entry.codec);
    if (entry.codec != PageCodec::plain) {
      flush();
      add_compact_granules<Strip>(params, i, &compact);
      continue;
    }
    const auto* key = reinterpret_cast<const Element*>(entry.page + layout.key_offset(kv_head));
    const auto* value = reinterpret_cast<const Element*>(entry.page + layout.value_offset(kv_head));
    const ReadBesideCodes beside = ReadBesideCodes::of(layout, entry.page, kv_head);
    if constexpr (Strip::kScaled) prefetch(beside.key_scales);
    for (uint32_t mask = entry.mask; mask != 0; mask &= mask - 1) {
      const auto granule = static_cast<uint32_t>(__builtin_ctz(mask));
      const uint32_t slot = granule * kGranule_tokens;
      const uint32_t tokens = counting_tokens<Strip>(params, i, granule);
      if (tokens == 0) continue;
      if (n_granules == kBlockTokens / kGranule_tokens) {
        block.n_strips = kBlockStrips;
        work.next_key = key + slot;
        run_group(group, block, work);
        n_granules = 0;
      }
      Strip& strip = block.strips[n_granules / 2];
      strip.keys[n_granules % 2] = key + slot;
      strip.values[n_granules % 2] = value + layout.value_element(slot, 0);
      strip.beside[n_granules % 2] = beside.from(slot);
      strip.end = (n_granules % 2 + 1) * kGranule_tokens;
      if constexpr (Strip::kMasked) {
        strip.mask = n_granules % 2 == 0 ? tokens : strip.mask | tokens << kGranule_tokens;
      }
      ++n_granules;
    }
  }
  flush();
  compact.flush();
}

// Whether the scalar kernels must do it.
LEOAM_INLINE bool too_wide(const AttentionGranulesParams& params) {
  if (params.layout.head_dim <= kMaxCompact_channels) return false;
  for (uint32_t i = 0; i < params.n_granules; ++i)
    if (params.granules[i].codec != PageCodec::plain) return true;
  return false;
}

LEOAM_INLINE void attention_granules_simd(const AttentionGranulesParams& params, uint32_t kv_head,
                                          float* partials) {
  if (too_wide(params)) return attention_granules_scalar(params, kv_head, partials);
  with_element(params.layout.type,
               [&]<class Element>() { attend_granules<GranuleStrip<Element>>(params, kv_head, partials); });
}

LEOAM_INLINE void attention_tokens_simd(const AttentionGranulesParams& params, uint32_t kv_head,
                                        float* partials) {
  if (too_wide(params)) return attention_tokens_scalar(params, kv_head, partials);
  with_element(params.layout.type,
               [&]<class Element>() { attend_granules<TokenStrip<Element>>(params, kv_head, partials); });
}

}  // namespace
}  // namespace leoam::kernels
