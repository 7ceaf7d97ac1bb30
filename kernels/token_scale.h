// The scales and origins of int8 pages: upper halves of floats. Internal linkage, as f16.h.
#pragma once

#include "kernels/f16.h"

namespace leoam::kernels {

[[maybe_unused]] static inline float bf16_to_f32(uint16_t half) {
  return float_from_bits(uint32_t{half} << 16);
}

// The scale of numbers of which the greatest has these bits, its sign cleared.
[[maybe_unused]] static inline uint16_t scale_of(uint32_t greatest_bits) {
  if (greatest_bits >= 0x7f800000u) return 0x7f80;
  const float greatest = float_from_bits(greatest_bits);
  if (!(greatest > 0x1p-100f)) return 0;
  return static_cast<uint16_t>((bits_from_float(greatest * (1.0f / 127)) + 0xffffu) >> 16);
}

[[maybe_unused]] static inline uint16_t origin_of(float key) {
  const uint32_t bits = bits_from_float(key);
  return (bits & 0x7fffffffu) >= 0x7f800000u ? 0 : static_cast<uint16_t>(bits >> 16);
}

[[maybe_unused]] static inline float scale_inverse(uint16_t scale) {
  return scale == 0 ? 0 : 1 / bf16_to_f32(scale);
}

}  // namespace leoam::kernels
