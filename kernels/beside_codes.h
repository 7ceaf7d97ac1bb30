// Where an int8 page has what is beside a head's codes (kv_layout.h).
#pragma once

#include "kernels/kv_layout.h"

namespace leoam::kernels {

// From one token of the page on. Half: uint16_t to write, const uint16_t to read.
template <class Half>
struct BesideCodes {
  Half* key_scales;  // of the first channels; of others KvLayout::key_scale_element behind it
  Half* value_scales;
  Half* key_origin;

  // Byte: uint8_t, or const uint8_t. In pages of other types nothing is there.
  template <class Byte>
  [[gnu::always_inline]] static inline BesideCodes of(const KvLayout& layout, Byte* page, uint32_t kv_head) {
    return {reinterpret_cast<Half*>(page + layout.key_scale_offset(kv_head)),
            reinterpret_cast<Half*>(page + layout.value_scale_offset(kv_head)),
            reinterpret_cast<Half*>(page + layout.key_origin_offset(kv_head))};
  }
  [[gnu::always_inline]] inline BesideCodes from(uint32_t token) const {
    return {key_scales + token, value_scales + token, key_origin};
  }
};
using ReadBesideCodes = BesideCodes<const uint16_t>;

}  // namespace leoam::kernels
