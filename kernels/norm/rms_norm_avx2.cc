#include "kernels/norm/rms_norm_simd.h"

namespace leoam::kernels {

void rms_norm_avx2(const float* x, const float* weight, uint32_t n, float eps, float* out) {
  rms_norm_simd(x, weight, n, eps, out);
}

}  // namespace leoam::kernels
