// Merge of partial attention states over Simd.
#pragma once

#include "kernels/attention/attention.h"
#include "kernels/simd/simd.h"

namespace leoam::kernels {
namespace {

LEOAM_INLINE void attention_merge_simd(const float* partials, uint32_t n_parts, size_t part_stride,
                                       uint32_t head_dim, float* out) {
  constexpr uint32_t kLanes = Simd::kLanes;
  float maximum = -__builtin_inff();
  for (uint32_t p = 0; p < n_parts; ++p) {
    const float* part = partials + p * part_stride;
    if (part[kPartialSum] != 0 && !(part[kPartialMaximum] <= maximum)) maximum = part[kPartialMaximum];
  }
  float sum = 0;
  for (uint32_t p = 0; p < n_parts; ++p) {
    const float* part = partials + p * part_stride;
    if (part[kPartialSum] != 0) sum += exp(part[kPartialMaximum] - maximum) * part[kPartialSum];
  }
  const float inverse = sum == 0 ? 0 : 1.0f / sum;
  // In blocks of channels that stay in registers over the parts.
  constexpr uint32_t kBlock = 4 * kLanes;
  for (uint32_t c = 0; c < head_dim; c += kBlock) {
    Simd::Float block[4] = {Simd::zero(), Simd::zero(), Simd::zero(), Simd::zero()};
    const uint32_t n_vectors = head_dim - c < kBlock ? (head_dim - c + kLanes - 1) / kLanes : 4;
    for (uint32_t p = 0; p < n_parts; ++p) {
      const float* part = partials + p * part_stride;
      if (part[kPartialSum] == 0) continue;
      const Simd::Float weight = Simd::broadcast(exp(part[kPartialMaximum] - maximum) * inverse);
      // A partial state's output is padded to whole vectors.
      for (uint32_t v = 0; v < n_vectors; ++v) {
        block[v] = Simd::fma(weight, Simd::load(part + kPartialOutput + c + v * kLanes), block[v]);
      }
    }
    for (uint32_t v = 0; v < n_vectors; ++v) {
      const uint32_t at = c + v * kLanes;
      if (head_dim - at >= kLanes) {
        Simd::store(out + at, block[v]);
      } else {
        Simd::store_first(out + at, block[v], head_dim - at);
      }
    }
  }
}

}  // namespace
}  // namespace leoam::kernels
