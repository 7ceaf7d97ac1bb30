// RoPE over Simd: the cosines and sines of a few pairs are loaded once and serve all heads.
#pragma once

#include "kernels/rope/rope.h"
#include "kernels/simd/simd.h"

namespace leoam::kernels {
namespace {

LEOAM_INLINE void rotate_halves(const RopeParams& params, uint32_t n_heads, float* x, uint32_t pair,
                                uint32_t n) {
  const uint32_t n_pairs = params.n_rot / 2;
  const bool whole = n == Simd::kLanes;
  const Simd::Float cos = whole ? Simd::load(params.cos + pair) : Simd::load_first(params.cos + pair, n);
  const Simd::Float sin = whole ? Simd::load(params.sin + pair) : Simd::load_first(params.sin + pair, n);
  for (uint32_t head = 0; head < n_heads; ++head) {
    float* first = x + size_t{head} * params.head_dim + pair;
    float* second = first + n_pairs;
    const Simd::Float a = whole ? Simd::load(first) : Simd::load_first(first, n);
    const Simd::Float b = whole ? Simd::load(second) : Simd::load_first(second, n);
    const Simd::Float rotated_a = a * cos - b * sin;
    const Simd::Float rotated_b = Simd::fma(a, sin, b * cos);
    if (whole) {
      Simd::store(first, rotated_a);
      Simd::store(second, rotated_b);
    } else {
      Simd::store_first(first, rotated_a, n);
      Simd::store_first(second, rotated_b, n);
    }
  }
}

LEOAM_INLINE void rotate_adjacent(const RopeParams& params, uint32_t n_heads, float* x, uint32_t pair,
                                  uint32_t n) {
  const bool whole = 2 * n == Simd::kLanes;
  const Simd::Float cos = Simd::load_twice(params.cos + pair, n);
  const Simd::Float sin = Simd::load_twice(params.sin + pair, n);
  for (uint32_t head = 0; head < n_heads; ++head) {
    float* channels = x + size_t{head} * params.head_dim + 2 * pair;
    const Simd::Float v = whole ? Simd::load(channels) : Simd::load_first(channels, 2 * n);
    const Simd::Float rotated = Simd::fma_subtract_even(v, cos, Simd::swap_neighbours(v) * sin);
    if (whole) {
      Simd::store(channels, rotated);
    } else {
      Simd::store_first(channels, rotated, 2 * n);
    }
  }
}

LEOAM_INLINE void rope_simd(const RopeParams& params, uint32_t n_heads, float* x) {
  const uint32_t n_pairs = params.n_rot / 2;
  const bool adjacent = params.pairing == RopePairing::adjacent;
  const uint32_t step = adjacent ? Simd::kLanes / 2 : Simd::kLanes;
  for (uint32_t pair = 0; pair < n_pairs; pair += step) {
    const uint32_t n = n_pairs - pair < step ? n_pairs - pair : step;
    if (adjacent) {
      rotate_adjacent(params, n_heads, x, pair, n);
    } else {
      rotate_halves(params, n_heads, x, pair, n);
    }
  }
}

}  // namespace
}  // namespace leoam::kernels
