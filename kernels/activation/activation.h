// Gated activations of the feed-forward part: out[i] = act(gate[i]) * up[i]; out may be gate or up.
// SwiGLU: act(x) = x / (1 + exp(-x)). GeGLU: act(x) = 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
#pragma once

#include <cstdint>

namespace leoam::kernels {

using GatedActivationFunction = void(const float* gate, const float* up, uint32_t n, float* out);
GatedActivationFunction swiglu_scalar, swiglu_avx2, swiglu_avx512;
GatedActivationFunction geglu_scalar, geglu_avx2, geglu_avx512;

}  // namespace leoam::kernels
