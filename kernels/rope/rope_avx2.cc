#include "kernels/rope/rope_simd.h"

namespace leoam::kernels {

void rope_avx2(const RopeParams& params, uint32_t n_heads, float* x) {
  rope_simd(params, n_heads, x);
}

}  // namespace leoam::kernels
