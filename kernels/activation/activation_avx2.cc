#include "kernels/activation/activation_simd.h"

namespace leoam::kernels {

void swiglu_avx2(const float* gate, const float* up, uint32_t n, float* out) {
  gated_activation_simd<SwiGlu>(gate, up, n, out);
}

void geglu_avx2(const float* gate, const float* up, uint32_t n, float* out) {
  gated_activation_simd<GeGlu>(gate, up, n, out);
}

}  // namespace leoam::kernels
