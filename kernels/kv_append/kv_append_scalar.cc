#include <cmath>

#include "kernels/kv_append/kv_append.h"
#include "kernels/page_rows.h"

namespace leoam::kernels {
namespace {

// What makes elements of one token's numbers.
struct ToFloat {
  ToFloat(const float*, uint32_t, uint16_t*) {}
  float operator()(float x) const { return x; }
};
struct ToHalf {
  ToHalf(const float*, uint32_t, uint16_t*) {}
  uint16_t operator()(float x) const { return f32_to_f16(x); }
};
class ToCode {
 public:
  ToCode(const float* x, uint32_t n, uint16_t* scale) {
    uint32_t greatest = 0;
    for (uint32_t i = 0; i < n; ++i) {
      const uint32_t bits = bits_from_float(x[i]) & 0x7fffffffu;
      greatest = bits > greatest ? bits : greatest;
    }
    *scale = scale_of(greatest);
    inverse_ = scale_inverse(*scale);
  }
  int8_t operator()(float x) const {
    const float steps = x * inverse_;
    return std::isfinite(steps) ? static_cast<int8_t>(std::nearbyint(steps)) : int8_t{0};
  }

 private:
  float inverse_;
};

template <class Element, class Convert>
void append_head(const KvAppendParams& params, uint32_t head) {
  const KvLayout& layout = params.layout;
  auto* key = reinterpret_cast<Element*>(params.page + layout.key_offset(head));
  auto* value = reinterpret_cast<Element*>(params.page + layout.value_offset(head));
  auto* key_scale = reinterpret_cast<uint16_t*>(params.page + layout.key_scale_offset(head));
  auto* value_scale = reinterpret_cast<uint16_t*>(params.page + layout.value_scale_offset(head));
  for (uint32_t t = 0; t < params.n_tokens; ++t) {
    const size_t row = t * params.stride + size_t{head} * layout.head_dim;
    const uint32_t slot = params.first_slot + t;
    const Convert key_element(params.k + row, layout.head_dim, key_scale + slot);
    const Convert value_element(params.v + row, layout.head_dim, value_scale + slot);
    for (uint32_t c = 0; c < layout.head_dim; ++c) {
      key[layout.key_element(c, slot)] = key_element(params.k[row + c]);
      value[layout.value_element(slot, c)] = value_element(params.v[row + c]);
    }
  }
}

}  // namespace

void kv_append_scalar(const KvAppendParams& params, uint32_t head_begin, uint32_t head_end) {
  for (uint32_t head = head_begin; head < head_end; ++head) {
    switch (params.layout.type) {
      case KvType::f32:
        append_head<float, ToFloat>(params, head);
        break;
      case KvType::f16:
        append_head<uint16_t, ToHalf>(params, head);
        break;
      case KvType::int8:
        append_head<int8_t, ToCode>(params, head);
        break;
    }
  }
}

}  // namespace leoam::kernels
