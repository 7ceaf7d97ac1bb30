// Where the 2-bit codes of keys stand in their bytes: the only place with this formula.
//
// A code block holds means of the keys and values of kCodeBlock_pages consecutive pages of one layer, all KV
// heads, and codes of the channels of their keys that count: n_coded for each KV head, the same in all blocks
// of a layer, ascending. It is head-major, and within a head channel-major:
//
//   [kv_head] { mean_scale f32 [16 pages]
//               value_scale f32 [16 pages]
//               mean_value i8 [16 pages][head_dim, padded to 16]
//               mean i8 [head_dim][16 pages]
//               [n_coded] { code [page_tokens / 16 strips][16 pages][4 bytes], scale u8 [16], offset u8 [16]
//               } }
//
// A strip is 16 tokens. Byte b of its 4 bytes holds tokens b, 4 + b, 8 + b, 12 + b of the strip, the first in
// the lowest two bits. Every page has bytes of its own: a block is filled page by page.
//
// A channel without codes is read back as its mean, mean_scale[page] * mean[channel][page], one with codes as
// mean + scale * (code - offset / 85), with
//   scale = key_code_scale(scale[coded][page]), 5 bits of exponent and 3 of mantissa
// so that an offset is at most three steps, the range of the codes: 255 / 85 = 3. Nothing but the mean's
// scale is shared by the channels of a page. The mean value is value_scale[page] * mean_value[page][channel].
//
// Bytes a page and KV head, page_tokens 32, head_dim 64 and n_coded 32, against 8192 of f16 K and V:
//   codes 32 * 8 + scales 32 + offsets 32 + mean_scale 4 = 324, 4.0 %; means of keys 64, of values 68, 1.6 %.
#pragma once

#include "kernels/f16.h"
#include "kernels/kv_layout.h"

namespace leoam::kernels {

constexpr uint32_t kCodeBlock_pages = 16;
constexpr uint32_t kCodeStrip_tokens = 16;
constexpr uint32_t kMaxPage_tokens = 256;

struct KeyCodeLayout {
  uint32_t n_kv_heads = 0;
  uint32_t head_dim = 0;      // any
  uint32_t page_tokens = 32;  // a multiple of 16, at most kMaxPage_tokens
  uint32_t n_coded = 0;       // channels with codes, at most head_dim

  uint32_t n_strips() const { return page_tokens / kCodeStrip_tokens; }
  size_t channel_bytes() const { return kCodeBlock_pages * (size_t{page_tokens} / 4 + 2); }
  size_t value_bytes() const { return (size_t{head_dim} + 15) / 16 * 16; }
  size_t head_bytes() const { return (code_offset(n_coded) + 63) / 64 * 64; }
  size_t block_bytes() const { return n_kv_heads * head_bytes(); }
  // In bytes, from the start of a block, 64-byte aligned; those of the other parts of a head, from its start.
  size_t head_offset(uint32_t kv_head) const { return kv_head * head_bytes(); }
  size_t mean_scale_offset() const { return 0; }
  size_t value_scale_offset() const { return kCodeBlock_pages * sizeof(float); }
  size_t mean_value_offset(uint32_t page) const {
    return 2 * kCodeBlock_pages * sizeof(float) + page * value_bytes();
  }
  size_t mean_offset(uint32_t channel) const {
    return mean_value_offset(kCodeBlock_pages) + size_t{channel} * kCodeBlock_pages;
  }
  // Of the coded-th channel with codes.
  size_t code_offset(uint32_t coded) const { return mean_offset(head_dim) + coded * channel_bytes(); }
  size_t scale_offset(uint32_t coded) const {
    return code_offset(coded) + kCodeBlock_pages * (size_t{page_tokens} / 4);
  }
  size_t offset_offset(uint32_t coded) const { return scale_offset(coded) + kCodeBlock_pages; }
  // From code_offset: the byte of a token, and how far its two bits stand from the lowest.
  size_t code_byte(uint32_t page, uint32_t token) const {
    return (size_t{token / kCodeStrip_tokens} * kCodeBlock_pages + page) * 4 + token % 4;
  }
  uint32_t code_shift(uint32_t token) const { return token % kCodeStrip_tokens / 4 * 2; }
};

[[maybe_unused]] static inline KeyCodeLayout key_code_layout(const KvLayout& kv, uint32_t n_coded) {
  return {kv.n_kv_heads, kv.head_dim, kv.page_tokens, n_coded};
}

// The step between codes, from 2^-16 to 61440.
constexpr uint32_t kKeyCodeScale_bias = 111u << 3;
[[maybe_unused]] static inline float key_code_scale(uint8_t scale) {
  return float_from_bits((scale + kKeyCodeScale_bias) << 20);
}
constexpr float kKeyCodeOffsetUnit = 1.0f / 85;

}  // namespace leoam::kernels
