#include "kernels/attention/attention_granules_simd.h"

namespace leoam::kernels {

void attention_tokens_avx512(const AttentionGranulesParams& params, uint32_t kv_head, float* partials) {
  attention_tokens_simd(params, kv_head, partials);
}

}  // namespace leoam::kernels
