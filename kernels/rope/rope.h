// Rotary position embedding of the first n_rot channels of every head, in place.
//
// Pair i is rotated by the angle whose cosine and sine are cos[i] and sin[i]; the caller computes them once a
// step, with scaling of any kind already in them (so also an attention factor, as YaRN has).
// adjacent: pair i is channels (2i, 2i + 1); halves: (i, i + n_rot / 2).
#pragma once

#include <cstdint>

namespace leoam::kernels {

enum class RopePairing : int32_t { adjacent = 0, halves = 1 };

struct RopeParams {
  RopePairing pairing = RopePairing::halves;
  uint32_t head_dim = 0;
  uint32_t n_rot = 0;          // even, <= head_dim
  const float* cos = nullptr;  // [n_rot / 2]
  const float* sin = nullptr;  // [n_rot / 2]
};

// x: [n_heads][head_dim] of one token.
using RopeFunction = void(const RopeParams& params, uint32_t n_heads, float* x);
RopeFunction rope_scalar, rope_avx2, rope_avx512;

}  // namespace leoam::kernels
