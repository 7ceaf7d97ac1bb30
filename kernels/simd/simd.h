// Simd: the vector registers of the instruction set that the including file is compiled for. Kernels that
// differ between instruction sets in register width alone are written once on top of it.
//
// Everything here has internal linkage: code compiled for one instruction set can never be linked into the
// files of another.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

// In front of a loop with a constant number of rounds whose variables must stay in registers. Under a
// sanitizer every round is a page of checks, and compiling them unrolled takes minutes.
#if defined(__clang__)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define LEOAM_UNROLL
#else
#define LEOAM_UNROLL _Pragma("clang loop unroll(full)")
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LEOAM_UNROLL
#else
#define LEOAM_UNROLL _Pragma("GCC unroll 32")
#endif

#define LEOAM_INLINE [[maybe_unused, gnu::always_inline]] static inline

#if defined(__AVX512F__)
#include "kernels/simd/avx512.h"
#else
#include "kernels/simd/avx2.h"
#endif

namespace leoam::kernels {
namespace {

// 2^r for r in [-1/2, 1/2], relative error 2e-9 before rounding; exactly 1 at 0.
LEOAM_INLINE Simd::Float exp2_fraction(Simd::Float r) {
  Simd::Float p = Simd::broadcast(0x1.41fbbcp-13f);
  p = Simd::fma(p, r, Simd::broadcast(0x1.5f3e54p-10f));
  p = Simd::fma(p, r, Simd::broadcast(0x1.3b2d4cp-7f));
  p = Simd::fma(p, r, Simd::broadcast(0x1.c6aee8p-5f));
  p = Simd::fma(p, r, Simd::broadcast(0x1.ebfbdcp-3f));
  p = Simd::fma(p, r, Simd::broadcast(0x1.62e43p-1f));
  return Simd::fma(p, r, Simd::broadcast(1.0f));
}

// 2^x for x <= 0, -inf included. Results below 2^-124 are 0: no subnormal numbers, which are slow. NaN stays.
LEOAM_INLINE Simd::Float exp2_negative(Simd::Float x) {
  const Simd::Float whole = Simd::round(x);
  const Simd::Float p = exp2_fraction(x - whole);
  return Simd::zero_where_less(Simd::multiply_exp2(p, whole), x, -124.0f);
}

// e^x; 0 below -86 (no subnormal numbers), infinity above 88.7. NaN stays. Relative error below 2e-7.
LEOAM_INLINE Simd::Float exp(Simd::Float x) {
  const Simd::Float log2_e = Simd::broadcast(0x1.715476p+0f);
  const Simd::Float log2_e_rest = Simd::broadcast(0x1.4ae0cp-26f);
  const Simd::Float bounded = Simd::min(Simd::broadcast(89.0f), x);
  const Simd::Float whole = Simd::round(bounded * log2_e);
  const Simd::Float r = Simd::fma(bounded, log2_e_rest, Simd::fma(bounded, log2_e, Simd::zero() - whole));
  return Simd::zero_where_less(Simd::multiply_exp2(exp2_fraction(r), whole), x, -86.0f);
}

// e^x of one number.
LEOAM_INLINE float exp(float x) {
  return Simd::first(exp(Simd::broadcast(x)));
}

}  // namespace
}  // namespace leoam::kernels
