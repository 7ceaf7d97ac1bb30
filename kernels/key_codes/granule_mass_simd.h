// Sums and masses of granules over Simd.
#pragma once

#include "kernels/key_codes/key_codes.h"
#include "kernels/simd/simd.h"

namespace leoam::kernels {
namespace {

// 2^x for x <= 0, or just above: relative error below 2e-5, enough for estimates. 2^-124 for all that is
// less.
LEOAM_INLINE Simd::Float rough_exp2(Simd::Float x) {
  const Simd::Float y = Simd::max(Simd::broadcast(-124.0f), x);
  const Simd::Float r = Simd::fraction(y);
  Simd::Float p = Simd::broadcast(0x1.bff2dep-7f);
  p = Simd::fma(p, r, Simd::broadcast(0x1.a7e520p-5f));
  p = Simd::fma(p, r, Simd::broadcast(0x1.eece44p-3f));
  p = Simd::fma(p, r, Simd::broadcast(0x1.62cd58p-1f));
  p = Simd::fma(p, r, Simd::broadcast(0x1.00003ap+0f));
  return Simd::multiply_exp2_floor(p, y);
}

// Tokens whose granules are summed together: 8 granules.
constexpr uint32_t kSpan_tokens = 64;
constexpr uint32_t kSpanVectors = kSpan_tokens / Simd::kLanes;

// One block and query head; returns the sum of all.
LEOAM_INLINE float sum_granules(uint32_t pages, uint32_t page_tokens, const float* scores, float maximum,
                                float* sums) {
  const uint32_t page_granules = page_tokens / kGranule_tokens;
  const uint32_t n_tokens = kCodeBlock_pages * page_tokens;
  const uint32_t all = (1u << kCodeBlock_pages) - 1;
  if (pages != all) {
    for (uint32_t i = 0; i < n_tokens / kGranule_tokens; i += Simd::kLanes)
      Simd::store(sums + i, Simd::zero());
    if (pages == 0) return 0;
  }
  // The rounding of the product is an error that all sums of the block share, not above that of its scores.
  const Simd::Float log2_e = Simd::broadcast(0x1.715476p+0f);
  const Simd::Float top = Simd::zero() - Simd::broadcast(maximum) * log2_e;
  for (uint32_t first = 0; first < n_tokens; first += kSpan_tokens) {
    // Pages that the span touches.
    const uint32_t begin = first / page_tokens;
    const uint32_t end = (first + kSpan_tokens - 1) / page_tokens + 1;
    if ((pages & ((1u << end) - (1u << begin))) == 0) continue;
    Simd::Float weights[kSpanVectors];
    LEOAM_UNROLL
    for (uint32_t v = 0; v < kSpanVectors; ++v) {
      weights[v] = rough_exp2(Simd::fma(Simd::load(scores + first + v * Simd::kLanes), log2_e, top));
    }
    Simd::store_sums_of_8(weights, sums + first / kGranule_tokens);
  }
  // Of the pages that are not scored only those beside scored ones hold anything.
  for (uint32_t page = 0; page < kCodeBlock_pages && pages != all; ++page) {
    if ((pages >> page & 1) != 0) continue;
    for (uint32_t i = 0; i < page_granules; ++i) sums[page * page_granules + i] = 0;
  }
  Simd::Float total = Simd::zero();
  for (uint32_t i = 0; i < n_tokens / kGranule_tokens; i += Simd::kLanes)
    total = total + Simd::load(sums + i);
  return Simd::sum(total);
}

LEOAM_INLINE void granule_sum_simd(const GranuleSumParams& params) {
  const size_t n_tokens = size_t{kCodeBlock_pages} * params.page_tokens;
  size_t row = 0;
  for (uint32_t b = 0; b < params.n_blocks; ++b) {
    for (uint32_t g = 0; g < params.group; ++g, ++row) {
      params.totals[row] =
          sum_granules(params.blocks[b].pages, params.page_tokens, params.scores + row * n_tokens,
                       params.maximum[row], params.sums + row * (n_tokens / kGranule_tokens));
    }
  }
}

LEOAM_INLINE void granule_mass_simd(const GranuleMassParams& params) {
  const uint32_t n_granules = kCodeBlock_pages * params.page_tokens / kGranule_tokens;
  for (uint32_t g = 0; g < params.group; ++g) {
    const bool fixed = params.fixed_sum != nullptr && params.fixed_sum[g] > 0;
    float maximum = fixed ? params.fixed_maximum[g] : -__builtin_inff();
    for (uint32_t b = 0; b < params.n_blocks; ++b) {
      const float other = params.maximum[size_t{b} * params.group + g];
      maximum = other > maximum ? other : maximum;
    }
    float sum = fixed ? params.fixed_sum[g] * exp(params.fixed_maximum[g] - maximum) : 0;
    for (uint32_t b = 0; b < params.n_blocks; ++b) {
      const size_t row = size_t{b} * params.group + g;
      if (params.totals[row] > 0) sum += params.totals[row] * exp(params.maximum[row] - maximum);
    }
    params.head_maximum[g] = maximum;
    params.head_sum[g] = sum;
  }
  for (uint32_t b = 0; b < params.n_blocks; ++b) {
    float* mass = params.mass + size_t{b} * n_granules;
    for (uint32_t i = 0; i < n_granules; i += Simd::kLanes) Simd::store(mass + i, Simd::zero());
    for (uint32_t g = 0; g < params.group; ++g) {
      const size_t row = size_t{b} * params.group + g;
      if (!(params.totals[row] > 0)) continue;
      const Simd::Float factor = Simd::broadcast(exp(params.maximum[row] - params.head_maximum[g]) /
                                                 (params.head_sum[g] * static_cast<float>(params.group)));
      const float* sums = params.sums + row * n_granules;
      for (uint32_t i = 0; i < n_granules; i += Simd::kLanes) {
        Simd::store(mass + i, Simd::fma(Simd::load(sums + i), factor, Simd::load(mass + i)));
      }
    }
  }
}

}  // namespace
}  // namespace leoam::kernels
