// The keys and values of one KV head of a page as vectors of floats: what page_rows.h gives, to the bit.
#pragma once

#include "kernels/beside_codes.h"
#include "kernels/simd/simd.h"
#include "kernels/token_scale.h"

namespace leoam::kernels {
namespace {

template <class Element>
struct PageVectors {
  static constexpr bool kScaled = sizeof(Element) == 1;

  PageVectors(const KvLayout& kv, const uint8_t* page, uint32_t kv_head)
      : layout(kv),
        keys(reinterpret_cast<const Element*>(page + kv.key_offset(kv_head))),
        values(reinterpret_cast<const Element*>(page + kv.value_offset(kv_head))),
        beside(ReadBesideCodes::of(kv, page, kv_head)) {}

  // Of kLanes tokens from `token` on.
  [[gnu::always_inline]] inline Simd::Float key(uint32_t channel, uint32_t token) const {
    const Simd::Float x = Simd::load(keys + layout.key_element(channel, token));
    if constexpr (kScaled) {
      const Simd::Float scales =
          Simd::load_bf16(beside.key_scales + layout.key_scale_element(channel) + token);
      return x * scales + Simd::broadcast(bf16_to_f32(beside.key_origin[channel]));
    }
    return x;
  }
  // Of kLanes channels from `channel` on; zeros behind the last.
  [[gnu::always_inline]] inline Simd::Float value(uint32_t token, uint32_t channel) const {
    const Element* at = values + layout.value_element(token, channel);
    const uint32_t n = layout.head_dim - channel;
    const Simd::Float x = n >= Simd::kLanes ? Simd::load(at) : Simd::load_first(at, n);
    if constexpr (kScaled) return x * Simd::broadcast(bf16_to_f32(beside.value_scales[token]));
    return x;
  }

  KvLayout layout;
  const Element* keys;
  const Element* values;
  ReadBesideCodes beside;
};

}  // namespace
}  // namespace leoam::kernels
