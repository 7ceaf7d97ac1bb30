#include <cmath>

#include "kernels/activation/activation.h"

namespace leoam::kernels {

void swiglu_scalar(const float* gate, const float* up, uint32_t n, float* out) {
  for (uint32_t i = 0; i < n; ++i) out[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i];
}

void geglu_scalar(const float* gate, const float* up, uint32_t n, float* out) {
  constexpr float kSqrt2OverPi = 0.797884560802865356f;
  for (uint32_t i = 0; i < n; ++i) {
    const float x = gate[i];
    out[i] = 0.5f * x * (1.0f + std::tanh(kSqrt2OverPi * x * (1.0f + 0.044715f * x * x))) * up[i];
  }
}

}  // namespace leoam::kernels
