#include <cmath>

#include "kernels/attention/attention.h"

namespace leoam::kernels {

void attention_merge_scalar(const float* partials, uint32_t n_parts, size_t part_stride, uint32_t head_dim,
                            float* out) {
  float maximum = -INFINITY;
  for (uint32_t p = 0; p < n_parts; ++p) {
    const float* part = partials + p * part_stride;
    if (part[kPartialSum] > 0 && part[kPartialMaximum] > maximum) maximum = part[kPartialMaximum];
  }
  float sum = 0;
  for (uint32_t c = 0; c < head_dim; ++c) out[c] = 0;
  for (uint32_t p = 0; p < n_parts; ++p) {
    const float* part = partials + p * part_stride;
    if (part[kPartialSum] == 0) continue;
    const float weight = std::exp(part[kPartialMaximum] - maximum);
    sum += weight * part[kPartialSum];
    for (uint32_t c = 0; c < head_dim; ++c) out[c] += weight * part[kPartialOutput + c];
  }
  const float inverse = sum == 0 ? 0 : 1.0f / sum;
  for (uint32_t c = 0; c < head_dim; ++c) out[c] *= inverse;
}

}  // namespace leoam::kernels
