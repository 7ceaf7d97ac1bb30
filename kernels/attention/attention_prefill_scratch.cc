#include "kernels/attention/prefill_scratch.h"

namespace leoam::kernels {

size_t attention_prefill_scratch_bytes(const KvLayout& layout, uint32_t n_heads, uint32_t tile_tokens) {
  const uint32_t group = n_heads / layout.n_kv_heads;
  const size_t vector_bytes = prefill_scratch(layout.head_dim, group * tile_tokens).bytes;
  const size_t scalar_bytes = group * attention_partial_floats(layout.head_dim) * sizeof(float);
  return vector_bytes > scalar_bytes ? vector_bytes : scalar_bytes;
}

}  // namespace leoam::kernels
