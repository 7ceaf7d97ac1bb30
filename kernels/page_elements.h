// Single elements of a page as floats, for the scalar kernels.
#pragma once

#include "kernels/f16.h"

namespace leoam::kernels {

[[maybe_unused]] static inline float to_float(float value) {
  return value;
}
[[maybe_unused]] static inline float to_float(uint16_t value) {
  return f16_to_f32(value);
}

}  // namespace leoam::kernels
