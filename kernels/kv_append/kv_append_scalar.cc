#include "kernels/f16.h"
#include "kernels/kv_append/kv_append.h"

namespace leoam::kernels {
namespace {

inline void store_element(float value, float* slot) {
  *slot = value;
}
inline void store_element(float value, uint16_t* slot) {
  *slot = f32_to_f16(value);
}

template <class Element>
void append_head(const KvAppendParams& params, uint32_t head) {
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

}  // namespace

void kv_append_scalar(const KvAppendParams& params, uint32_t head_begin, uint32_t head_end) {
  for (uint32_t head = head_begin; head < head_end; ++head) {
    if (params.layout.type == KvType::f32) {
      append_head<float>(params, head);
    } else {
      append_head<uint16_t>(params, head);
    }
  }
}

}  // namespace leoam::kernels
