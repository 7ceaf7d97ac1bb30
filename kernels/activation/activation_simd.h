// Gated activations over Simd. Both are x times a logistic function: 0.5 (1 + tanh(u)) = 1 / (1 + exp(-2 u)).
#pragma once

#include "kernels/activation/activation.h"
#include "kernels/simd/simd.h"

namespace leoam::kernels {
namespace {

struct SwiGlu {
  LEOAM_INLINE Simd::Float exponent(Simd::Float x) { return Simd::zero() - x; }
};

struct GeGlu {
  LEOAM_INLINE Simd::Float exponent(Simd::Float x) {
    constexpr float kMinusTwoSqrt2OverPi = -1.59576912160573071f;
    const Simd::Float cubic = Simd::fma(x * x, Simd::broadcast(0.044715f), Simd::broadcast(1.0f));
    return x * Simd::broadcast(kMinusTwoSqrt2OverPi) * cubic;
  }
};

template <class Activation>
void gated_activation_simd(const float* gate, const float* up, uint32_t n, float* out) {
  constexpr uint32_t kLanes = Simd::kLanes;
  const Simd::Float one = Simd::broadcast(1.0f);
  const auto gated = [one](Simd::Float x, Simd::Float y) {
    return x / (one + exp(Activation::exponent(x))) * y;
  };
  uint32_t i = 0;
  for (; i + kLanes <= n; i += kLanes) Simd::store(out + i, gated(Simd::load(gate + i), Simd::load(up + i)));
  if (i < n) {
    const uint32_t rest = n - i;
    Simd::store_first(out + i, gated(Simd::load_first(gate + i, rest), Simd::load_first(up + i, rest)), rest);
  }
}

}  // namespace
}  // namespace leoam::kernels
