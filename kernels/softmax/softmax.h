// Softmax of a row: out[i] = exp(x[i] - max) / sum; out may be x; entries of -inf give 0. n >= 1, and at
// least one entry is finite.
#pragma once

#include <cstdint>

namespace leoam::kernels {

using SoftmaxFunction = void(const float* x, uint32_t n, float* out);
SoftmaxFunction softmax_scalar, softmax_avx2, softmax_avx512;

}  // namespace leoam::kernels
