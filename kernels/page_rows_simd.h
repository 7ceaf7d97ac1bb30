// The keys and values of one KV head of a page as vectors of floats: what page_rows.h gives, to the bit.
#pragma once

#include "kernels/kv_layout.h"
#include "kernels/simd/simd.h"
#include "kernels/token_scale.h"

namespace leoam::kernels {
namespace {

// What an int8 page has beside a head's codes, from one of its tokens on. In other types nothing is there.
struct BesideCodes {
  const uint16_t* key_scales;  // of the first group of channels; of the next one page_tokens behind it
  const uint16_t* value_scales;
  const uint16_t* key_origin;

  [[gnu::always_inline]] inline const uint16_t* of_channel(uint32_t channel, uint32_t page_tokens) const {
    return key_scales + channel / kKeyScale_channels * size_t{page_tokens};
  }
  [[gnu::always_inline]] inline BesideCodes from(uint32_t token) const {
    return {key_scales + token, value_scales + token, key_origin};
  }
};

LEOAM_INLINE BesideCodes beside_codes(const KvLayout& layout, const uint8_t* page, uint32_t kv_head) {
  const auto at = [page](size_t offset) { return reinterpret_cast<const uint16_t*>(page + offset); };
  return {at(layout.key_scale_offset(kv_head)), at(layout.value_scale_offset(kv_head)),
          at(layout.key_origin_offset(kv_head))};
}

template <class Element>
struct PageVectors {
  static constexpr bool kScaled = sizeof(Element) == 1;

  PageVectors(const KvLayout& layout, const uint8_t* page, uint32_t kv_head)
      : head_dim(layout.head_dim),
        page_tokens(layout.page_tokens),
        keys(reinterpret_cast<const Element*>(page + layout.key_offset(kv_head))),
        values(reinterpret_cast<const Element*>(page + layout.value_offset(kv_head))),
        beside(beside_codes(layout, page, kv_head)) {}

  // Of kLanes tokens from `token` on.
  [[gnu::always_inline]] inline Simd::Float key(uint32_t channel, uint32_t token) const {
    const Simd::Float x = Simd::load(keys + size_t{channel} * page_tokens + token);
    if constexpr (kScaled) {
      const Simd::Float scales = Simd::load_bf16(beside.of_channel(channel, page_tokens) + token);
      return x * scales + Simd::broadcast(bf16_to_f32(beside.key_origin[channel]));
    }
    return x;
  }
  // Of kLanes channels from `channel` on; zeros behind the last.
  [[gnu::always_inline]] inline Simd::Float value(uint32_t token, uint32_t channel) const {
    const Element* at = values + size_t{token} * head_dim + channel;
    const uint32_t n = head_dim - channel;
    const Simd::Float x = n >= Simd::kLanes ? Simd::load(at) : Simd::load_first(at, n);
    if constexpr (kScaled) return x * Simd::broadcast(bf16_to_f32(beside.value_scales[token]));
    return x;
  }

  uint32_t head_dim;
  uint32_t page_tokens;
  const Element* keys;
  const Element* values;
  BesideCodes beside;
};

}  // namespace
}  // namespace leoam::kernels
