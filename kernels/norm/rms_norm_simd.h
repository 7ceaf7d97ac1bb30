// RMS norm over Simd.
#pragma once

#include "kernels/norm/rms_norm.h"
#include "kernels/simd/simd.h"

namespace leoam::kernels {
namespace {

LEOAM_INLINE float sum_of_squares(const float* x, uint32_t n) {
  constexpr uint32_t kLanes = Simd::kLanes;
  constexpr uint32_t kChains = 4;
  Simd::Float sums[kChains] = {Simd::zero(), Simd::zero(), Simd::zero(), Simd::zero()};
  uint32_t i = 0;
  for (; i + kChains * kLanes <= n; i += kChains * kLanes) {
    LEOAM_UNROLL
    for (uint32_t k = 0; k < kChains; ++k) {
      const Simd::Float v = Simd::load(x + i + k * kLanes);
      sums[k] = Simd::fma(v, v, sums[k]);
    }
  }
  for (; i < n; i += kLanes) {
    const Simd::Float v = n - i < kLanes ? Simd::load_first(x + i, n - i) : Simd::load(x + i);
    sums[0] = Simd::fma(v, v, sums[0]);
  }
  return Simd::sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

LEOAM_INLINE void rms_norm_simd(const float* x, const float* weight, uint32_t n, float eps, float* out) {
  constexpr uint32_t kLanes = Simd::kLanes;
  const float variance = sum_of_squares(x, n) / static_cast<float>(n) + eps;
  const Simd::Float scale = Simd::broadcast(1.0f / _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(variance))));
  uint32_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    Simd::store(out + i, Simd::load(x + i) * scale * Simd::load(weight + i));
  }
  if (i < n) {
    const uint32_t rest = n - i;
    Simd::store_first(out + i, Simd::load_first(x + i, rest) * scale * Simd::load_first(weight + i, rest),
                      rest);
  }
}

}  // namespace
}  // namespace leoam::kernels
