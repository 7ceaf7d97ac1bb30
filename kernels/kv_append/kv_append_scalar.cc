#include <algorithm>
#include <cmath>

#include "kernels/kv_append/kv_append.h"
#include "kernels/page_rows.h"

namespace leoam::kernels {
namespace {

void store_element(float x, float* to) {
  *to = x;
}
void store_element(float x, uint16_t* to) {
  *to = f32_to_f16(x);
}

template <class Element>
void append_numbers(const KvAppendParams& params, uint32_t head) {
  const KvLayout& layout = params.layout;
  auto* key = reinterpret_cast<Element*>(params.page + layout.key_offset(head));
  auto* value = reinterpret_cast<Element*>(params.page + layout.value_offset(head));
  for (uint32_t t = 0; t < params.n_tokens; ++t) {
    const size_t row = t * params.stride + size_t{head} * layout.head_dim;
    for (uint32_t c = 0; c < layout.head_dim; ++c) {
      store_element(params.k[row + c], key + layout.key_element(c, params.first_slot + t));
      store_element(params.v[row + c], value + layout.value_element(params.first_slot + t, c));
    }
  }
}

// Codes of x(0) to x(n - 1), put(i, code), with the scale that is returned.
template <class X, class Put>
uint16_t encode(uint32_t n, const X& x, const Put& put) {
  uint32_t greatest = 0;
  for (uint32_t i = 0; i < n; ++i) greatest = std::max(greatest, bits_from_float(x(i)) & 0x7fffffffu);
  const uint16_t scale = scale_of(greatest);
  const float inverse = scale_inverse(scale);
  for (uint32_t i = 0; i < n; ++i) {
    const float steps = x(i) * inverse;
    put(i, std::isfinite(steps) ? static_cast<int8_t>(std::nearbyint(steps)) : int8_t{0});
  }
  return scale;
}

void append_codes(const KvAppendParams& params, uint32_t head) {
  const KvLayout& layout = params.layout;
  auto* keys = reinterpret_cast<int8_t*>(params.page + layout.key_offset(head));
  auto* values = reinterpret_cast<int8_t*>(params.page + layout.value_offset(head));
  const auto beside = BesideCodes<uint16_t>::of(layout, params.page, head);
  for (uint32_t t = 0; t < params.n_tokens; ++t) {
    const float* k = params.k + t * params.stride + size_t{head} * layout.head_dim;
    const float* v = params.v + t * params.stride + size_t{head} * layout.head_dim;
    const uint32_t slot = params.first_slot + t;
    for (uint32_t c = 0; slot == 0 && c < layout.head_dim; ++c) beside.key_origin[c] = origin_of(k[c]);
    for (uint32_t first = 0; first < layout.head_dim; first += kKeyScale_channels) {
      beside.key_scales[layout.key_scale_element(first) + slot] = encode(
          std::min(kKeyScale_channels, layout.head_dim - first),
          [&](uint32_t i) { return k[first + i] - bf16_to_f32(beside.key_origin[first + i]); },
          [&](uint32_t i, int8_t code) { keys[layout.key_element(first + i, slot)] = code; });
    }
    beside.value_scales[slot] = encode(
        layout.head_dim, [&](uint32_t i) { return v[i]; },
        [&](uint32_t i, int8_t code) { values[layout.value_element(slot, i)] = code; });
  }
}

}  // namespace

void kv_append_scalar(const KvAppendParams& params, uint32_t head_begin, uint32_t head_end) {
  for (uint32_t head = head_begin; head < head_end; ++head) {
    switch (params.layout.type) {
      case KvType::f32:
        append_numbers<float>(params, head);
        break;
      case KvType::f16:
        append_numbers<uint16_t>(params, head);
        break;
      case KvType::int8:
        append_codes(params, head);
        break;
    }
  }
}

}  // namespace leoam::kernels
