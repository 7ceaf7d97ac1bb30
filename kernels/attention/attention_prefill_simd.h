// Prefill attention over Simd.
//
// Rows are pairs (query token, head of the group), token by token. For each block of keys, K and V are
// converted to f32 panels in scratch, once for all rows; then, for each group of rows of one register tile:
// scores by matrix product, one step of the online softmax, weighted values by matrix product. The scores of
// a group stay in the first-level cache, the panels in the second.
#pragma once

#include "kernels/attention/attention.h"
#include "kernels/attention/gemm_tile.h"
#include "kernels/attention/prefill_scratch.h"
#include "kernels/attention/visible.h"
#include "kernels/page_codec/compact_vectors_simd.h"
#include "kernels/page_rows_simd.h"
#include "kernels/simd/simd.h"

namespace leoam::kernels {
namespace {

constexpr uint32_t kStripTokens = 16;
constexpr uint32_t kStripVectors = kStripTokens / Simd::kLanes;
constexpr uint32_t kMaxBlockStrips = 256 / kStripTokens;
constexpr uint32_t kPanelStrips = kTileColumns / kStripTokens;
static_assert(kPrefillRowStep % kTileRows == 0);

// 16 slots of a page, the first n_tokens of them valid.
template <class Element>
struct KeyStrip {
  const Element* key;
  const Element* value;
  int32_t first_position;
  uint32_t n_tokens;
  ReadBesideCodes beside;
  // Of a compact page: the KV head, which key and value point to as well, and the first slot.
  PageCodec codec;
  const uint8_t* head;
  uint32_t slot;

  static KeyStrip of(const KvLayout& layout, const KvPageRef& page, uint32_t kv_head, uint32_t slot) {
    KeyStrip strip{};
    const uint32_t rest = static_cast<uint32_t>(page.n_tokens) - slot;
    strip.n_tokens = rest < kStripTokens ? rest : kStripTokens;
    strip.first_position = page.first_position + static_cast<int32_t>(slot);
    strip.codec = page.codec;
    if (page.codec == PageCodec::plain) {
      strip.key = reinterpret_cast<const Element*>(page.data + layout.key_offset(kv_head)) + slot;
      strip.value = reinterpret_cast<const Element*>(page.data + layout.value_offset(kv_head)) +
                    layout.value_element(slot, 0);
      strip.beside = ReadBesideCodes::of(layout, page.data, kv_head).from(slot);
    } else {
      strip.head = page.data + CompactLayout{layout, page.codec}.head_offset(kv_head);
      strip.key = strip.value = reinterpret_cast<const Element*>(strip.head);
      strip.slot = slot;
    }
    return strip;
  }
  CompactVectors compact(const KvLayout& layout) const { return {{layout, codec}, head, 0}; }
};

template <class Element>
struct KeyBlock {
  KeyStrip<Element> strips[kMaxBlockStrips];
  uint32_t n_strips = 0;
  int32_t index = 0;
};

// A group of rows that share a register tile.
struct RowGroup {
  uint32_t first_row;  // of the chunk
  uint32_t n_rows;
};

// A chunk of rows of one call.
struct RowChunk {
  const AttentionPrefillParams* params;
  uint32_t kv_head;
  uint32_t group;      // query heads of the KV head
  uint32_t row_begin;  // row r of the call is token r / group, head r % group
  uint32_t n_rows;
  float* query;
  float* output;
  float* key;
  float* value;
  float* scores;
  float* maximum;
  float* sum;

  uint32_t token_of(uint32_t row) const { return (row_begin + row) / group; }
  int32_t position_of(uint32_t row) const {
    return params->first_position + static_cast<int32_t>(token_of(row));
  }
  size_t channel_of(uint32_t row) const {
    return (size_t{kv_head} * group + (row_begin + row) % group) * params->layout.head_dim;
  }
  PositionRange visible(uint32_t row) const { return visible_positions(position_of(row), params->window); }
  size_t head_of(uint32_t row) const {
    return size_t{token_of(row)} * params->n_heads + kv_head * group + (row_begin + row) % group;
  }
  float* state_of(uint32_t row) const {
    return params->state + head_of(row) * attention_partial_floats(params->layout.head_dim);
  }
  // Rows of a group stand together, channel by channel.
  float* query_of(uint32_t first_row) const { return query + size_t{first_row} * params->layout.head_dim; }
};

// Calls f.operator()<tile rows>(group) for all rows; the last tile may be smaller, and not full.
template <class F>
LEOAM_INLINE void for_each_group(uint32_t n_rows, F f) {
  uint32_t row = 0;
  for (; row + kTileRows <= n_rows; row += kTileRows)
    f.template operator()<kTileRows>(RowGroup{row, kTileRows});
  const RowGroup rest{row, n_rows - row};
  if (rest.n_rows == 0) return;
  // NOLINTNEXTLINE(bugprone-branch-clone): tiles of one size where there are few registers
  if (rest.n_rows <= 4) {
    f.template operator()<4>(rest);
  } else if (kTileRows > 8 && rest.n_rows <= 8) {
    f.template operator()<(kTileRows > 8 ? 8 : kTileRows)>(rest);
  } else {
    f.template operator()<kTileRows>(rest);
  }
}

constexpr float kLog2E = 0x1.715476p+0f;

// Queries times the scale and log2(e), so that softmax is a power of two.
template <uint32_t kRows>
void pack_queries(const RowChunk& chunk, RowGroup rows) {
  const AttentionPrefillParams& params = *chunk.params;
  const uint32_t head_dim = params.layout.head_dim;
  const float factor = params.scale * kLog2E;
  float* packed = chunk.query_of(rows.first_row);
  for (uint32_t r = 0; r < kRows; ++r) {
    if (r >= rows.n_rows) {
      for (uint32_t c = 0; c < head_dim; ++c) packed[c * kRows + r] = 0;
      continue;
    }
    const uint32_t row = rows.first_row + r;
    const float* q = params.q + chunk.token_of(row) * params.q_stride + chunk.channel_of(row);
    for (uint32_t c = 0; c < head_dim; ++c) packed[c * kRows + r] = q[c] * factor;
  }
}

LEOAM_INLINE void prefetch(const void* p) {
  _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0);
}

// A strip's vector v of tokens of a channel.
template <class Element>
LEOAM_INLINE Simd::Float key_vector(const KeyStrip<Element>& strip, const KvLayout& layout, uint32_t channel,
                                    uint32_t v) {
  const uint32_t token = v * Simd::kLanes;
  const Simd::Float x = Simd::load(strip.key + layout.key_element(channel, token));
  if constexpr (sizeof(Element) == 1) {
    const uint16_t* scales = strip.beside.key_scales + layout.key_scale_element(channel) + token;
    return Simd::fma(x, Simd::load_bf16(scales),
                     Simd::broadcast(bf16_to_f32(strip.beside.key_origin[channel])));
  }
  return x;
}

// What a token's values are multiplied with.
template <class Element>
LEOAM_INLINE Simd::Float value_factor(const KeyStrip<Element>& strip, uint32_t token) {
  if constexpr (sizeof(Element) == 1) return Simd::broadcast(bf16_to_f32(strip.beside.value_scales[token]));
  return Simd::broadcast(1);
}
template <class Element>
LEOAM_INLINE Simd::Float scaled(Simd::Float x, Simd::Float factor) {
  if constexpr (sizeof(Element) == 1) return x * factor;
  return x;
}

// A strip's columns of a panel of keys.
template <class Element>
void convert_compact_keys(const KeyStrip<Element>& strip, const KvLayout& layout, float* to) {
  const CompactVectors from = strip.compact(layout);
  for (uint32_t c = 0; c < layout.head_dim; c += 4, to += 4 * kTileColumns) {
    LEOAM_UNROLL
    for (uint32_t v = 0; v < kStripVectors; ++v) {
      const CompactVectors::Quad quad = from.key_quad(c, strip.slot + v * Simd::kLanes);
      for_each_of_quad([&]<uint32_t i>() {
        if (c + i < layout.head_dim)
          Simd::store(to + i * kTileColumns + v * Simd::kLanes, from.key<i>(quad, c));
      });
    }
  }
}

// Panels of kTileColumns tokens, [head_dim][kTileColumns].
template <class Element>
void convert_keys(const KeyBlock<Element>& block, const KvLayout& layout, float* panels) {
  for (uint32_t s = 0; s < block.n_strips; s += kPanelStrips) {
    const KeyStrip<Element>* from[kPanelStrips];
    for (uint32_t k = 0; k < kPanelStrips; ++k) {
      from[k] = block.strips + (s + k < block.n_strips ? s + k : s);
    }
    // What is converted next: pages are scattered, the hardware would start anew at each of them.
    const uint32_t next = s + kPanelStrips;
    const Element* ahead = next < block.n_strips ? block.strips[next].key : block.strips[0].value;
    for (uint32_t c = 0; c < layout.head_dim; ++c, panels += kTileColumns) {
      prefetch(ahead + size_t{c} * layout.page_tokens);
      LEOAM_UNROLL
      for (uint32_t v = 0; v < kTileVectors; ++v) {
        const KeyStrip<Element>& strip = *from[v / kStripVectors];
        if (strip.codec != PageCodec::plain) continue;
        Simd::store(panels + v * Simd::kLanes, key_vector(strip, layout, c, v % kStripVectors));
      }
    }
    for (uint32_t k = 0; k < kPanelStrips; ++k) {
      if (from[k]->codec == PageCodec::plain) continue;
      convert_compact_keys(*from[k], layout,
                           panels - size_t{layout.head_dim} * kTileColumns + k * kStripTokens);
    }
  }
}

// kVectors vectors of a strip's value rows to [kStripTokens][kVectors vectors].
template <uint32_t kVectors, class Element>
LEOAM_INLINE void convert_value_rows(const KeyStrip<Element>& strip, uint32_t channel, uint32_t head_dim,
                                     const Element* ahead, float* to) {
  const Element* row = strip.value + channel;
  for (uint32_t t = 0; t < kStripTokens; ++t, row += head_dim, ahead += head_dim) {
    prefetch(ahead);
    const Simd::Float factor = value_factor(strip, t);
    LEOAM_UNROLL
    for (uint32_t v = 0; v < kVectors; ++v, to += Simd::kLanes) {
      Simd::store(to, scaled<Element>(Simd::load(row + v * Simd::kLanes), factor));
    }
  }
}

// The same where not all rows are valid, or for n_channels channels that are no whole vectors. Slots that
// hold nothing become 0, for their weights are 0 and 0 times NaN is NaN.
template <class Element>
void convert_partial_value_rows(const KeyStrip<Element>& strip, uint32_t first_channel, uint32_t head_dim,
                                uint32_t n_channels, uint32_t n_vectors, float* to) {
  const Element* row = strip.value + first_channel;
  for (uint32_t t = 0; t < kStripTokens; ++t, row += head_dim) {
    for (uint32_t v = 0; v < n_vectors; ++v, to += Simd::kLanes) {
      const uint32_t channel = v * Simd::kLanes;
      if (t >= strip.n_tokens) {
        Simd::store(to, Simd::zero());
      } else {
        const Simd::Float x = n_channels - channel >= Simd::kLanes
                                  ? Simd::load(row + channel)
                                  : Simd::load_first(row + channel, n_channels - channel);
        Simd::store(to, scaled<Element>(x, value_factor(strip, t)));
      }
    }
  }
}

// n_vectors vectors of a strip's value rows to [kStripTokens][n_vectors vectors].
template <class Element>
void convert_compact_values(const KeyStrip<Element>& strip, const KvLayout& layout, uint32_t channel,
                            uint32_t n_vectors, float* to) {
  const CompactVectors from = strip.compact(layout);
  for (uint32_t t = 0; t < kStripTokens; t += 4, to += 4 * n_vectors * Simd::kLanes) {
    for (uint32_t v = 0; v < n_vectors; ++v) {
      const uint32_t c = channel + v * Simd::kLanes;
      const CompactVectors::Quad quad = from.value_quad(strip.slot + t, c);
      for_each_of_quad([&]<uint32_t i>() {
        Simd::store(to + (i * n_vectors + v) * Simd::kLanes, from.value<i>(quad, strip.slot + t, c));
      });
    }
  }
}

// Panels of kTileColumns channels, [tokens][kTileColumns]; the last one may be a single vector wide.
template <class Element>
void convert_values(const KeyBlock<Element>& block, const KvLayout& layout, float* panels) {
  const uint32_t head_dim = layout.head_dim;
  const size_t n_tokens = size_t{block.n_strips} * kStripTokens;
  for (uint32_t s = 0; s < block.n_strips; ++s) {
    const KeyStrip<Element>& strip = block.strips[s];
    const Element* next = s + 1 < block.n_strips ? block.strips[s + 1].value : strip.value;
    for (uint32_t channel = 0; channel < head_dim; channel += kTileColumns) {
      const uint32_t n_channels = head_dim - channel;
      const uint32_t n_vectors = n_channels > Simd::kLanes ? 2 : 1;
      const size_t width = n_vectors * Simd::kLanes;
      float* to = panels + channel * n_tokens + s * kStripTokens * width;
      if (strip.codec != PageCodec::plain) {
        convert_compact_values(strip, layout, channel, n_vectors, to);
      } else if (strip.n_tokens < kStripTokens || n_channels < width) {
        convert_partial_value_rows(strip, channel, head_dim, n_channels, n_vectors, to);
      } else if (n_vectors == kTileVectors) {
        convert_value_rows<kTileVectors>(strip, channel, head_dim, next + channel, to);
      } else {
        convert_value_rows<1>(strip, channel, head_dim, next + channel, to);
      }
    }
  }
}

// Strips [begin, end) of a block that hold something visible.
struct StripRange {
  uint32_t begin;
  uint32_t end;
};

template <class Element>
StripRange visible_strips(const KeyBlock<Element>& block, PositionRange visible) {
  StripRange range{0, block.n_strips};
  while (range.end > 0 && block.strips[range.end - 1].first_position > visible.last) --range.end;
  while (range.begin < range.end) {
    const KeyStrip<Element>& strip = block.strips[range.begin];
    if (int64_t{strip.first_position} + strip.n_tokens > visible.first) break;
    ++range.begin;
  }
  return range;
}

// Scores of what a row may not see become -inf. False when it sees nothing.
template <class Element>
bool mask_row(const KeyBlock<Element>& block, StripRange range, PositionRange visible, float* scores) {
  const Simd::Float lowest = Simd::broadcast(-__builtin_inff());
  bool any = false;
  for (uint32_t s = range.begin; s < range.end; ++s) {
    const KeyStrip<Element>& strip = block.strips[s];
    const SlotRange slots =
        visible_slots({nullptr, strip.first_position, static_cast<int32_t>(strip.n_tokens)}, visible);
    any = any || slots.begin < slots.end;
    if (slots.end - slots.begin == kStripTokens) continue;
    LEOAM_UNROLL
    for (uint32_t v = 0; v < kStripVectors; ++v) {
      const uint32_t first = v * Simd::kLanes;
      const uint32_t begin = slots.begin > first ? slots.begin - first : 0;
      const uint32_t end = slots.end > first ? slots.end - first : 0;
      float* at = scores + s * kStripTokens + first;
      Simd::store(at, Simd::select_lanes(Simd::load(at), begin < Simd::kLanes ? begin : Simd::kLanes,
                                         end < Simd::kLanes ? end : Simd::kLanes, lowest));
    }
  }
  return any;
}

// One step of the online softmax of one row over tokens [begin, end) of the block, whose scores become
// weights. Returns the factor for what the row has accumulated.
LEOAM_INLINE float soften_row(float* scores, uint32_t begin, uint32_t end, float* maximum, float* sum) {
  Simd::Float largest[2] = {Simd::broadcast(*maximum), Simd::broadcast(*maximum)};
  for (uint32_t t = begin; t < end; t += kStripTokens) {
    LEOAM_UNROLL
    for (uint32_t v = 0; v < kStripVectors; ++v) {
      largest[v] = Simd::max(Simd::load(scores + t + v * Simd::kLanes), largest[v]);
    }
  }
  const float top = Simd::maximum(Simd::max(largest[0], largest[1]));
  const Simd::Float tops = Simd::broadcast(top);
  Simd::Float sums[2] = {Simd::zero(), Simd::zero()};
  for (uint32_t t = begin; t < end; t += kStripTokens) {
    LEOAM_UNROLL
    for (uint32_t v = 0; v < kStripVectors; ++v) {
      float* at = scores + t + v * Simd::kLanes;
      const Simd::Float weight = exp2_negative(Simd::load(at) - tops);
      Simd::store(at, weight);
      sums[v] = sums[v] + weight;
    }
  }
  const float rescale = Simd::first(exp2_negative(Simd::broadcast(*maximum - top)));
  *maximum = top;
  *sum = *sum * rescale + Simd::sum(sums[0] + sums[1]);
  return rescale;
}

// Scores of the strips that a group of rows sees, times log2(e), whatever each row may see of them.
template <uint32_t kRows, class Element>
LEOAM_INLINE StripRange score_rows(const RowChunk& chunk, const KeyBlock<Element>& block, RowGroup rows) {
  const uint32_t head_dim = chunk.params->layout.head_dim;
  const uint32_t last_row = rows.first_row + rows.n_rows - 1;
  const StripRange range =
      visible_strips(block, {chunk.visible(rows.first_row).first, chunk.visible(last_row).last});
  if (range.begin == range.end) return range;
  const float* query = chunk.query_of(rows.first_row);
  for (uint32_t panel = range.begin / kPanelStrips; panel * kPanelStrips < range.end; ++panel) {
    gemm_tile<kRows, kTileVectors, 1, kRows>(query, chunk.key + panel * (size_t{head_dim} * kTileColumns),
                                             head_dim, chunk.scores + panel * kTileColumns,
                                             kPrefillScoreStride, nullptr);
  }
  return range;
}

template <uint32_t kRows, class Element>
void run_rows(const RowChunk& chunk, const KeyBlock<Element>& block, bool gaps, RowGroup rows) {
  const uint32_t head_dim = chunk.params->layout.head_dim;
  const StripRange range = score_rows<kRows>(chunk, block, rows);
  if (range.begin == range.end) return;

  const KeyStrip<Element>& last_strip = block.strips[range.end - 1];
  const int32_t first_position = block.strips[range.begin].first_position;
  const int32_t last_position = last_strip.first_position + static_cast<int32_t>(last_strip.n_tokens) - 1;
  const uint32_t begin = range.begin * kStripTokens;
  const uint32_t end = range.end * kStripTokens;
  float rescale[kRows];
  for (uint32_t r = 0; r < kRows; ++r) {
    float* scores = chunk.scores + r * kPrefillScoreStride;
    const uint32_t row = rows.first_row + r;
    bool any = r < rows.n_rows;
    if (any) {
      const PositionRange visible = chunk.visible(row);
      if (gaps || visible.first > first_position || visible.last < last_position) {
        any = mask_row(block, range, visible, scores);
      }
    }
    rescale[r] = 1;
    if (any) {
      rescale[r] = soften_row(scores, begin, end, chunk.maximum + row, chunk.sum + row);
    } else {
      for (uint32_t t = begin; t < end; t += Simd::kLanes) Simd::store(scores + t, Simd::zero());
    }
  }

  const size_t dim = prefill_padded_dim(head_dim);
  const uint32_t n_vectors = (head_dim + Simd::kLanes - 1) / Simd::kLanes;
  const size_t n_tokens = size_t{block.n_strips} * kStripTokens;
  float* output = chunk.output + rows.first_row * dim;
  for (uint32_t v = 0; v < n_vectors; v += kTileVectors) {
    const float* panel = chunk.value + v * Simd::kLanes * n_tokens;
    if (v + 1 < n_vectors) {
      gemm_tile<kRows, kTileVectors, kPrefillScoreStride, 1>(chunk.scores + begin,
                                                             panel + begin * kTileColumns, end - begin,
                                                             output + v * Simd::kLanes, dim, rescale);
    } else {
      gemm_tile<kRows, 1, kPrefillScoreStride, 1>(chunk.scores + begin, panel + begin * Simd::kLanes,
                                                  end - begin, output + v * Simd::kLanes, dim, rescale);
    }
  }
}

template <class Element>
void run_block(const RowChunk& chunk, KeyBlock<Element>& block) {
  if (block.n_strips == 0) return;
  convert_keys(block, chunk.params->layout, chunk.key);
  convert_values(block, chunk.params->layout, chunk.value);
  bool gaps = false;
  for (uint32_t s = 0; s < block.n_strips; ++s) gaps = gaps || block.strips[s].n_tokens < kStripTokens;
  for_each_group(chunk.n_rows,
                 [&]<uint32_t kRows>(RowGroup rows) { run_rows<kRows>(chunk, block, gaps, rows); });
  block.n_strips = 0;
}

// Blocks hold the keys of one multiple of the block size of positions, so where they begin does not depend on
// the rows, on the window or on the first page.
template <class Element>
void run_pages(const RowChunk& chunk) {
  const AttentionPrefillParams& params = *chunk.params;
  const KvLayout& layout = params.layout;
  const int32_t block_tokens = static_cast<int32_t>(prefill_block_tokens(layout.head_dim));
  const PositionRange seen{chunk.visible(0).first, chunk.visible(chunk.n_rows - 1).last};
  KeyBlock<Element> block;
  for (uint32_t p = 0; p < params.n_pages; ++p) {
    const KvPageRef& page = params.pages[p];
    const SlotRange slots = visible_slots(page, seen);
    for (uint32_t slot = slots.begin / kStripTokens * kStripTokens; slot < slots.end; slot += kStripTokens) {
      const int32_t position = page.first_position + static_cast<int32_t>(slot);
      const int32_t index = position / block_tokens;
      if (index != block.index || block.n_strips * kStripTokens == static_cast<uint32_t>(block_tokens)) {
        run_block(chunk, block);
        block.index = index;
      }
      block.strips[block.n_strips++] = KeyStrip<Element>::of(layout, page, chunk.kv_head, slot);
    }
  }
  run_block(chunk, block);
}

// A row's output is as long as a partial state's: both are padded to 16 floats.
LEOAM_INLINE void copy_output(const float* from, uint32_t head_dim, float* to) {
  for (uint32_t c = 0; c < head_dim; c += Simd::kLanes) Simd::store(to + c, Simd::load(from + c));
}

LEOAM_INLINE void start_rows(const RowChunk& chunk) {
  const uint32_t rows = (chunk.n_rows + kPrefillRowStep - 1) / kPrefillRowStep * kPrefillRowStep;
  const uint32_t head_dim = chunk.params->layout.head_dim;
  const size_t dim = prefill_padded_dim(head_dim);
  for (size_t i = 0; i < rows * dim; i += Simd::kLanes) Simd::store(chunk.output + i, Simd::zero());
  for (uint32_t row = 0; row < rows; ++row) {
    chunk.maximum[row] = -__builtin_inff();
    chunk.sum[row] = 0;
    if (!chunk.params->resume || row >= chunk.n_rows) continue;
    const float* state = chunk.state_of(row);
    chunk.maximum[row] = state[kPartialMaximum];
    chunk.sum[row] = state[kPartialSum];
    copy_output(state + kPartialOutput, head_dim, chunk.output + row * dim);
  }
  for_each_group(chunk.n_rows, [&]<uint32_t kRows>(RowGroup group) { pack_queries<kRows>(chunk, group); });
}

LEOAM_INLINE void suspend_rows(const RowChunk& chunk) {
  const uint32_t head_dim = chunk.params->layout.head_dim;
  for (uint32_t row = 0; row < chunk.n_rows; ++row) {
    float* state = chunk.state_of(row);
    state[kPartialMaximum] = chunk.maximum[row];
    state[kPartialSum] = chunk.sum[row];
    copy_output(chunk.output + row * size_t{prefill_padded_dim(head_dim)}, head_dim, state + kPartialOutput);
  }
}

LEOAM_INLINE void finish_rows(const RowChunk& chunk) {
  const AttentionPrefillParams& params = *chunk.params;
  const uint32_t head_dim = params.layout.head_dim;
  for (uint32_t row = 0; row < chunk.n_rows; ++row) {
    const float* from = chunk.output + row * size_t{prefill_padded_dim(head_dim)};
    float* to = params.out + chunk.token_of(row) * params.out_stride + chunk.channel_of(row);
    const Simd::Float inverse = Simd::broadcast(chunk.sum[row] == 0 ? 0 : 1.0f / chunk.sum[row]);
    uint32_t c = 0;
    for (; c + Simd::kLanes <= head_dim; c += Simd::kLanes)
      Simd::store(to + c, Simd::load(from + c) * inverse);
    if (c < head_dim) Simd::store_first(to + c, Simd::load(from + c) * inverse, head_dim - c);
    if (params.log_sums != nullptr) {
      params.log_sums[chunk.head_of(row)] = chunk.maximum[row] / kLog2E + __builtin_logf(chunk.sum[row]);
    }
  }
}

LEOAM_INLINE void attention_prefill_simd(const AttentionPrefillParams& params, uint32_t kv_head,
                                         uint32_t token_begin, uint32_t token_end, uint8_t* scratch) {
  const uint32_t group = params.n_heads / params.layout.n_kv_heads;
  const uint32_t row_end = token_end * group;
  const PrefillScratch places = prefill_scratch(params.layout.head_dim, (token_end - token_begin) * group);
  const auto at = [scratch](size_t offset) { return reinterpret_cast<float*>(scratch + offset); };
  RowChunk chunk{&params,
                 kv_head,
                 group,
                 0,
                 0,
                 at(places.query),
                 at(places.output),
                 at(places.key),
                 at(places.value),
                 at(places.scores),
                 at(places.maximum),
                 at(places.sum)};
  for (uint32_t row = token_begin * group; row < row_end; row += chunk.n_rows) {
    chunk.row_begin = row;
    chunk.n_rows = row_end - row < kPrefillRows ? row_end - row : kPrefillRows;
    start_rows(chunk);
    with_element(params.layout.type, [&]<class Element>() { run_pages<Element>(chunk); });
    if (params.suspend) {
      suspend_rows(chunk);
    } else {
      finish_rows(chunk);
    }
  }
}

}  // namespace
}  // namespace leoam::kernels
