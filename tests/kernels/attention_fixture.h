// Paged KV with known contents, every slot without a token poisoned with NaN, and attention over it in double
// precision. Full pages may be compact: then the contents are what they say.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "kernels/attention/attention.h"
#include "kernels/page_codec/compact_rows.h"
#include "kernels/page_codec/page_codec.h"
#include "kernels/token_scale.h"
#include "tests/kernels/kernel_fixture.h"

namespace leoam::kernels {

// Codecs of consecutive pages.
using Codecs = std::vector<PageCodec>;
inline std::vector<Codecs> all_codecs() {
  using enum PageCodec;
  return {{k8v8}, {k8v4}, {k4v4}, {plain, k8v4, k8v4, k4v4, plain, plain, k8v8}};
}

class PagedKv {
 public:
  // Fills pages from position 0; `short_page` (if any) holds one token less than it could.
  PagedKv(const KvLayout& layout, uint32_t n_tokens, std::mt19937& random, float magnitude = 1,
          int short_page = -1, const Codecs& codecs = {PageCodec::plain})
      : layout_(layout), n_tokens_(n_tokens), magnitude_(magnitude) {
    const size_t row = size_t{layout.n_kv_heads} * layout.head_dim;
    std::uniform_real_distribution<float> uniform(-magnitude, magnitude);
    k_.resize(n_tokens * row);
    v_.resize(n_tokens * row);
    for (float& x : k_) x = uniform(random);
    for (float& x : v_) x = uniform(random);
    for (uint32_t token = 0; token < n_tokens;) {
      uint32_t n = layout.page_tokens - (static_cast<int>(pages_.size()) == short_page ? 1 : 0);
      n = std::min(n, n_tokens - token);
      memory_.push_back(std::make_unique<ExactBuffer<uint8_t>>(layout.page_bytes()));
      pages_.push_back({memory_.back()->data(), static_cast<int32_t>(token), static_cast<int32_t>(n)});
      for (uint32_t slot = 0; slot < n; ++slot) put(memory_.back()->data(), slot, token + slot);
      const PageCodec codec = codecs[(pages_.size() - 1) % codecs.size()];
      if (codec != PageCodec::plain && n == layout.page_tokens) make_compact(codec, token);
      token += n;
    }
  }
  PagedKv(const KvLayout& layout, uint32_t n_tokens, std::mt19937& random, const Codecs& codecs)
      : PagedKv(layout, n_tokens, random, 1, -1, codecs) {}

  const KvLayout& layout() const { return layout_; }
  uint32_t n_tokens() const { return n_tokens_; }
  const std::vector<KvPageRef>& pages() const { return pages_; }

  // What a token says must not influence anything from now on; in a compact page it stays.
  void poison(uint32_t token) {
    if (pages_[token / layout_.page_tokens].codec != PageCodec::plain) return;
    const uint32_t slot = token % layout_.page_tokens;
    uint8_t* const page = memory_[token / layout_.page_tokens]->data();
    const size_t bytes = layout_.element_bytes();
    for (uint32_t head = 0; head < layout_.n_kv_heads; ++head) {
      std::memset(page + layout_.value_offset(head) + bytes * layout_.value_element(slot, 0), 0xff,
                  bytes * layout_.head_dim);
      for (uint32_t c = 0; c < layout_.head_dim; ++c)
        std::memset(page + layout_.key_offset(head) + bytes * layout_.key_element(c, slot), 0xff, bytes);
      if (layout_.type != KvType::int8) continue;
      for (uint32_t c = 0; c < layout_.head_dim; ++c)
        std::memset(page + layout_.key_scale_offset(head) + 2 * (layout_.key_scale_element(c) + slot), 0xff,
                    2);
      std::memset(page + layout_.value_scale_offset(head) + 2 * size_t{slot}, 0xff, 2);
    }
  }

  struct Score {
    double value;
    double size;  // of its terms
  };
  Score score(const float* q, uint32_t kv_head, float scale, int32_t token) const {
    Score score = {};
    for (uint32_t c = 0; c < layout_.head_dim; ++c) {
      const double term = double{q[c]} * element(k_, token, kv_head, c) * scale;
      score.value += term;
      score.size += std::fabs(term);
    }
    return score;
  }

  struct Expected {
    std::vector<double> output;
    double tolerance;
    double log_sum;  // of exp(score)
    double log_sum_tolerance;
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
      const Score one = score(q, kv_head, scale, t);
      scores.push_back(one.value);
      maximum = std::max(maximum, one.value);
      score_size = std::max(score_size, one.size);
    }
    Expected expected{std::vector<double>(dim), 0, 0, 0};
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
    double score_error = (dim + 4) * kEpsilon * score_size;
    const double n = static_cast<double>(scores.size());
    if (compact_) {
      // A base and a code's part, each up to the range of what shares a scale; a weight of a code has an
      // error of half a unit, of which there are 32767 in the greatest.
      double size = 0;
      for (uint32_t c = 0; c < dim; ++c) size = std::max(size, std::fabs(double{q[c]}));
      size *= dim * 2.01 * magnitude_ * scale;
      score_error += size * (0.5 / 32767 + (dim + 8) * 2 * kEpsilon);
    }
    expected.tolerance =
        value_size * (2 * (std::expm1(score_error) + 8 * kEpsilon) + 2 * (n + 8) * kEpsilon) + 1e-37;
    if (compact_ && sum > 0)
      expected.tolerance += 2.01 * magnitude_ * (0.5 / 32767 * n / sum + 2 * (n + 8) * kEpsilon);
    expected.log_sum = maximum + std::log(sum);
    expected.log_sum_tolerance = score_error + (n + 8 + 4 * std::fabs(expected.log_sum)) * kEpsilon;
    return expected;
  }

 private:
  // Of int8: a scale of its own for each token, group of channels and kind.
  uint16_t scale(uint32_t token, uint32_t group, bool of_keys) const {
    const uint32_t n = (token + 3 * group + (of_keys ? 2 : 0)) % 7;
    return scale_of(bits_from_float(magnitude_ * (1 + 0.1f * static_cast<float>(n))));
  }
  uint16_t origin(uint32_t channel) const {
    return origin_of(magnitude_ * 0.2f * (static_cast<float>(channel % 5) - 2));
  }
  double element(const std::vector<float>& rows, int32_t token, uint32_t kv_head, uint32_t channel) const {
    return rows[index(static_cast<uint32_t>(token), kv_head, channel)];
  }
  size_t index(uint32_t token, uint32_t kv_head, uint32_t channel) const {
    return (size_t{token} * layout_.n_kv_heads + kv_head) * layout_.head_dim + channel;
  }
  // The last page, whose first token is `first`.
  void make_compact(PageCodec codec, uint32_t first) {
    const CompactLayout compact{layout_, codec};
    auto bytes = std::make_unique<ExactBuffer<uint8_t>>(compact.page_bytes());
    ASSERT_TRUE(page_encode_scalar({layout_, codec, memory_.back()->data(), bytes->data()}));
    for (uint32_t head = 0; head < layout_.n_kv_heads; ++head) {
      const CompactRows rows(compact, bytes->data(), head);
      for (uint32_t t = 0; t < layout_.page_tokens; ++t) {
        for (uint32_t c = 0; c < layout_.head_dim; ++c) {
          k_[index(first + t, head, c)] = rows.key(c, t);
          v_[index(first + t, head, c)] = rows.value(t, c);
        }
      }
      const auto poison = [&](size_t begin, size_t end) {
        std::memset(bytes->data() + compact.head_offset(head) + begin, 0xff, end - begin);
      };
      poison(2 * compact.value_scale_offset() - compact.value_base_offset(), compact.key_codes_offset());
      poison(compact.value_codes_offset() + compact.granules() * compact.value_granule_bytes(),
             compact.head_bytes());
    }
    memory_.back() = std::move(bytes);
    pages_.back().data = memory_.back()->data();
    pages_.back().codec = codec;
    compact_ = true;
  }
  // Writes a token into its page, and keeps what it says there.
  void put(uint8_t* page, uint32_t slot, uint32_t token) {
    for (uint32_t head = 0; head < layout_.n_kv_heads; ++head) {
      const auto beside = [&](size_t offset, size_t at, uint16_t half) {
        std::memcpy(page + offset + 2 * at, &half, 2);
      };
      for (uint32_t c = 0; c < layout_.head_dim; ++c) {
        float& key = k_[index(token, head, c)];
        float& value = v_[index(token, head, c)];
        uint8_t* to_key = page + layout_.key_offset(head);
        uint8_t* to_value = page + layout_.value_offset(head);
        if (layout_.type == KvType::int8) {
          const uint16_t key_scale = scale(token, c / kKeyScale_channels, true);
          key = put_code(to_key + layout_.key_element(c, slot), key - bf16_to_f32(origin(c)), key_scale) +
                bf16_to_f32(origin(c));
          value = put_code(to_value + layout_.value_element(slot, c), value, scale(token, 0, false));
          beside(layout_.key_scale_offset(head), layout_.key_scale_element(c) + slot, key_scale);
          beside(layout_.value_scale_offset(head), slot, scale(token, 0, false));
          beside(layout_.key_origin_offset(head), c, origin(c));
        } else {
          key = put_number(to_key, layout_.key_element(c, slot), key);
          value = put_number(to_value, layout_.value_element(slot, c), value);
        }
      }
    }
  }
  static float put_code(uint8_t* to, float value, uint16_t scale) {
    const auto code = static_cast<int8_t>(std::nearbyint(value / bf16_to_f32(scale)));
    *to = static_cast<uint8_t>(code);
    return static_cast<float>(code) * bf16_to_f32(scale);
  }
  float put_number(uint8_t* base, size_t element, float value) const {
    if (layout_.type == KvType::f32) {
      std::memcpy(base + 4 * element, &value, 4);
      return value;
    }
    const uint16_t half = f32_to_f16(value);
    std::memcpy(base + 2 * element, &half, 2);
    return f16_to_f32(half);
  }

  KvLayout layout_;
  uint32_t n_tokens_;
  float magnitude_;
  bool compact_ = false;
  std::vector<float> k_, v_;  // [token][kv_head][channel]
  std::vector<std::unique_ptr<ExactBuffer<uint8_t>>> memory_;
  std::vector<KvPageRef> pages_;
};

}  // namespace leoam::kernels
