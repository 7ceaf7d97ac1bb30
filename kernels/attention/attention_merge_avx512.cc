#include "kernels/attention/attention_merge_simd.h"

namespace leoam::kernels {

void attention_merge_avx512(const float* partials, uint32_t n_parts, size_t part_stride, uint32_t head_dim,
                            float* out) {
  attention_merge_simd(partials, n_parts, part_stride, head_dim, out);
}

}  // namespace leoam::kernels
