#include "kernels/kv_append/kv_append_simd.h"

namespace leoam::kernels {

void kv_append_avx2(const KvAppendParams& params, uint32_t head_begin, uint32_t head_end) {
  kv_append_simd(params, head_begin, head_end);
}

}  // namespace leoam::kernels
