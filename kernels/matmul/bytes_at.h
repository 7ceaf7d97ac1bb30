// Numbers at an address of any alignment, as files have them.
#pragma once

#include "kernels/f16.h"

namespace leoam::kernels {

static inline uint32_t word_at(const uint8_t* src) {
  uint32_t word;
  __builtin_memcpy(&word, src, sizeof word);
  return word;
}

static inline float half_at(const uint8_t* src) {
  uint16_t half;
  __builtin_memcpy(&half, src, sizeof half);
  return f16_to_f32(half);
}

}  // namespace leoam::kernels
