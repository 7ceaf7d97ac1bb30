// CodeDot: key codes of four channels at a time times weights of 8 bits, on the including file's instruction
// set.
#pragma once

#include "kernels/simd/simd.h"

#if defined(__AVX512F__)
#include "kernels/key_codes/code_dot_avx512.h"
#else
#include "kernels/key_codes/code_dot_avx2.h"
#endif
