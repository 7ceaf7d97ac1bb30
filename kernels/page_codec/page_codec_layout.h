// Where the keys and values of a compact page stand in its bytes: the only place with this formula.
//
// A compact page is a full f16 or f32 page in fewer bits. Every number is base + scale * code, in exact
// arithmetic: base and scale are finite f16 numbers, scale >= 0, codes are unsigned numbers of 8 or 4 bits.
// Keys have a base and a scale for each channel of the page; values for each token and group of 64 channels.
//
//   [kv_head] { key base [channels], key scale [channels],
//               value base [groups][page_tokens], value scale [groups][page_tokens],
//               key codes [granule], value codes [granule] }, each head from a multiple of 64 bytes on
//
// `channels` is head_dim rounded up to 8; bases, scales and codes of the channels behind head_dim are 0.
//
// A granule's codes stand together, for it is read alone. They are made for products of 16-bit words in
// pairs: the even bytes of 4 are the codes of two numbers that are multiplied and added, the odd bytes those
// of the next two; of 4 bits the lower halves of 4 bytes are 4 numbers, the upper halves the next 4.
//
//   keys,   8 bits: [channels / 4][8 tokens][channels 0 2 1 3 of 4]
//           4 bits: [channels / 8][8 tokens][channels 0 2 1 3 of the first 4 | 4 6 5 7 of the next]
//   values, 8 bits: [2][channels][tokens 0 2 1 3 of 4]
//           4 bits: [channels][tokens 0 2 1 3 | 4 6 5 7]
#pragma once

#include "kernels/kv_layout.h"

namespace leoam::kernels {

// Channels of a value that share base and scale.
constexpr uint32_t kValueScale_channels = 64;

struct CompactLayout {
  KvLayout plain;  // of the page that it stands for
  PageCodec codec = PageCodec::k8v8;

  uint32_t key_bits() const { return codec == PageCodec::k4v4 ? 4 : 8; }
  uint32_t value_bits() const { return codec == PageCodec::k8v8 ? 8 : 4; }
  uint32_t channels() const { return (plain.head_dim + 7) / 8 * 8; }
  uint32_t value_groups() const { return (plain.head_dim + kValueScale_channels - 1) / kValueScale_channels; }
  uint32_t granules() const { return plain.page_tokens / kGranule_tokens; }

  // In bytes from the start of a head.
  size_t key_base_offset() const { return 0; }
  size_t key_scale_offset() const { return channels() * sizeof(uint16_t); }
  size_t value_base_offset() const { return 2 * key_scale_offset(); }
  size_t value_scale_offset() const {
    return value_base_offset() + size_t{value_groups()} * plain.page_tokens * sizeof(uint16_t);
  }
  size_t key_codes_offset() const { return round_up(2 * value_scale_offset() - value_base_offset()); }
  size_t key_granule_bytes() const { return size_t{channels()} * key_bits(); }
  size_t value_granule_bytes() const { return size_t{channels()} * value_bits(); }
  size_t value_codes_offset() const { return key_codes_offset() + granules() * key_granule_bytes(); }
  size_t head_bytes() const { return round_up(value_codes_offset() + granules() * value_granule_bytes()); }
  size_t page_bytes() const { return plain.n_kv_heads * head_bytes(); }
  size_t head_offset(uint32_t kv_head) const { return kv_head * head_bytes(); }

  // In halves from value_base_offset and value_scale_offset.
  size_t value_scale_element(uint32_t channel, uint32_t token) const {
    return size_t{channel / kValueScale_channels} * plain.page_tokens + token;
  }
  // The byte of a code from the start of the head, and the bit in it where the code begins.
  struct Place {
    size_t byte;
    uint32_t bit;
  };
  Place key_place(uint32_t channel, uint32_t token) const {
    const size_t granule = key_codes_offset() + token / kGranule_tokens * key_granule_bytes();
    const size_t in_quad = size_t{token % kGranule_tokens} * 4 + byte_of(channel % 4);
    if (key_bits() == 8) return {granule + size_t{channel / 4} * 32 + in_quad, 0};
    return {granule + size_t{channel / 8} * 32 + in_quad, channel / 4 % 2 * 4};
  }
  Place value_place(uint32_t token, uint32_t channel) const {
    const size_t granule = value_codes_offset() + token / kGranule_tokens * value_granule_bytes();
    const size_t in_quad = size_t{channel} * 4 + byte_of(token % 4);
    const uint32_t quad = token / 4 % 2;
    if (value_bits() == 8) return {granule + quad * value_granule_bytes() / 2 + in_quad, 0};
    return {granule + in_quad, quad * 4};
  }

 private:
  static size_t round_up(size_t bytes) { return (bytes + 63) / 64 * 64; }
  // Of number i of 4.
  static constexpr uint32_t byte_of(uint32_t i) { return i == 1 ? 2 : i == 2 ? 1 : i; }
};

inline size_t page_bytes(const KvLayout& layout, PageCodec codec) {
  return codec == PageCodec::plain ? layout.page_bytes() : CompactLayout{layout, codec}.page_bytes();
}

}  // namespace leoam::kernels
