#include <cmath>

#include "kernels/attention/attention_scalar.h"
#include "kernels/chunk_bounds/chunk_record.h"

namespace leoam::kernels {
namespace {

float mean_score(const AttentionEstimatesParams& params, const uint8_t* record, const float* q) {
  const ChunkLayout layout{params.head_dim};
  float score = 0;
  for (uint32_t c = 0; c < params.head_dim; ++c) {
    score += q[c] * static_cast<float>(static_cast<int8_t>(record[layout.mean_key_offset() + c]));
  }
  return score * chunk_header(record).key_scale * params.scale;
}

}  // namespace

void attention_estimates_scalar(const AttentionEstimatesParams& params, float* partials) {
  const ChunkLayout layout{params.head_dim};
  const size_t stride = attention_partial_floats(params.head_dim);
  attention_start_scalar(params.group, params.head_dim, partials);
  for (uint32_t g = 0; g < params.group; ++g) {
    const float* q = params.q + size_t{g} * params.head_dim;
    float* partial = partials + g * stride;
    for (uint32_t i = 0; i < params.n_estimates; ++i) {
      const AttentionEstimate& estimate = params.estimates[i];
      if (!(estimate.count > 0)) continue;
      const float score = mean_score(params, estimate.record, q);
      if (score > partial[kPartialMaximum]) partial[kPartialMaximum] = score;
    }
    for (uint32_t i = 0; i < params.n_estimates; ++i) {
      const AttentionEstimate& estimate = params.estimates[i];
      if (!(estimate.count > 0)) continue;
      const float score = mean_score(params, estimate.record, q);
      const float weight = estimate.count * std::exp(score - partial[kPartialMaximum]);
      const float factor = weight * chunk_header(estimate.record).value_scale;
      partial[kPartialSum] += weight;
      const uint8_t* value = estimate.record + layout.mean_value_offset();
      for (uint32_t c = 0; c < params.head_dim; ++c) {
        partial[kPartialOutput + c] += factor * static_cast<float>(static_cast<int8_t>(value[c]));
      }
    }
  }
}

}  // namespace leoam::kernels
