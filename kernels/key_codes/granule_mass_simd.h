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

constexpr uint32_t kSpanGranules = kSpan_tokens / kGranule_tokens;

// Which granules of a block are of scored pages, a bit a granule.
struct ScoredGranules {
  uint64_t words[kCodeBlock_pages * kMaxPage_tokens / kGranule_tokens / 64 + 1];

  [[gnu::always_inline]] inline uint32_t of_span(uint32_t span) const {
    return static_cast<uint32_t>(words[span / 8] >> span % 8 * kSpanGranules) & ((1u << kSpanGranules) - 1);
  }
};

LEOAM_INLINE void find_scored(uint32_t pages, uint32_t page_tokens, ScoredGranules* scored) {
  const uint32_t n = page_tokens / kGranule_tokens;
  const uint64_t page = (uint64_t{1} << n) - 1;
  for (uint32_t i = 0; i <= kCodeBlock_pages * n / 64; ++i) scored->words[i] = 0;
  for (; pages != 0; pages &= pages - 1) {
    const uint32_t first = static_cast<uint32_t>(__builtin_ctz(pages)) * n;
    scored->words[first / 64] |= page << first % 64;
    if (first % 64 + n > 64) scored->words[first / 64 + 1] |= page >> (64 - first % 64);
  }
}

// One block and query head; returns the sum of all.
LEOAM_INLINE float sum_granules(const ScoredGranules& scored, uint32_t n_tokens, const float* scores,
                                float maximum, float* sums) {
  // The rounding of the product is an error that all sums of the block share, not above that of its scores.
  const Simd::Float log2_e = Simd::broadcast(0x1.715476p+0f);
  const Simd::Float top = Simd::zero() - Simd::broadcast(maximum) * log2_e;
  for (uint32_t span = 0; span < n_tokens / kSpan_tokens; ++span) {
    const uint32_t wanted = scored.of_span(span);
    float* out = sums + span * kSpanGranules;
    if (wanted == 0) {
      for (uint32_t i = 0; i < kSpanGranules; ++i) out[i] = 0;
      continue;
    }
    Simd::Float weights[kSpanVectors];
    LEOAM_UNROLL
    for (uint32_t v = 0; v < kSpanVectors; ++v) {
      const Simd::Float score = Simd::load(scores + span * kSpan_tokens + v * Simd::kLanes);
      weights[v] = rough_exp2(Simd::fma(score, log2_e, top));
    }
    Simd::store_sums_of_8(weights, out);
    if (wanted == (1u << kSpanGranules) - 1) continue;
    for (uint32_t i = 0; i < kSpanGranules; ++i) out[i] = (wanted >> i & 1) != 0 ? out[i] : 0;
  }
  Simd::Float total = Simd::zero();
  for (uint32_t i = 0; i < n_tokens / kGranule_tokens; i += Simd::kLanes)
    total = total + Simd::load(sums + i);
  return Simd::sum(total);
}

LEOAM_INLINE void granule_sum_simd(const GranuleSumParams& params) {
  const uint32_t n_tokens = kCodeBlock_pages * params.page_tokens;
  size_t row = 0;
  for (uint32_t b = 0; b < params.n_blocks; ++b) {
    ScoredGranules scored;
    find_scored(params.blocks[b].pages, params.page_tokens, &scored);
    for (uint32_t g = 0; g < params.group; ++g, ++row) {
      params.totals[row] = sum_granules(scored, n_tokens, params.scores + row * n_tokens, params.maximum[row],
                                        params.sums + row * (n_tokens / kGranule_tokens));
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

// Pages in the lanes.
LEOAM_INLINE void granule_rest_simd(const GranuleRestParams& params) {
  constexpr uint32_t kLanes = Simd::kLanes;
  constexpr uint32_t kMaxGranules = kMaxPage_tokens / kGranule_tokens;
  const uint32_t n_granules = params.page_tokens / kGranule_tokens;
  alignas(64) float left[kMaxGranules][kCodeBlock_pages];
  alignas(64) float n[kCodeBlock_pages];
  for (uint32_t first = 0; first < kCodeBlock_pages; first += kLanes) {
    Simd::Int selected = Simd::load_int(params.selected + first);
    Simd::Float total = Simd::zero();
    for (uint32_t i = 0; i < n_granules; ++i, selected = Simd::shift_right<1>(selected)) {
      const Simd::Int is_left =
          Simd::subtract(Simd::broadcast_int(1), Simd::bit_and(selected, Simd::broadcast_int(1)));
      const Simd::Float one = Simd::to_float(is_left);
      Simd::store(left[i] + first, one);
      total = total + one;
    }
    Simd::store(n + first, total);
  }
  alignas(64) float columns[kMaxGranules][kCodeBlock_pages];
  for (uint32_t g = 0; g < params.group; ++g) {
    const float* const sums = params.sums + size_t{g} * kCodeBlock_pages * n_granules;
    for (uint32_t page = 0; page < kCodeBlock_pages; ++page)
      for (uint32_t i = 0; i < n_granules; ++i) columns[i][page] = sums[page * n_granules + i];
    for (uint32_t first = 0; first < kCodeBlock_pages; first += kLanes) {
      Simd::Float sum = Simd::zero();
      Simd::Float squares = Simd::zero();
      for (uint32_t i = 0; i < n_granules; ++i) {
        const Simd::Float x = Simd::load(columns[i] + first) * Simd::load(left[i] + first);
        sum = sum + x;
        squares = Simd::fma(x, x, squares);
      }
      const Simd::Float even = sum * sum / (Simd::load(n + first) * squares);
      const Simd::Float weight = sum * even * Simd::broadcast(params.units[g]);
      Simd::store(params.weights + size_t{g} * kCodeBlock_pages + first,
                  Simd::zero_where_less(weight, squares, kLeastSquares));
    }
  }
}

}  // namespace
}  // namespace leoam::kernels
