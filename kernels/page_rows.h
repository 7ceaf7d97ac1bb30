// The keys and values of one KV head of a page as floats, for the scalar kernels: the plain definition of
// what a page of each type says.
#pragma once

#include "kernels/f16.h"
#include "kernels/kv_layout.h"
#include "kernels/token_scale.h"

namespace leoam::kernels {

// An element of a page; `scale`, of its token, counts for int8 alone.
[[maybe_unused]] static inline float page_number(float x, const uint16_t*) {
  return x;
}
[[maybe_unused]] static inline float page_number(uint16_t x, const uint16_t*) {
  return f16_to_f32(x);
}
[[maybe_unused]] static inline float page_number(int8_t code, const uint16_t* scale) {
  return static_cast<float>(code) * scale_to_float(*scale);
}

template <class Element>
struct PageRows {
  PageRows(const KvLayout& kv, const uint8_t* page, uint32_t kv_head)
      : layout(kv),
        keys(reinterpret_cast<const Element*>(page + kv.key_offset(kv_head))),
        values(reinterpret_cast<const Element*>(page + kv.value_offset(kv_head))),
        key_scales(reinterpret_cast<const uint16_t*>(page + kv.key_scale_offset(kv_head))),
        value_scales(reinterpret_cast<const uint16_t*>(page + kv.value_scale_offset(kv_head))) {}

  float key(uint32_t channel, uint32_t token) const {
    return page_number(keys[layout.key_element(channel, token)], key_scales + token);
  }
  float value(uint32_t token, uint32_t channel) const {
    return page_number(values[layout.value_element(token, channel)], value_scales + token);
  }

  KvLayout layout;
  const Element* keys;
  const Element* values;
  const uint16_t* key_scales;  // of int8 alone, as the next
  const uint16_t* value_scales;
};

}  // namespace leoam::kernels
