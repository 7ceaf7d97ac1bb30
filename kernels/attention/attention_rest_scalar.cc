#include <cmath>
#include <cstring>

#include "kernels/attention/attention.h"

namespace leoam::kernels {

void attention_rest_scalar(const AttentionRestParams& params, float* partials) {
  const KeyCodeLayout& layout = params.layout;
  for (uint32_t g = 0; g < params.group && params.n_blocks > 0; ++g) {
    float* partial = partials + g * attention_partial_floats(layout.head_dim);
    const float before = partial[kPartialMaximum];
    const float maximum = params.log_units[g] > before ? params.log_units[g] : before;
    const float rescale = std::exp(before - maximum);
    const float unit = std::exp(params.log_units[g] - maximum);
    partial[kPartialMaximum] = maximum;
    partial[kPartialSum] *= rescale;
    for (uint32_t c = 0; c < layout.head_dim; ++c) partial[kPartialOutput + c] *= rescale;
    for (uint32_t b = 0; b < params.n_blocks; ++b) {
      const AttentionRest& block = params.blocks[b];
      for (uint32_t page = 0; page < kCodeBlock_pages; ++page) {
        const float weight = block.weights[g * kCodeBlock_pages + page] * unit;
        // Bytes of a page that has none may be anything.
        if (weight == 0) continue;
        float scale;
        std::memcpy(&scale, block.head + layout.value_scale_offset() + page * sizeof scale, sizeof scale);
        const uint8_t* value = block.head + layout.mean_value_offset(page);
        partial[kPartialSum] += weight;
        for (uint32_t c = 0; c < layout.head_dim; ++c)
          partial[kPartialOutput + c] += weight * scale * static_cast<float>(static_cast<int8_t>(value[c]));
      }
    }
  }
}

}  // namespace leoam::kernels
