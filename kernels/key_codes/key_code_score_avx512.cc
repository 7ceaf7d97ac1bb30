#include "kernels/key_codes/key_code_score_simd.h"

namespace leoam::kernels {

void key_code_score_avx512(const KeyCodeScoreParams& params, uint32_t kv_head) {
  key_code_score_simd(params, kv_head);
}

void key_channel_rank_avx512(const float* q, uint32_t group, uint32_t head_dim, const float* range,
                             uint32_t n, uint32_t* channels) {
  key_channel_rank_simd(q, group, head_dim, range, n, channels);
}

}  // namespace leoam::kernels
