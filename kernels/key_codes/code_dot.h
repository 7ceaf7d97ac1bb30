// CodeDot: key codes of four channels at a time times weights of 8 bits, on the including file's instruction
// set.
#pragma once

#include "kernels/key_codes/key_code_layout.h"
#include "kernels/simd/simd.h"

#if defined(__AVX512F__)
#include "kernels/key_codes/code_dot_avx512.h"
#else
#include "kernels/key_codes/code_dot_avx2.h"
#endif

namespace leoam::kernels {
namespace {

LEOAM_INLINE Simd::Float decoded_scale(Simd::Int scales) {
  return Simd::from_bits(Simd::shift_left<20>(Simd::add(scales, Simd::broadcast_int(kKeyCodeScale_bias))));
}

}  // namespace
}  // namespace leoam::kernels
