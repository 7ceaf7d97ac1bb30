// Softmax over Simd.
#pragma once

#include "kernels/simd/simd.h"
#include "kernels/softmax/softmax.h"

namespace leoam::kernels {
namespace {

LEOAM_INLINE float row_maximum(const float* x, uint32_t n) {
  constexpr uint32_t kLanes = Simd::kLanes;
  Simd::Float maximum = Simd::broadcast(-__builtin_inff());
  uint32_t i = 0;
  for (; i + kLanes <= n; i += kLanes) maximum = Simd::max(Simd::load(x + i), maximum);
  if (i < n) {
    maximum = Simd::max(Simd::select_lanes(Simd::load_first(x + i, n - i), 0, n - i, maximum), maximum);
  }
  return Simd::maximum(maximum);
}

LEOAM_INLINE void softmax_simd(const float* x, uint32_t n, float* out) {
  constexpr uint32_t kLanes = Simd::kLanes;
  const Simd::Float maximum = Simd::broadcast(row_maximum(x, n));
  Simd::DoubleSum sum;
  uint32_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Simd::Float weight = exp(Simd::load(x + i) - maximum);
    Simd::store(out + i, weight);
    sum.add(weight);
  }
  if (i < n) {
    const Simd::Float weight = exp(Simd::load_first(x + i, n - i) - maximum);
    Simd::store_first(out + i, weight, n - i);
    sum.add(Simd::select_lanes(weight, 0, n - i, Simd::zero()));
  }
  const Simd::Float inverse = Simd::broadcast(static_cast<float>(1.0 / sum.total()));
  i = 0;
  for (; i + kLanes <= n; i += kLanes) Simd::store(out + i, Simd::load(out + i) * inverse);
  if (i < n) Simd::store_first(out + i, Simd::load_first(out + i, n - i) * inverse, n - i);
}

}  // namespace
}  // namespace leoam::kernels
