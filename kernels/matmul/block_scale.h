// The scale of 16 activations, the same on every instruction set.
#pragma once

#include "kernels/f16.h"
#include "kernels/matmul/layout.h"

namespace leoam::kernels {

struct BlockScale {
  float scale;
  float inverse;  // what its values are multiplied by before rounding to integers; 0: all integers are 0
};

// `largest`: the bits of the largest magnitude, NaN being larger than infinity.
static inline BlockScale block_scale(uint32_t largest) {
  if (largest >= 0x7f800000u) return {float_from_bits(0x7fc00000u), 0.0f};
  // Below 2^-100 the inverse would overflow; such values count as zero.
  if (largest < 27u << 23) return {0.0f, 0.0f};
  const float magnitude = float_from_bits(largest);
  return {magnitude * (1.0f / 127.0f), 127.0f / magnitude};
}

// Fills in what follows from the q of a half.
static inline void set_half(ActivationBlock* block, int half, float scale, int32_t sum) {
  block->scale[half] = scale;
  block->scaled_sum[half] = scale * static_cast<float>(sum);
  block->negative_sum[half] = -sum;
}
static inline void set_whole(ActivationBlock* block) {
  block->whole_sum = block->scaled_sum[0] + block->scaled_sum[1];
  block->unused = 0;
}

}  // namespace leoam::kernels
