#include <cmath>

#include "kernels/sampling/sampling.h"

namespace leoam::kernels {

LogitsMaximum logits_maximum_scalar(const float* logits, uint32_t n) {
  LogitsMaximum best{-INFINITY, 0};
  bool any = false;
  for (uint32_t i = 0; i < n; ++i) {
    if (logits[i] > best.value || (!any && logits[i] == best.value)) {
      best = {logits[i], i};
      any = true;
    }
  }
  return best;
}

double logits_exp_sum_scalar(const float* logits, uint32_t n, float maximum, float inverse_temperature) {
  double sum = 0;
  for (uint32_t i = 0; i < n; ++i) {
    const float term = std::exp((logits[i] - maximum) * inverse_temperature);
    if (term == term) sum += static_cast<double>(term);
  }
  return sum;
}

uint32_t logits_above_scalar(const float* logits, uint32_t n, float threshold, uint32_t* indices,
                             uint32_t capacity) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < n; ++i) {
    if (!(logits[i] >= threshold)) continue;
    if (count < capacity) indices[count] = i;
    ++count;
  }
  return count;
}

}  // namespace leoam::kernels
