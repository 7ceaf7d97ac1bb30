// What codes and abstracts of a page both need of its keys and values, for the scalar kernels: the definition
// that the vector kernels follow to the bit.
#pragma once

#include <cmath>

#include "kernels/page_rows.h"

namespace leoam::kernels {

constexpr float kKeyLimit = 0x1p100f;
constexpr uint32_t kLanes = 16;

// x, but within +-kKeyLimit, and 0 if it is not finite.
[[maybe_unused]] static inline float bounded_key(float x) {
  if (!std::isfinite(x)) return 0;
  return x > kKeyLimit ? kKeyLimit : x < -kKeyLimit ? -kKeyLimit : x;
}

struct KeyRange {
  float least;
  float greatest;
  float mean;
  bool bounded;  // every key finite and within the limit
};

// The keys of one channel. Sums are those of 16 lanes, folded in halves.
template <class Element>
KeyRange key_range(const PageRows<Element>& rows, uint32_t channel) {
  float sums[kLanes] = {};
  float n_finite = 0;
  KeyRange range{INFINITY, -INFINITY, 0, true};
  for (uint32_t t = 0; t < rows.layout.page_tokens; ++t) {
    const float x = rows.key(channel, t);
    const float key = bounded_key(x);
    range.bounded = range.bounded && key == x;
    sums[t % kLanes] += key;
    if (!std::isfinite(x)) continue;
    n_finite += 1;
    range.least = key < range.least ? key : range.least;
    range.greatest = key > range.greatest ? key : range.greatest;
  }
  for (uint32_t half = kLanes / 2; half > 0; half /= 2) {
    for (uint32_t i = 0; i < half; ++i) sums[i] += sums[i + half];
  }
  if (n_finite == 0) return {0, 0, 0, false};
  range.mean = sums[0] / n_finite;
  return range;
}

// The values of one channel: the mean of those that are finite, 0 without any.
template <class Element>
float mean_value(const PageRows<Element>& rows, uint32_t channel) {
  float sum = 0;
  float n_finite = 0;
  for (uint32_t t = 0; t < rows.layout.page_tokens; ++t) {
    const float x = rows.value(t, channel);
    sum += bounded_key(x);
    n_finite += std::isfinite(x) ? 1.0f : 0.0f;
  }
  return n_finite > 0 ? sum / n_finite : 0;
}

// Factors between numbers and 8 bits, given the greatest magnitude: number = scale * code.
struct SignedScale {
  float scale;
  float inverse;
};
[[maybe_unused]] static inline SignedScale signed_scale(float greatest) {
  if (!(greatest > 0x1p-100f)) return {0, 0};
  return {greatest * (1.0f / 127), 127 / greatest};
}
[[maybe_unused]] static inline int8_t signed_code(float x, float inverse) {
  return static_cast<int8_t>(std::nearbyint(x * inverse));
}

}  // namespace leoam::kernels
