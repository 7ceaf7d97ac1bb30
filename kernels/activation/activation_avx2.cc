#include "kernels/activation/activation.h"

namespace leoam::kernels {

void swiglu_avx2(const float* gate, const float* up, uint32_t n, float* out) {
  swiglu_scalar(gate, up, n, out);
}

void geglu_avx2(const float* gate, const float* up, uint32_t n, float* out) {
  geglu_scalar(gate, up, n, out);
}

}  // namespace leoam::kernels
