// IEEE half precision by integer arithmetic: for the scalar kernels and for the odd values of the vector
// ones. Internal linkage, so that every instruction set's files have their own copy.
#pragma once

#include <cstdint>

namespace leoam::kernels {

// Exact.
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
    const float value = static_cast<float>(magnitude) * 0x1p-24f;
    __builtin_memcpy(&bits, &value, 4);
  }
  bits |= sign;
  float result;
  __builtin_memcpy(&result, &bits, 4);
  return result;
}

// Rounds to nearest, ties to even; what is too large becomes infinity, NaN stays a (quiet) NaN.
[[maybe_unused]] static inline uint16_t f32_to_f16(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, 4);
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
    float absolute;
    __builtin_memcpy(&absolute, &magnitude, 4);
    const float shifted = absolute + 0.5f;
    uint32_t shifted_bits;
    __builtin_memcpy(&shifted_bits, &shifted, 4);
    half = shifted_bits - 0x3f000000u;
  }
  return static_cast<uint16_t>(sign | half);
}

}  // namespace leoam::kernels
