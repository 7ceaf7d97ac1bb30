// One page whose keys and values a test sets one by one.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/token_scale.h"
#include "tests/kernels/kernel_fixture.h"

namespace leoam::kernels {

class Page {
 public:
  explicit Page(const KvLayout& layout) : layout_(layout), bytes_(layout.page_bytes()) {
    if (layout.type != KvType::int8) return;
    for (uint32_t head = 0; head < layout.n_kv_heads; ++head) {
      for (uint32_t t = 0; t < layout.page_tokens; ++t) {
        for (uint32_t c = 0; c < layout.head_dim; ++c)
          put(layout.key_scale_offset(head), layout.key_scale_element(c) + t, key_scale(c, t));
        put(layout.value_scale_offset(head), t, scale(t));
      }
      for (uint32_t c = 0; c < layout.head_dim; ++c) put(layout.key_origin_offset(head), c, origin(c));
    }
  }

  const KvLayout& layout() const { return layout_; }
  const uint8_t* data() const { return bytes_.data(); }
  // x as the page keeps it.
  float set_key(uint32_t head, uint32_t channel, uint32_t token, float x) {
    const Place place{layout_.key_offset(head), layout_.key_element(channel, token),
                      key_scale(channel, token)};
    return store(place, x, origin(channel));
  }
  float set_value(uint32_t head, uint32_t channel, uint32_t token, float x) {
    return store({layout_.value_offset(head), layout_.value_element(token, channel), scale(token)}, x, 0);
  }
  float key(uint32_t head, uint32_t channel, uint32_t token) const {
    const Place place{layout_.key_offset(head), layout_.key_element(channel, token),
                      key_scale(channel, token)};
    return load(place, origin(channel));
  }
  float value(uint32_t head, uint32_t channel, uint32_t token) const {
    return load({layout_.value_offset(head), layout_.value_element(token, channel), scale(token)}, 0);
  }

 private:
  struct Place {
    size_t offset;
    size_t element;
    uint16_t scale;  // of int8 alone
  };
  // Of int8: some tokens' steps are coarser than others', and 127 of them are from 6 to 12.
  static uint16_t scale(uint32_t token) {
    return scale_of(bits_from_float(6 + static_cast<float>(token % 7)));
  }
  static uint16_t key_scale(uint32_t channel, uint32_t token) {
    return scale(token + 2 * (channel / kKeyScale_channels) + 1);
  }
  static uint16_t origin(uint32_t channel) { return origin_of(0.3f * (static_cast<float>(channel % 5) - 2)); }
  void put(size_t offset, size_t element, uint16_t half) {
    std::memcpy(bytes_.data() + offset + 2 * element, &half, 2);
  }
  float store(const Place& place, float x, uint16_t origin) {
    uint8_t* at = bytes_.data() + place.offset;
    if (layout_.type == KvType::f32) {
      std::memcpy(at + 4 * place.element, &x, 4);
      return x;
    }
    if (layout_.type == KvType::int8) {
      const float steps = (x - bf16_to_f32(origin)) / bf16_to_f32(place.scale);
      at[place.element] =
          static_cast<uint8_t>(static_cast<int8_t>(std::clamp(std::nearbyint(steps), -127.0f, 127.0f)));
      return load(place, origin);
    }
    put(place.offset, place.element, f32_to_f16(x));
    return load(place, origin);
  }
  float load(const Place& place, uint16_t origin) const {
    const uint8_t* at = bytes_.data() + place.offset;
    if (layout_.type == KvType::f32) {
      float x;
      std::memcpy(&x, at + 4 * place.element, 4);
      return x;
    }
    if (layout_.type == KvType::int8)
      return static_cast<float>(static_cast<int8_t>(at[place.element])) * bf16_to_f32(place.scale) +
             bf16_to_f32(origin);
    uint16_t half;
    std::memcpy(&half, at + 2 * place.element, 2);
    return f16_to_f32(half);
  }

  KvLayout layout_;
  ExactBuffer<uint8_t> bytes_;
};

// Fills a page as real ones are: each channel has a middle and a width of its own.
inline void fill_page(Page& page, std::mt19937& random, float magnitude = 1) {
  const KvLayout& layout = page.layout();
  std::normal_distribution<float> normal;
  for (uint32_t head = 0; head < layout.n_kv_heads; ++head) {
    for (uint32_t c = 0; c < layout.head_dim; ++c) {
      const float middle = magnitude * normal(random);
      const float width = magnitude * std::exp(normal(random));
      for (uint32_t t = 0; t < layout.page_tokens; ++t) {
        page.set_key(head, c, t, middle + width * normal(random));
        page.set_value(head, c, t, width + middle * normal(random));
      }
    }
  }
}

}  // namespace leoam::kernels
