#include "kernels/sampling/sampling_simd.h"

namespace leoam::kernels {

LogitsMaximum logits_maximum_avx2(const float* logits, uint32_t n) {
  return logits_maximum_simd(logits, n);
}

double logits_exp_sum_avx2(const float* logits, uint32_t n, float maximum, float inverse_temperature) {
  return logits_exp_sum_simd(logits, n, maximum, inverse_temperature);
}

uint32_t logits_above_avx2(const float* logits, uint32_t n, float threshold, uint32_t* indices,
                           uint32_t capacity) {
  return logits_above_simd(logits, n, threshold, indices, capacity);
}

}  // namespace leoam::kernels
