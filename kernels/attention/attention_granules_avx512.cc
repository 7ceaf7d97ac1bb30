#include "kernels/attention/attention_granules_simd.h"

namespace leoam::kernels {

void attention_granules_avx512(const AttentionGranulesParams& params, uint32_t kv_head, float* partials) {
  attention_granules_simd(params, kv_head, partials);
}

}  // namespace leoam::kernels
