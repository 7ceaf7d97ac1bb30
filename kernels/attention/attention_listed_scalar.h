// Scalar attention over granules of a list, or over some of their tokens.
#pragma once

#include "kernels/attention/attention_scalar.h"
#include "kernels/attention/attention_strip_scalar.h"

namespace leoam::kernels {

template <class Element, class Counts>
void add_listed(const AttentionGranulesParams& params, uint32_t kv_head, const Counts& counts, const float* q,
                float* partial) {
  const KvLayout& layout = params.layout;
  ScalarStrip strip;
  for (uint32_t i = 0; i < params.n_granules; ++i) {
    for (uint32_t slot = 0; slot < layout.page_tokens; ++slot) {
      if ((params.granules[i].mask >> (slot / kGranule_tokens) & 1) == 0 || !counts(i, slot)) continue;
      strip.add(params.granules[i].page, params.granules[i].codec, slot);
      if (strip.n_tokens < kScalarStripTokens) continue;
      add_strip<Element>(layout, kv_head, strip, q, params.scale, partial);
      strip.n_tokens = 0;
    }
  }
  if (strip.n_tokens > 0) add_strip<Element>(layout, kv_head, strip, q, params.scale, partial);
}

// counts(entry, slot): whether a token of a listed granule counts.
template <class Counts>
void attention_listed_scalar(const AttentionGranulesParams& params, uint32_t kv_head, const Counts& counts,
                             float* partials) {
  const KvLayout& layout = params.layout;
  const uint32_t group = params.n_heads / layout.n_kv_heads;
  attention_start_scalar(group, layout.head_dim, partials);
  for (uint32_t g = 0; g < group; ++g) {
    with_element(layout.type, [&]<class Element>() {
      add_listed<Element>(params, kv_head, counts, params.q + (size_t{kv_head} * group + g) * layout.head_dim,
                          partials + g * attention_partial_floats(layout.head_dim));
    });
  }
}

}  // namespace leoam::kernels
