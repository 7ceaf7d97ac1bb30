#include "kernels/key_codes/key_code_score_simd.h"

namespace leoam::kernels {

void key_code_score_avx512(const KeyCodeScoreParams& params, uint32_t kv_head) {
  key_code_score_simd(params, kv_head);
}

}  // namespace leoam::kernels
