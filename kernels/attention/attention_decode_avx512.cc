#include "kernels/attention/attention_decode_simd.h"

namespace leoam::kernels {

void attention_decode_avx512(const AttentionDecodeParams& params, uint32_t kv_head, uint32_t page_begin,
                             uint32_t page_end, float* partials) {
  attention_decode_simd(params, kv_head, page_begin, page_end, partials);
}

}  // namespace leoam::kernels
