#include "kernels/softmax/softmax_simd.h"

namespace leoam::kernels {

void softmax_avx2(const float* x, uint32_t n, float* out) {
  softmax_simd(x, n, out);
}

}  // namespace leoam::kernels
