// One step of scalar attention: some tokens, wherever they stand in their pages.
#pragma once

#include <cmath>

#include "kernels/attention/attention.h"
#include "kernels/page_elements.h"

namespace leoam::kernels {

constexpr uint32_t kScalarStripTokens = 16;

template <class Element>
struct ScalarStrip {
  const Element* key[kScalarStripTokens];    // of channel 0; channels are page_tokens apart
  const Element* value[kScalarStripTokens];  // of channel 0
  uint32_t n_tokens = 0;

  void add(const Element* token_key, const Element* token_value) {
    key[n_tokens] = token_key;
    value[n_tokens++] = token_value;
  }
};

// Adds a strip to the state of one query head.
template <class Element>
void add_strip(const KvLayout& layout, const ScalarStrip<Element>& strip, const float* q, float scale,
               float* partial) {
  float scores[kScalarStripTokens] = {};
  for (uint32_t c = 0; c < layout.head_dim; ++c) {
    for (uint32_t t = 0; t < strip.n_tokens; ++t) {
      scores[t] += q[c] * to_float(strip.key[t][layout.key_element(c, 0)]);
    }
  }
  float maximum = partial[kPartialMaximum];
  for (uint32_t t = 0; t < strip.n_tokens; ++t) {
    scores[t] *= scale;
    maximum = scores[t] > maximum ? scores[t] : maximum;
  }
  float* output = partial + kPartialOutput;
  const float rescale = partial[kPartialSum] == 0 ? 0 : std::exp(partial[kPartialMaximum] - maximum);
  float sum = partial[kPartialSum] * rescale;
  for (uint32_t c = 0; c < layout.head_dim; ++c) output[c] *= rescale;
  for (uint32_t t = 0; t < strip.n_tokens; ++t) {
    const float weight = std::exp(scores[t] - maximum);
    sum += weight;
    for (uint32_t c = 0; c < layout.head_dim; ++c) output[c] += weight * to_float(strip.value[t][c]);
  }
  partial[kPartialMaximum] = maximum;
  partial[kPartialSum] = sum;
}

}  // namespace leoam::kernels
