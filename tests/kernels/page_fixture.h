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
        const uint16_t scales[] = {scale(t), scale(t + 3)};
        std::memcpy(bytes_.data() + layout.key_scale_offset(head) + 2 * t, scales, 2);
        std::memcpy(bytes_.data() + layout.value_scale_offset(head) + 2 * t, scales + 1, 2);
      }
    }
  }

  const KvLayout& layout() const { return layout_; }
  const uint8_t* data() const { return bytes_.data(); }
  // x as the page keeps it.
  float set_key(uint32_t head, uint32_t channel, uint32_t token, float x) {
    return store(layout_.key_offset(head), layout_.key_element(channel, token), x, scale(token));
  }
  float set_value(uint32_t head, uint32_t channel, uint32_t token, float x) {
    return store(layout_.value_offset(head), layout_.value_element(token, channel), x, scale(token + 3));
  }
  float key(uint32_t head, uint32_t channel, uint32_t token) const {
    return load(layout_.key_offset(head), layout_.key_element(channel, token), scale(token));
  }
  float value(uint32_t head, uint32_t channel, uint32_t token) const {
    return load(layout_.value_offset(head), layout_.value_element(token, channel), scale(token + 3));
  }

 private:
  // Of int8: some tokens' steps are coarser than others', and 127 of them are from 6 to 12.
  static uint16_t scale(uint32_t token) {
    return scale_of(bits_from_float(6 + static_cast<float>(token % 7)));
  }
  float store(size_t offset, size_t element, float x, uint16_t scale) {
    if (layout_.type == KvType::f32) {
      std::memcpy(bytes_.data() + offset + 4 * element, &x, 4);
      return x;
    }
    if (layout_.type == KvType::int8) {
      const float code = std::clamp(std::nearbyint(x / scale_to_float(scale)), -127.0f, 127.0f);
      bytes_.data()[offset + element] = static_cast<uint8_t>(static_cast<int8_t>(code));
      return code * scale_to_float(scale);
    }
    const uint16_t half = f32_to_f16(x);
    std::memcpy(bytes_.data() + offset + 2 * element, &half, 2);
    return f16_to_f32(half);
  }
  float load(size_t offset, size_t element, uint16_t scale) const {
    float x;
    uint16_t half;
    if (layout_.type == KvType::f32) {
      std::memcpy(&x, bytes_.data() + offset + 4 * element, 4);
      return x;
    }
    if (layout_.type == KvType::int8)
      return static_cast<float>(static_cast<int8_t>(bytes_.data()[offset + element])) * scale_to_float(scale);
    std::memcpy(&half, bytes_.data() + offset + 2 * element, 2);
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
