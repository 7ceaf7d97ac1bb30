// What codes and abstracts of a page both need of its keys and values, over Simd: the same numbers, to the
// bit, as page_means.h gives where all keys are ordinary. Where one is not, the scalar kernels do the page.
#pragma once

#include "kernels/page_rows_simd.h"

namespace leoam::kernels {
namespace {

// Channels that fit the stack; the scalar kernels do what has more.
constexpr uint32_t kMaxChannels = 1024;
// The bits of 2^100: what is not finite is above them too.
constexpr int32_t kKeyLimit_bits = 0x71800000;

struct KeyRanges {
  alignas(64) float least[kMaxChannels];
  alignas(64) float greatest[kMaxChannels];
  alignas(64) float mean[kMaxChannels];
};

// Folds the lanes of each row in halves: lane r of the result is what row r comes to.
template <class Fold>
LEOAM_INLINE Simd::Float fold_rows(Simd::Float (&rows)[Simd::kLanes], const Fold& fold) {
  Simd::transpose(rows);
  LEOAM_UNROLL
  for (uint32_t half = Simd::kLanes / 2; half > 0; half /= 2) {
    LEOAM_UNROLL
    for (uint32_t i = 0; i < half; ++i) rows[i] = fold(rows[i], rows[i + half]);
  }
  return rows[0];
}

// False: some key is not finite or beyond 2^100, and the ranges are not to be used. Ranges of channels behind
// the last, to a whole vector, are zeros.
template <class Element>
[[gnu::noinline]] bool find_key_ranges(const PageVectors<Element>& page, KeyRanges* ranges) {
  constexpr uint32_t kLanes = Simd::kLanes;
  constexpr uint32_t kParts = 16 / kLanes;
  const uint32_t head_dim = page.layout.head_dim;
  const Simd::Float n_tokens = Simd::broadcast(static_cast<float>(page.layout.page_tokens));
  Simd::Int largest = Simd::broadcast_int(0);
  for (uint32_t first = 0; first < head_dim; first += kLanes) {
    Simd::Float least[kLanes], greatest[kLanes], sums[kLanes];
    for (uint32_t c = 0; c < kLanes; ++c) {
      least[c] = greatest[c] = sums[c] = Simd::zero();
      if (first + c >= head_dim) continue;
      Simd::Float low = page.key(first + c, 0);
      Simd::Float high = low;
      Simd::Float sum[kParts];
      LEOAM_UNROLL
      for (uint32_t part = 0; part < kParts; ++part) sum[part] = Simd::zero();
      for (uint32_t t = 0; t < page.layout.page_tokens; t += 16) {
        LEOAM_UNROLL
        for (uint32_t part = 0; part < kParts; ++part) {
          const Simd::Float x = page.key(first + c, t + part * kLanes);
          sum[part] = sum[part] + x;
          low = Simd::min(x, low);
          high = Simd::max(x, high);
          largest = Simd::max(Simd::bits(Simd::abs(x)), largest);
        }
      }
      least[c] = low;
      greatest[c] = high;
      sums[c] = kParts == 2 ? sum[0] + sum[kParts - 1] : sum[0];
    }
    const auto lesser = [](Simd::Float a, Simd::Float b) { return Simd::min(a, b); };
    const auto greater = [](Simd::Float a, Simd::Float b) { return Simd::max(a, b); };
    const auto plus = [](Simd::Float a, Simd::Float b) { return a + b; };
    Simd::store(ranges->least + first, fold_rows(least, lesser));
    Simd::store(ranges->greatest + first, fold_rows(greatest, greater));
    Simd::store(ranges->mean + first, fold_rows(sums, plus) / n_tokens);
  }
  // Of numbers that are not negative, the bits are in the order of the numbers; those of NaN are above all.
  return Simd::greatest(largest) <= kKeyLimit_bits;
}

// Means of values; false: some are not finite or beyond 2^100, and the means are not to be used. Those of
// channels behind the last, to a whole vector, are zeros.
template <class Element>
[[gnu::noinline]] bool find_mean_values(const PageVectors<Element>& page, float* means) {
  constexpr uint32_t kLanes = Simd::kLanes;
  Simd::Int largest = Simd::broadcast_int(0);
  for (uint32_t c = 0; c < page.layout.head_dim; c += kLanes) {
    Simd::Float sum = Simd::zero();
    for (uint32_t t = 0; t < page.layout.page_tokens; ++t) {
      const Simd::Float x = page.value(t, c);
      sum = sum + x;
      largest = Simd::max(Simd::bits(Simd::abs(x)), largest);
    }
    Simd::store(means + c, sum / Simd::broadcast(static_cast<float>(page.layout.page_tokens)));
  }
  return Simd::greatest(largest) <= kKeyLimit_bits;
}

// Of n channels, behind which there are zeros to a whole vector.
LEOAM_INLINE Simd::Float greatest_magnitude(const float* x, uint32_t n) {
  Simd::Float greatest = Simd::zero();
  for (uint32_t c = 0; c < n; c += Simd::kLanes) greatest = Simd::max(Simd::abs(Simd::load(x + c)), greatest);
  return greatest;
}

// Factors between numbers and 8 bits, given the greatest magnitude: number = scale * code.
struct SignedScale {
  float scale;
  float inverse;
};
LEOAM_INLINE SignedScale signed_scale(Simd::Float greatest) {
  const float most = Simd::maximum(greatest);
  if (!(most > 0x1p-100f)) return {0, 0};
  return {most * (1.0f / 127), 127 / most};
}

}  // namespace
}  // namespace leoam::kernels
