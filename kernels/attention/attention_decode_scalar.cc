#include "kernels/attention/attention_scalar.h"
#include "kernels/attention/attention_strip_scalar.h"
#include "kernels/attention/visible.h"

namespace leoam::kernels {
namespace {

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
      const SlotRange slots = visible_slots(page, visible);
      for (uint32_t t = slots.begin; t < slots.end; t += kScalarStripTokens) {
        ScalarStrip strip;
        for (uint32_t slot = t; slot < slots.end && strip.n_tokens < kScalarStripTokens; ++slot) {
          strip.add(page.data, page.codec, slot);
        }
        add_strip<Element>(layout, kv_head, strip, q, params.scale, partial);
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
  with_element(params.layout.type,
               [&]<class Element>() { add_pages<Element>(params, kv_head, page_begin, page_end, partials); });
}

void attention_decode_scalar(const AttentionDecodeParams& params, uint32_t kv_head, uint32_t page_begin,
                             uint32_t page_end, float* partials) {
  attention_start_scalar(params.n_heads / params.layout.n_kv_heads, params.layout.head_dim, partials);
  attention_add_scalar(params, kv_head, page_begin, page_end, partials);
}

}  // namespace leoam::kernels
