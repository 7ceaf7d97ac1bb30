// IEEE half precision to float in plain integer code, for files that must not use F16C.
#pragma once

#include <cstdint>

namespace leoam::kernels {

static inline float float_from_bits(uint32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

static inline float half_to_float(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t magnitude = half & 0x7fffu;
  // Moving exponent and mantissa to their float places leaves the exponent 112 too small; infinities and NaN
  // need 112 more; subnormals become normal by one exact subtraction.
  uint32_t bits = (magnitude << 13) + (112u << 23);
  if (magnitude >= 0x7c00u) {
    bits += 112u << 23;
  } else if (magnitude < 0x0400u) {
    const float normal = float_from_bits((magnitude << 13) + (113u << 23)) - float_from_bits(113u << 23);
    __builtin_memcpy(&bits, &normal, sizeof bits);
  }
  return float_from_bits(bits | sign);
}

static inline float half_at(const uint8_t* src) {
  uint16_t half;
  __builtin_memcpy(&half, src, sizeof half);
  return half_to_float(half);
}

static inline uint32_t word_at(const uint8_t* src) {
  uint32_t word;
  __builtin_memcpy(&word, src, sizeof word);
  return word;
}

}  // namespace leoam::kernels
