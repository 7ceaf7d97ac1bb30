#include "kernels/attention/attention.h"

namespace leoam::kernels {

size_t attention_prefill_scratch_bytes(const KvLayout& layout, uint32_t n_heads, uint32_t tile_tokens) {
  (void)tile_tokens;
  return n_heads / layout.n_kv_heads * attention_partial_floats(layout.head_dim) * sizeof(float);
}

}  // namespace leoam::kernels
