// IEEE half precision by integer arithmetic: for the scalar kernels and for the odd values of the vector
// ones. Internal linkage, so that every instruction set's files have their own copy.
#pragma once

#include <cstdint>

namespace leoam::kernels {

[[maybe_unused]] static inline float float_from_bits(uint32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

[[maybe_unused]] static inline uint32_t bits_from_float(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return bits;
}

// Exact; a NaN becomes quiet.
[[maybe_unused]] static inline float f16_to_f32(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t magnitude = half & 0x7fffu;
  uint32_t bits;
  if (magnitude >= 0x7c00u) {
    bits = 0x7f800000u | (magnitude & 0x3ffu) << 13;
    if (magnitude > 0x7c00u) bits |= 0x00400000u;
  } else if (magnitude >= 0x0400u) {
    bits = (magnitude << 13) + 0x38000000u;
  } else {
    bits = bits_from_float(static_cast<float>(magnitude) * 0x1p-24f);
  }
  return float_from_bits(bits | sign);
}

// Rounds to nearest, ties to even; what is too large becomes infinity, NaN stays a (quiet) NaN.
[[maybe_unused]] static inline uint16_t f32_to_f16(float value) {
  const uint32_t bits = bits_from_float(value);
  const uint32_t sign = bits >> 16 & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  uint32_t half;
  if (magnitude > 0x7f800000u) {
    half = 0x7e00u | (magnitude >> 13 & 0x3ffu);
  } else if (magnitude >= 0x477ff000u) {
    half = 0x7c00u;
  } else if (magnitude >= 0x38800000u) {
    half = (magnitude + 0xfffu + (magnitude >> 13 & 1u) - 0x38000000u) >> 13;
  } else {
    // Adding 0.5 puts the rounding point at 2^-24, the spacing of half precision's subnormal numbers.
    half = bits_from_float(float_from_bits(magnitude) + 0.5f) - 0x3f000000u;
  }
  return static_cast<uint16_t>(sign | half);
}

}  // namespace leoam::kernels
