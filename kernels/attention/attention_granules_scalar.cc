#include "kernels/attention/attention_scalar.h"
#include "kernels/attention/attention_strip_scalar.h"

namespace leoam::kernels {
namespace {

template <class Element>
void add_granules(const AttentionGranulesParams& params, uint32_t kv_head, const float* q, float* partial) {
  const KvLayout& layout = params.layout;
  ScalarStrip<Element> strip;
  for (uint32_t i = 0; i < params.n_granules; ++i) {
    const KvGranules& granules = params.granules[i];
    const auto* key = reinterpret_cast<const Element*>(granules.page + layout.key_offset(kv_head));
    const auto* value = reinterpret_cast<const Element*>(granules.page + layout.value_offset(kv_head));
    for (uint32_t slot = 0; slot < layout.page_tokens; ++slot) {
      if ((granules.mask >> (slot / kGranule_tokens) & 1) == 0) continue;
      strip.add(key + layout.key_element(0, slot), value + layout.value_element(slot, 0));
      if (strip.n_tokens < kScalarStripTokens) continue;
      add_strip(layout, strip, q, params.scale, partial);
      strip.n_tokens = 0;
    }
  }
  if (strip.n_tokens > 0) add_strip(layout, strip, q, params.scale, partial);
}

}  // namespace

void attention_granules_scalar(const AttentionGranulesParams& params, uint32_t kv_head, float* partials) {
  const KvLayout& layout = params.layout;
  const uint32_t group = params.n_heads / layout.n_kv_heads;
  attention_start_scalar(group, layout.head_dim, partials);
  const auto run = layout.type == KvType::f32 ? add_granules<float> : add_granules<uint16_t>;
  for (uint32_t g = 0; g < group; ++g) {
    run(params, kv_head, params.q + (size_t{kv_head} * group + g) * layout.head_dim,
        partials + g * attention_partial_floats(layout.head_dim));
  }
}

}  // namespace leoam::kernels
