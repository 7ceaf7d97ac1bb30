// The register tile of prefill attention: C[kRows][kVectors] = scale C + A B with every accumulator in a
// register. A sum is one chain of FMA in the order of the depth, whatever the shape of the tile.
#pragma once

#include "kernels/simd/simd.h"

namespace leoam::kernels {
namespace {

// 24 or 12 accumulators of 32 or 16 registers.
constexpr uint32_t kTileRows = Simd::kRegisters == 32 ? 12 : 6;
constexpr uint32_t kTileVectors = 2;
constexpr uint32_t kTileColumns = kTileVectors * Simd::kLanes;

// A: element (row, k) at a[row * kRowStep + k * kDepthStep]. B: [depth][kVectors vectors]. C: rows c_stride
// apart. c_scale: a factor for each row of C, or nullptr for C = A B.
template <uint32_t kRows, uint32_t kVectors, size_t kRowStep, size_t kDepthStep>
LEOAM_INLINE void gemm_tile(const float* a, const float* b, uint32_t depth, float* c, size_t c_stride,
                            const float* c_scale) {
  Simd::Float sums[kRows][kVectors];
  LEOAM_UNROLL
  for (uint32_t r = 0; r < kRows; ++r) {
    LEOAM_UNROLL
    for (uint32_t v = 0; v < kVectors; ++v) {
      sums[r][v] = c_scale == nullptr
                       ? Simd::zero()
                       : Simd::load(c + r * c_stride + v * Simd::kLanes) * Simd::broadcast(c_scale[r]);
    }
  }
  for (uint32_t k = 0; k < depth; ++k, a += kDepthStep, b += kVectors * Simd::kLanes) {
    Simd::Float columns[kVectors];
    LEOAM_UNROLL
    for (uint32_t v = 0; v < kVectors; ++v) columns[v] = Simd::load(b + v * Simd::kLanes);
    LEOAM_UNROLL
    for (uint32_t r = 0; r < kRows; ++r) {
      const Simd::Float factor = Simd::broadcast(a[r * kRowStep]);
      LEOAM_UNROLL
      for (uint32_t v = 0; v < kVectors; ++v) sums[r][v] = Simd::fma(columns[v], factor, sums[r][v]);
    }
  }
  LEOAM_UNROLL
  for (uint32_t r = 0; r < kRows; ++r) {
    LEOAM_UNROLL
    for (uint32_t v = 0; v < kVectors; ++v) Simd::store(c + r * c_stride + v * Simd::kLanes, sums[r][v]);
  }
}

}  // namespace
}  // namespace leoam::kernels
