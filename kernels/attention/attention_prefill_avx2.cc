#include "kernels/attention/attention_prefill_simd.h"

namespace leoam::kernels {

void attention_prefill_avx2(const AttentionPrefillParams& params, uint32_t kv_head, uint32_t token_begin,
                            uint32_t token_end, uint8_t* scratch) {
  attention_prefill_simd(params, kv_head, token_begin, token_end, scratch);
}

}  // namespace leoam::kernels
