#include "kernels/key_codes/key_code_encode_simd.h"

namespace leoam::kernels {

void key_code_encode_avx2(const KeyCodeEncodeParams& params, uint32_t kv_head) {
  key_code_encode_simd(params, kv_head);
}

}  // namespace leoam::kernels
