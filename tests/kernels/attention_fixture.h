// Paged KV with known contents, every slot without a token poisoned with NaN, and attention over it in double
// precision.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "kernels/attention/attention.h"
#include "kernels/token_scale.h"
#include "tests/kernels/kernel_fixture.h"

namespace leoam::kernels {

class PagedKv {
 public:
  // Fills pages from position 0; `short_page` (if any) holds one token less than it could.
  PagedKv(const KvLayout& layout, uint32_t n_tokens, std::mt19937& random, float magnitude = 1,
          int short_page = -1)
      : layout_(layout), n_tokens_(n_tokens), magnitude_(magnitude) {
    const size_t row = size_t{layout.n_kv_heads} * layout.head_dim;
    std::uniform_real_distribution<float> uniform(-magnitude, magnitude);
    for (size_t i = 0; i < n_tokens * row; ++i) {
      const auto token = static_cast<uint32_t>(i / row);
      k_.push_back(rounded(uniform(random), key_scale(token)));
      v_.push_back(rounded(uniform(random), value_scale(token)));
    }
    for (uint32_t token = 0; token < n_tokens;) {
      uint32_t n = layout.page_tokens - (static_cast<int>(pages_.size()) == short_page ? 1 : 0);
      n = std::min(n, n_tokens - token);
      memory_.push_back(std::make_unique<ExactBuffer<uint8_t>>(layout.page_bytes()));
      pages_.push_back({memory_.back()->data(), static_cast<int32_t>(token), static_cast<int32_t>(n)});
      for (uint32_t slot = 0; slot < n; ++slot) put(memory_.back()->data(), slot, token + slot);
      token += n;
    }
  }

  const KvLayout& layout() const { return layout_; }
  uint32_t n_tokens() const { return n_tokens_; }
  const std::vector<KvPageRef>& pages() const { return pages_; }

  struct Expected {
    std::vector<double> output;
    double tolerance;
  };
  // q: one query head's [head_dim], at `position`.
  Expected attend(const float* q, uint32_t kv_head, float scale, int32_t position, int32_t window) const {
    const int32_t first = window > 0 ? std::max(0, position - window + 1) : 0;
    const int32_t last = std::min(position, static_cast<int32_t>(n_tokens_) - 1);
    std::vector<int32_t> tokens;
    for (int32_t t = first; t <= last; ++t) tokens.push_back(t);
    return attend(q, kv_head, scale, tokens);
  }
  // Over these tokens.
  Expected attend(const float* q, uint32_t kv_head, float scale, const std::vector<int32_t>& tokens) const {
    const uint32_t dim = layout_.head_dim;
    std::vector<double> scores;
    double maximum = -1e300;
    double score_size = 0;
    for (const int32_t t : tokens) {
      double score = 0;
      double size = 0;
      for (uint32_t c = 0; c < dim; ++c) {
        const double term = double{q[c]} * element(k_, t, kv_head, c) * scale;
        score += term;
        size += std::fabs(term);
      }
      scores.push_back(score);
      maximum = std::max(maximum, score);
      score_size = std::max(score_size, size);
    }
    Expected expected{std::vector<double>(dim), 0};
    double sum = 0;
    double value_size = 0;
    for (size_t i = 0; i < scores.size(); ++i) {
      const double weight = std::exp(scores[i] - maximum);
      sum += weight;
      for (uint32_t c = 0; c < dim; ++c) {
        const double value = element(v_, tokens[i], kv_head, c);
        expected.output[c] += weight * value;
        value_size = std::max(value_size, std::fabs(value));
      }
    }
    if (sum > 0) {
      for (double& x : expected.output) x /= sum;
    }
    // A score is a chain of head_dim roundings plus those of its scale and exponent, an error of a weight
    // acts twice (in the sum and in the output), and the output is a chain of as many roundings as there are
    // tokens.
    const double score_error = (dim + 4) * kEpsilon * score_size;
    const double n = static_cast<double>(scores.size());
    expected.tolerance =
        value_size * (2 * (std::expm1(score_error) + 8 * kEpsilon) + 2 * (n + 8) * kEpsilon) + 1e-37;
    return expected;
  }

 private:
  // Scales of int8, of its own for each token.
  uint16_t key_scale(uint32_t token) const {
    return scale_of(bits_from_float(magnitude_ * (1 + 0.1f * static_cast<float>(token % 5))));
  }
  uint16_t value_scale(uint32_t token) const {
    return scale_of(bits_from_float(magnitude_ * (1 + 0.2f * static_cast<float>(token % 7))));
  }
  float rounded(float value, uint16_t scale) const {
    if (layout_.type == KvType::f32) return value;
    if (layout_.type == KvType::f16) return f16_to_f32(f32_to_f16(value));
    return std::nearbyint(value / scale_to_float(scale)) * scale_to_float(scale);
  }
  double element(const std::vector<float>& rows, int32_t token, uint32_t kv_head, uint32_t channel) const {
    return rows[(static_cast<size_t>(token) * layout_.n_kv_heads + kv_head) * layout_.head_dim + channel];
  }
  void put(uint8_t* page, uint32_t slot, uint32_t token) {
    for (uint32_t head = 0; head < layout_.n_kv_heads; ++head) {
      for (uint32_t c = 0; c < layout_.head_dim; ++c) {
        store(page + layout_.key_offset(head), layout_.key_element(c, slot), element(k_, token, head, c),
              key_scale(token));
        store(page + layout_.value_offset(head), layout_.value_element(slot, c), element(v_, token, head, c),
              value_scale(token));
      }
      if (layout_.type != KvType::int8) continue;
      const uint16_t scales[] = {key_scale(token), value_scale(token)};
      std::memcpy(page + layout_.key_scale_offset(head) + 2 * slot, scales, 2);
      std::memcpy(page + layout_.value_scale_offset(head) + 2 * slot, scales + 1, 2);
    }
  }
  void store(uint8_t* base, size_t index, double value, uint16_t scale) const {
    const float single = static_cast<float>(value);
    const uint16_t half = f32_to_f16(single);
    if (layout_.type == KvType::f32) {
      std::memcpy(base + 4 * index, &single, 4);
    } else if (layout_.type == KvType::f16) {
      std::memcpy(base + 2 * index, &half, 2);
    } else {
      base[index] = static_cast<uint8_t>(static_cast<int8_t>(std::nearbyint(single / scale_to_float(scale))));
    }
  }

  KvLayout layout_;
  uint32_t n_tokens_;
  float magnitude_;
  std::vector<float> k_, v_;  // [token][kv_head][channel]
  std::vector<std::unique_ptr<ExactBuffer<uint8_t>>> memory_;
  std::vector<KvPageRef> pages_;
};

}  // namespace leoam::kernels
