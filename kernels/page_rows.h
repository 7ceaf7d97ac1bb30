// The keys and values of one KV head of a page as floats, for the scalar kernels: the plain definition of
// what a page of each type says.
#pragma once

#include "kernels/beside_codes.h"
#include "kernels/f16.h"
#include "kernels/token_scale.h"

namespace leoam::kernels {

// What makes numbers of a page's elements.
template <class Element>
struct PageScales {
  PageScales(const KvLayout&, const uint8_t*, uint32_t) {}
  float key(float x, const KvLayout&, uint32_t, uint32_t) const { return x; }
  float value(float x, uint32_t) const { return x; }
};
template <>
struct PageScales<int8_t> {
  PageScales(const KvLayout& layout, const uint8_t* page, uint32_t kv_head)
      : at(ReadBesideCodes::of(layout, page, kv_head)) {}
  float key(float code, const KvLayout& layout, uint32_t channel, uint32_t token) const {
    return code * bf16_to_f32(at.key_scales[layout.key_scale_element(channel) + token]) +
           bf16_to_f32(at.key_origin[channel]);
  }
  float value(float code, uint32_t token) const { return code * bf16_to_f32(at.value_scales[token]); }

  ReadBesideCodes at;
};

template <class Element>
struct PageRows {
  PageRows(const KvLayout& kv, const uint8_t* page, uint32_t kv_head)
      : layout(kv),
        keys(reinterpret_cast<const Element*>(page + kv.key_offset(kv_head))),
        values(reinterpret_cast<const Element*>(page + kv.value_offset(kv_head))),
        beside(kv, page, kv_head) {}

  float key(uint32_t channel, uint32_t token) const {
    return beside.key(to_float(keys[layout.key_element(channel, token)]), layout, channel, token);
  }
  float value(uint32_t token, uint32_t channel) const {
    return beside.value(to_float(values[layout.value_element(token, channel)]), token);
  }

  KvLayout layout;
  const Element* keys;
  const Element* values;
  PageScales<Element> beside;

 private:
  static float to_float(float x) { return x; }
  static float to_float(uint16_t x) { return f16_to_f32(x); }
  static float to_float(int8_t x) { return static_cast<float>(x); }
};

}  // namespace leoam::kernels
