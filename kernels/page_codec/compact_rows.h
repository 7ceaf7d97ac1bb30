// The keys and values of one KV head of a compact page as floats, for the scalar kernels: the plain
// definition of what it says.
#pragma once

#include "kernels/f16.h"
#include "kernels/page_codec/page_codec_layout.h"
#include "kernels/page_rows.h"

namespace leoam::kernels {

struct CompactRows {
  CompactRows(const CompactLayout& compact, const uint8_t* page, uint32_t kv_head)
      : layout(compact), head(page + compact.head_offset(kv_head)) {}

  float key_base(uint32_t channel) const { return half(layout.key_base_offset(), channel); }
  float key_scale(uint32_t channel) const { return half(layout.key_scale_offset(), channel); }
  float value_scale(uint32_t token, uint32_t channel) const {
    return half(layout.value_scale_offset(), layout.value_scale_element(channel, token));
  }
  float key(uint32_t channel, uint32_t token) const {
    return key_base(channel) + key_scale(channel) * code(layout.key_place(channel, token), layout.key_bits());
  }
  float value(uint32_t token, uint32_t channel) const {
    return half(layout.value_base_offset(), layout.value_scale_element(channel, token)) +
           value_scale(token, channel) * code(layout.value_place(token, channel), layout.value_bits());
  }

  CompactLayout layout;
  const uint8_t* head;

 private:
  float half(size_t offset, size_t element) const {
    uint16_t bits;
    __builtin_memcpy(&bits, head + offset + element * sizeof bits, sizeof bits);
    return f16_to_f32(bits);
  }
  float code(CompactLayout::Place place, uint32_t bits) const {
    return static_cast<float>(head[place.byte] >> place.bit & ((1u << bits) - 1));
  }
};

// Calls f(rows) with what reads one KV head of a page that may be plain, of Element, or compact.
template <class Element, class F>
void with_rows(const KvLayout& layout, PageCodec codec, const uint8_t* page, uint32_t kv_head, const F& f) {
  if (codec == PageCodec::plain) {
    f(PageRows<Element>(layout, page, kv_head));
  } else {
    f(CompactRows({layout, codec}, page, kv_head));
  }
}

}  // namespace leoam::kernels
