// Reductions over logits, over Simd.
#pragma once

#include "kernels/sampling/sampling.h"
#include "kernels/simd/simd.h"

namespace leoam::kernels {
namespace {

// Two passes: the value, then the first place that has it, which on average is half a pass.
LEOAM_INLINE LogitsMaximum logits_maximum_simd(const float* logits, uint32_t n) {
  constexpr uint32_t kLanes = Simd::kLanes;
  constexpr uint32_t kChains = 4;
  const Simd::Float lowest = Simd::broadcast(-__builtin_inff());
  Simd::Float maxima[kChains] = {lowest, lowest, lowest, lowest};
  uint32_t i = 0;
  for (; i + kChains * kLanes <= n; i += kChains * kLanes) {
    LEOAM_UNROLL
    for (uint32_t k = 0; k < kChains; ++k) {
      maxima[k] = Simd::max(Simd::load(logits + i + k * kLanes), maxima[k]);
    }
  }
  for (; i < n; i += kLanes) {
    const uint32_t rest = n - i;
    const Simd::Float v = rest >= kLanes
                              ? Simd::load(logits + i)
                              : Simd::select_lanes(Simd::load_first(logits + i, rest), 0, rest, lowest);
    maxima[0] = Simd::max(v, maxima[0]);
  }
  const float value =
      Simd::maximum(Simd::max(Simd::max(maxima[0], maxima[1]), Simd::max(maxima[2], maxima[3])));
  const Simd::Float wanted = Simd::broadcast(value);
  i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const uint32_t hits = Simd::lanes_equal(Simd::load(logits + i), wanted);
    if (hits != 0) return {value, i + static_cast<uint32_t>(__builtin_ctz(hits))};
  }
  for (; i < n; ++i) {
    if (logits[i] == value) return {value, i};
  }
  return {value, 0};
}

LEOAM_INLINE double logits_exp_sum_simd(const float* logits, uint32_t n, float maximum,
                                        float inverse_temperature) {
  constexpr uint32_t kLanes = Simd::kLanes;
  const Simd::Float top = Simd::broadcast(maximum);
  const Simd::Float factor = Simd::broadcast(inverse_temperature);
  Simd::DoubleSum sum;
  uint32_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    sum.add(Simd::zero_where_nan(exp((Simd::load(logits + i) - top) * factor)));
  }
  if (i < n) {
    const uint32_t rest = n - i;
    const Simd::Float terms = Simd::zero_where_nan(exp((Simd::load_first(logits + i, rest) - top) * factor));
    sum.add(Simd::select_lanes(terms, 0, rest, Simd::zero()));
  }
  return sum.total();
}

LEOAM_INLINE uint32_t logits_above_simd(const float* logits, uint32_t n, float threshold, uint32_t* indices,
                                        uint32_t capacity) {
  constexpr uint32_t kLanes = Simd::kLanes;
  const Simd::Float bound = Simd::broadcast(threshold);
  uint32_t count = 0;
  for (uint32_t i = 0; i < n; i += kLanes) {
    const uint32_t rest = n - i;
    uint32_t hits = rest >= kLanes ? Simd::lanes_not_below(Simd::load(logits + i), bound)
                                   : Simd::lanes_not_below(Simd::load_first(logits + i, rest), bound) &
                                         ((1u << rest) - 1u);
    for (; hits != 0; hits &= hits - 1) {
      if (count < capacity) indices[count] = i + static_cast<uint32_t>(__builtin_ctz(hits));
      ++count;
    }
  }
  return count;
}

}  // namespace
}  // namespace leoam::kernels
