// What numbers that share a scale become. Internal linkage, as f16.h.
#pragma once

#include "kernels/f16.h"

namespace leoam::kernels {
namespace {

struct CodeRange {
  uint16_t base;
  uint16_t scale;
  float base_value;
  float inverse;  // of the scale; 0 for 0

  // Of finite numbers from `least` to `greatest`; false when f16 does not reach so far. The greatest code
  // says no more than `greatest`, so that bounds of f16 numbers hold for what their codes say.
  bool set(float least, float greatest, float most_code) {
    base = f16_not_above(least);
    base_value = f16_to_f32(base);
    scale = f16_not_above((greatest - base_value) / most_code);
    const float step = f16_to_f32(scale);
    inverse = step > 0 ? 1 / step : 0;
    // 65504 is f16's greatest number.
    return base_value >= -65504.0f && step <= 65504.0f && base_value + step * most_code <= 65504.0f;
  }

 private:
  // The greatest half that is not above x; 0 has no sign.
  static uint16_t f16_not_above(float x) {
    const uint16_t half = f32_to_f16(x + 0.0f);
    if (f16_to_f32(half) <= x) return half == 0x8000u ? 0 : half;
    if ((half & 0x7fffu) == 0) return 0x8001u;
    // Further from 0 where x is below it; never over infinity, which is on the right side already.
    return static_cast<uint16_t>(x > 0 ? half - 1 : half + 1);
  }
};

}  // namespace
}  // namespace leoam::kernels
