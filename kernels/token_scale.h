// The scales of int8 pages: upper halves of floats. Internal linkage, as f16.h.
#pragma once

#include "kernels/f16.h"

namespace leoam::kernels {

[[maybe_unused]] static inline float scale_to_float(uint16_t scale) {
  return float_from_bits(uint32_t{scale} << 16);
}

// The scale of numbers of which the greatest has these bits, its sign cleared.
[[maybe_unused]] static inline uint16_t scale_of(uint32_t greatest_bits) {
  if (greatest_bits >= 0x7f800000u) return 0x7f80;
  const float greatest = float_from_bits(greatest_bits);
  if (!(greatest > 0x1p-100f)) return 0;
  return static_cast<uint16_t>((bits_from_float(greatest * (1.0f / 127)) + 0xffffu) >> 16);
}

[[maybe_unused]] static inline float scale_inverse(uint16_t scale) {
  return scale == 0 ? 0 : 1 / scale_to_float(scale);
}

}  // namespace leoam::kernels
