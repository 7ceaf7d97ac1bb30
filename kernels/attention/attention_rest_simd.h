// Attention to mean values with given weights over Simd: channels in the lanes, block by block.
#pragma once

#include "kernels/attention/attention.h"
#include "kernels/simd/head_parts.h"
#include "kernels/simd/simd.h"

namespace leoam::kernels {
namespace {

// Query heads computed together; larger groups are cut into equal parts.
constexpr uint32_t kMaxRestHeads = 4;

// kVectors vectors of output from `channel` on; factors: [kHeads][16 pages].
template <uint32_t kHeads, uint32_t kVectors>
LEOAM_INLINE void add_values(const KeyCodeLayout& layout, const uint8_t* head, uint32_t pages,
                             uint32_t channel, const float* factors, float* partials, size_t stride) {
  const auto* values = reinterpret_cast<const int8_t*>(head + layout.mean_value_offset(0) + channel);
  const size_t page_stride = layout.value_bytes();
  float* output = partials + kPartialOutput + channel;
  Simd::Float sums[kHeads][kVectors];
  LEOAM_UNROLL
  for (uint32_t h = 0; h < kHeads; ++h) {
    LEOAM_UNROLL
    for (uint32_t v = 0; v < kVectors; ++v) sums[h][v] = Simd::load(output + h * stride + v * Simd::kLanes);
  }
  for (; pages != 0; pages &= pages - 1) {
    const auto page = static_cast<uint32_t>(__builtin_ctz(pages));
    LEOAM_UNROLL
    for (uint32_t v = 0; v < kVectors; ++v) {
      const Simd::Float value = Simd::load(values + page * page_stride + v * Simd::kLanes);
      LEOAM_UNROLL
      for (uint32_t h = 0; h < kHeads; ++h) {
        const Simd::Float factor = Simd::broadcast(factors[h * kCodeBlock_pages + page]);
        sums[h][v] = Simd::fma(value, factor, sums[h][v]);
      }
    }
  }
  LEOAM_UNROLL
  for (uint32_t h = 0; h < kHeads; ++h) {
    LEOAM_UNROLL
    for (uint32_t v = 0; v < kVectors; ++v) Simd::store(output + h * stride + v * Simd::kLanes, sums[h][v]);
  }
}

// Weights of a block and query head -> factors of the values' numbers, and the pages that have one; returns
// the sum of the weights.
LEOAM_INLINE float rest_factors(const KeyCodeLayout& layout, const AttentionRest& block, uint32_t head,
                                float unit, float* factors, uint32_t* pages) {
  const float* const weights = block.weights + size_t{head} * kCodeBlock_pages;
  const auto* scales = reinterpret_cast<const float*>(block.head + layout.value_scale_offset());
  Simd::Float sum = Simd::zero();
  for (uint32_t first = 0; first < kCodeBlock_pages; first += Simd::kLanes) {
    const Simd::Float weight = Simd::load(weights + first) * Simd::broadcast(unit);
    sum = sum + weight;
    const uint32_t none = Simd::lanes_equal(weight, Simd::zero());
    *pages |= (~none & ((1u << Simd::kLanes) - 1)) << first;
    // Bytes of a page that has none may be anything.
    Simd::store(factors + first,
                Simd::zero_where_less(weight * Simd::load(scales + first), weight, 0x1p-126f));
  }
  return Simd::sum(sum);
}

template <uint32_t kHeads>
[[gnu::noinline]] void add_rest(const AttentionRestParams& params, uint32_t first_head, float* partials) {
  const KeyCodeLayout& layout = params.layout;
  const uint32_t dim = layout.head_dim;
  const size_t stride = attention_partial_floats(dim);
  partials += first_head * stride;
  float units[kHeads];
  for (uint32_t h = 0; h < kHeads; ++h) {
    float* const partial = partials + h * stride;
    const float log_unit = params.log_units[first_head + h];
    const float before = partial[kPartialMaximum];
    const float maximum = log_unit > before ? log_unit : before;
    const float rescale = exp(before - maximum);
    units[h] = exp(log_unit - maximum);
    partial[kPartialMaximum] = maximum;
    partial[kPartialSum] *= rescale;
    for (uint32_t c = 0; c < dim; c += Simd::kLanes) {
      float* const output = partial + kPartialOutput + c;
      Simd::store(output, Simd::load(output) * Simd::broadcast(rescale));
    }
  }
  for (uint32_t b = 0; b < params.n_blocks; ++b) {
    const AttentionRest& block = params.blocks[b];
    alignas(64) float factors[kHeads * kCodeBlock_pages];
    uint32_t pages = 0;
    for (uint32_t h = 0; h < kHeads; ++h)
      partials[h * stride + kPartialSum] +=
          rest_factors(layout, block, first_head + h, units[h], factors + h * kCodeBlock_pages, &pages);
    // Values and outputs are padded to 16 channels.
    constexpr uint32_t kWide = Simd::kRegisters == 32 ? 4 : 2;
    uint32_t c = 0;
    for (; c + kWide * Simd::kLanes <= dim; c += kWide * Simd::kLanes)
      add_values<kHeads, kWide>(layout, block.head, pages, c, factors, partials, stride);
    for (; c < dim; c += Simd::kLanes)
      add_values<kHeads, 1>(layout, block.head, pages, c, factors, partials, stride);
  }
}

LEOAM_INLINE void attention_rest_simd(const AttentionRestParams& params, float* partials) {
  if (params.n_blocks == 0) return;
  for_each_part<kMaxRestHeads>(params.group, [&]<uint32_t kHeads>(uint32_t first_head) {
    add_rest<kHeads>(params, first_head, partials);
  });
}

}  // namespace
}  // namespace leoam::kernels
