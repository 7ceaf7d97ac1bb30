// One step of scalar attention: some tokens, wherever they stand in their pages.
#pragma once

#include <cmath>

#include "kernels/attention/attention.h"
#include "kernels/page_rows.h"

namespace leoam::kernels {

constexpr uint32_t kScalarStripTokens = 16;

template <class Element>
struct ScalarStrip {
  struct Token {
    const Element* key;    // of channel 0; channels are page_tokens apart
    const Element* value;  // of channel 0
    const uint16_t* key_scale;
    const uint16_t* value_scale;
  };
  Token tokens[kScalarStripTokens];
  uint32_t n_tokens = 0;

  void add(const PageRows<Element>& rows, uint32_t slot) {
    tokens[n_tokens++] = {rows.keys + rows.layout.key_element(0, slot),
                          rows.values + rows.layout.value_element(slot, 0), rows.key_scales + slot,
                          rows.value_scales + slot};
  }
  float key(uint32_t t, size_t element) const {
    return page_number(tokens[t].key[element], tokens[t].key_scale);
  }
  float value(uint32_t t, size_t element) const {
    return page_number(tokens[t].value[element], tokens[t].value_scale);
  }
};

// Adds a strip to the state of one query head.
template <class Element>
void add_strip(const KvLayout& layout, const ScalarStrip<Element>& strip, const float* q, float scale,
               float* partial) {
  float scores[kScalarStripTokens] = {};
  for (uint32_t c = 0; c < layout.head_dim; ++c) {
    for (uint32_t t = 0; t < strip.n_tokens; ++t) {
      scores[t] += q[c] * strip.key(t, layout.key_element(c, 0));
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
    for (uint32_t c = 0; c < layout.head_dim; ++c) output[c] += weight * strip.value(t, c);
  }
  partial[kPartialMaximum] = maximum;
  partial[kPartialSum] = sum;
}

}  // namespace leoam::kernels
