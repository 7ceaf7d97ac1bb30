#include <cmath>

#include "kernels/attention/attention_scalar.h"
#include "kernels/attention/visible.h"
#include "kernels/f16.h"

namespace leoam::kernels {
namespace {

inline float to_float(float value) {
  return value;
}
inline float to_float(uint16_t value) {
  return f16_to_f32(value);
}

constexpr uint32_t kStripTokens = 16;

// Adds slots [begin, end) of one page, at most kStripTokens of them, to the state of one query head.
template <class Element>
void add_strip(const KvLayout& layout, const Element* key, const Element* value, const float* q, float scale,
               uint32_t begin, uint32_t end, float* partial) {
  float scores[kStripTokens] = {};
  for (uint32_t c = 0; c < layout.head_dim; ++c) {
    const Element* row = key + layout.key_element(c, begin);
    for (uint32_t t = 0; t < end - begin; ++t) scores[t] += q[c] * to_float(row[t]);
  }
  float maximum = partial[kPartialMaximum];
  for (uint32_t t = 0; t < end - begin; ++t) {
    scores[t] *= scale;
    maximum = scores[t] > maximum ? scores[t] : maximum;
  }
  float* output = partial + kPartialOutput;
  const float rescale = partial[kPartialSum] == 0 ? 0 : std::exp(partial[kPartialMaximum] - maximum);
  float sum = partial[kPartialSum] * rescale;
  for (uint32_t c = 0; c < layout.head_dim; ++c) output[c] *= rescale;
  for (uint32_t t = 0; t < end - begin; ++t) {
    const float weight = std::exp(scores[t] - maximum);
    sum += weight;
    const Element* row = value + layout.value_element(begin + t, 0);
    for (uint32_t c = 0; c < layout.head_dim; ++c) output[c] += weight * to_float(row[c]);
  }
  partial[kPartialMaximum] = maximum;
  partial[kPartialSum] = sum;
}

template <class Element>
void add_pages(const AttentionDecodeParams& params, uint32_t kv_head, uint32_t page_begin, uint32_t page_end,
               float* partials) {
  const KvLayout& layout = params.layout;
  const uint32_t group = params.n_heads / layout.n_kv_heads;
  const size_t stride = attention_partial_floats(layout.head_dim);
  const PositionRange visible = visible_positions(params.position, params.window);
  for (uint32_t g = 0; g < group; ++g) {
    float* partial = partials + g * stride;
    const float* q = params.q + (size_t{kv_head} * group + g) * layout.head_dim;
    for (uint32_t p = page_begin; p < page_end; ++p) {
      const KvPageRef& page = params.pages[p];
      const auto* key = reinterpret_cast<const Element*>(page.data + layout.key_offset(kv_head));
      const auto* value = reinterpret_cast<const Element*>(page.data + layout.value_offset(kv_head));
      const SlotRange slots = visible_slots(page, visible);
      for (uint32_t t = slots.begin; t < slots.end; t += kStripTokens) {
        const uint32_t end = t + kStripTokens < slots.end ? t + kStripTokens : slots.end;
        add_strip(layout, key, value, q, params.scale, t, end, partial);
      }
    }
  }
}

}  // namespace

void attention_start_scalar(uint32_t n_states, uint32_t head_dim, float* partials) {
  const size_t stride = attention_partial_floats(head_dim);
  for (size_t i = 0; i < n_states * stride; ++i) partials[i] = 0;
  for (uint32_t s = 0; s < n_states; ++s) partials[s * stride + kPartialMaximum] = -INFINITY;
}

void attention_add_scalar(const AttentionDecodeParams& params, uint32_t kv_head, uint32_t page_begin,
                          uint32_t page_end, float* partials) {
  const auto run = params.layout.type == KvType::f32 ? add_pages<float> : add_pages<uint16_t>;
  run(params, kv_head, page_begin, page_end, partials);
}

void attention_decode_scalar(const AttentionDecodeParams& params, uint32_t kv_head, uint32_t page_begin,
                             uint32_t page_end, float* partials) {
  attention_start_scalar(params.n_heads / params.layout.n_kv_heads, params.layout.head_dim, partials);
  attention_add_scalar(params, kv_head, page_begin, page_end, partials);
}

}  // namespace leoam::kernels
