#include "kernels/rope/rope.h"

namespace leoam::kernels {

void rope_avx512(const RopeParams& params, uint32_t n_heads, float* x) {
  rope_scalar(params, n_heads, x);
}

}  // namespace leoam::kernels
