// RMS norm: out[i] = x[i] / sqrt(mean(x^2) + eps) * weight[i].
#pragma once

#include <cstdint>

namespace leoam::kernels {

// x, weight, out: [n]; out may be x. n >= 1.
using RmsNormFunction = void(const float* x, const float* weight, uint32_t n, float eps, float* out);
RmsNormFunction rms_norm_scalar, rms_norm_avx2, rms_norm_avx512;

}  // namespace leoam::kernels
