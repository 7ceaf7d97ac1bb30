// One page whose keys and values a test sets one by one.
#pragma once

#include <vector>

#include "kernels/f16.h"
#include "tests/kernels/kernel_fixture.h"

namespace leoam::kernels {

class Page {
 public:
  explicit Page(const KvLayout& layout) : layout_(layout), bytes_(layout.page_bytes()) {}

  const KvLayout& layout() const { return layout_; }
  const uint8_t* data() const { return bytes_.data(); }
  // x as the page keeps it.
  float set_key(uint32_t head, uint32_t channel, uint32_t token, float x) {
    return store(layout_.key_offset(head), layout_.key_element(channel, token), x);
  }
  float set_value(uint32_t head, uint32_t channel, uint32_t token, float x) {
    return store(layout_.value_offset(head), layout_.value_element(token, channel), x);
  }
  float key(uint32_t head, uint32_t channel, uint32_t token) const {
    return load(layout_.key_offset(head), layout_.key_element(channel, token));
  }
  float value(uint32_t head, uint32_t channel, uint32_t token) const {
    return load(layout_.value_offset(head), layout_.value_element(token, channel));
  }

 private:
  float store(size_t offset, size_t element, float x) {
    if (layout_.type == KvType::f32) {
      std::memcpy(bytes_.data() + offset + 4 * element, &x, 4);
      return x;
    }
    const uint16_t half = f32_to_f16(x);
    std::memcpy(bytes_.data() + offset + 2 * element, &half, 2);
    return f16_to_f32(half);
  }
  float load(size_t offset, size_t element) const {
    float x;
    uint16_t half;
    if (layout_.type == KvType::f32) {
      std::memcpy(&x, bytes_.data() + offset + 4 * element, 4);
      return x;
    }
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
