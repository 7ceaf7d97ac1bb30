#include <cmath>

#include "kernels/attention/attention.h"
#include "kernels/attention/visible.h"
#include "kernels/page_codec/compact_rows.h"

namespace leoam::kernels {
namespace {

template <class Rows>
void add_masses(const AttentionMassParams& params, uint32_t kv_head, const AttentionMassPage& page,
                const Rows& rows) {
  const KvLayout& layout = params.layout;
  const uint32_t group = params.n_heads / layout.n_kv_heads;
  for (uint32_t t = 0; t < params.n_tokens; ++t) {
    const int32_t position = params.first_position + static_cast<int32_t>(t);
    const SlotRange slots = visible_slots(page.page, {0, position});
    for (uint32_t slot = slots.begin; slot < slots.end; ++slot) {
      float& mass = page.mass[kv_head * params.mass_stride + slot];
      if (!(mass >= 0)) continue;
      float sum = 0;
      for (uint32_t h = kv_head * group; h < (kv_head + 1) * group; ++h) {
        const float* q = params.q + t * params.q_stride + size_t{h} * layout.head_dim;
        float score = 0;
        for (uint32_t c = 0; c < layout.head_dim; ++c) score += q[c] * rows.key(c, slot);
        const float share = std::exp(score * params.scale - params.log_sums[size_t{t} * params.n_heads + h]);
        sum += share < 1 ? share : 1;
      }
      mass += sum / static_cast<float>(group);
    }
  }
}

}  // namespace

void attention_mass_scalar(const AttentionMassParams& params, uint32_t kv_head, uint32_t page_begin,
                           uint32_t page_end, uint8_t*) {
  for (uint32_t p = page_begin; p < page_end; ++p) {
    const AttentionMassPage& page = params.pages[p];
    with_element(params.layout.type, [&]<class Element>() {
      with_rows<Element>(params.layout, page.page.codec, page.page.data, kv_head,
                         [&](const auto& rows) { add_masses(params, kv_head, page, rows); });
    });
  }
}

}  // namespace leoam::kernels
