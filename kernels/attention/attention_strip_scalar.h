// One step of scalar attention: some tokens, wherever they stand in their pages.
#pragma once

#include <cmath>

#include "kernels/attention/attention.h"
#include "kernels/page_codec/compact_rows.h"

namespace leoam::kernels {

constexpr uint32_t kScalarStripTokens = 16;

struct ScalarStrip {
  // Pages that tokens stand in, and where.
  struct Token {
    const uint8_t* page;
    PageCodec codec;
    uint32_t slot;
  };
  Token tokens[kScalarStripTokens];
  uint32_t n_tokens = 0;

  void add(const uint8_t* page, PageCodec codec, uint32_t slot) { tokens[n_tokens++] = {page, codec, slot}; }
};

// Adds a strip to the state of one query head.
template <class Element>
void add_strip(const KvLayout& layout, uint32_t kv_head, const ScalarStrip& strip, const float* q,
               float scale, float* partial) {
  float scores[kScalarStripTokens] = {};
  for (uint32_t t = 0; t < strip.n_tokens; ++t) {
    const ScalarStrip::Token& token = strip.tokens[t];
    with_rows<Element>(layout, token.codec, token.page, kv_head, [&](const auto& rows) {
      for (uint32_t c = 0; c < layout.head_dim; ++c) scores[t] += q[c] * rows.key(c, token.slot);
    });
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
    const ScalarStrip::Token& token = strip.tokens[t];
    with_rows<Element>(layout, token.codec, token.page, kv_head, [&](const auto& rows) {
      for (uint32_t c = 0; c < layout.head_dim; ++c) output[c] += weight * rows.value(token.slot, c);
    });
  }
  partial[kPartialMaximum] = maximum;
  partial[kPartialSum] = sum;
}

}  // namespace leoam::kernels
