#include <cmath>
#include <cstring>

#include "kernels/key_codes/key_codes.h"

namespace leoam::kernels {
namespace {

// One page and query head; q: of the head.
void score_page(const KeyCodeScoreParams& params, const uint8_t* head, uint32_t page, const float* q,
                float* scores, float* mean_score) {
  const KeyCodeLayout& layout = params.layout;
  float mean_scale;
  std::memcpy(&mean_scale, head + layout.mean_scale_offset() + page * sizeof(float), sizeof mean_scale);
  float base = 0;
  for (uint32_t c = 0; c < layout.head_dim; ++c) {
    base += q[c] * static_cast<float>(static_cast<int8_t>(head[layout.mean_offset(c) + page]));
  }
  base *= mean_scale;
  *mean_score = base;
  float greatest = 0;
  for (uint32_t i = 0; i < layout.n_coded; ++i) {
    const float factor = q[params.channels[i]] * key_code_scale(head[layout.scale_offset(i) + page]);
    base -= factor * (static_cast<float>(head[layout.offset_offset(i) + page]) * kKeyCodeOffsetUnit);
    greatest = std::fabs(factor) > greatest ? std::fabs(factor) : greatest;
  }
  const float inverse = greatest < kLeastFactor ? 0 : 127 / greatest;
  const float unit = greatest * (1.0f / 127);
  for (uint32_t t = 0; t < layout.page_tokens; ++t) {
    int32_t sum = 0;
    for (uint32_t i = 0; i < layout.n_coded; ++i) {
      const float factor = q[params.channels[i]] * key_code_scale(head[layout.scale_offset(i) + page]);
      const uint32_t byte = head[layout.code_offset(i) + layout.code_byte(page, t)];
      sum += static_cast<int32_t>(std::nearbyint(factor * inverse)) *
             static_cast<int32_t>(byte >> layout.code_shift(t) & 3);
    }
    scores[t] = base + unit * static_cast<float>(sum);
  }
}

}  // namespace

void key_code_score_scalar(const KeyCodeScoreParams& params, uint32_t kv_head) {
  const KeyCodeLayout& layout = params.layout;
  for (uint32_t b = 0; b < params.n_blocks; ++b) {
    const uint8_t* head = params.blocks[b].block + layout.head_offset(kv_head);
    for (uint32_t g = 0; g < params.group; ++g) {
      const size_t row = size_t{b} * params.group + g;
      float maximum = -INFINITY;
      for (uint32_t page = 0; page < kCodeBlock_pages; ++page) {
        if ((params.blocks[b].pages >> page & 1) == 0) continue;
        float* scores = params.scores + (row * kCodeBlock_pages + page) * layout.page_tokens;
        float mean_score = 0;
        score_page(params, head, page, params.q + size_t{g} * layout.head_dim, scores, &mean_score);
        if (params.mean_scores != nullptr) params.mean_scores[row * kCodeBlock_pages + page] = mean_score;
        for (uint32_t t = 0; t < layout.page_tokens; ++t) maximum = scores[t] > maximum ? scores[t] : maximum;
      }
      params.maximum[row] = maximum;
    }
  }
}

}  // namespace leoam::kernels
