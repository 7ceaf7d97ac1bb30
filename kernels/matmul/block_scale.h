// The scale of one block of activations, the same on every instruction set.
#pragma once

#include "kernels/matmul/half.h"
#include "kernels/matmul/layout.h"

namespace leoam::kernels {

struct BlockScale {
  float scale;    // of the block
  float inverse;  // what its values are multiplied by before rounding to integers; 0: all integers are 0
};

// `largest`: the bits of the largest magnitude, NaN being larger than infinity.
static inline BlockScale block_scale(uint32_t largest) {
  if (largest >= 0x7f800000u) return {float_from_bits(0x7fc00000u), 0.0f};
  // Below 2^-100 the inverse would overflow; such a block counts as zero.
  if (largest < 27u << 23) return {0.0f, 0.0f};
  const float magnitude = float_from_bits(largest);
  return {magnitude * (1.0f / 127.0f), 127.0f / magnitude};
}

}  // namespace leoam::kernels
