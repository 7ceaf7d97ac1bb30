#include <cmath>
#include <cstring>

#include "kernels/page_codec/code_range.h"
#include "kernels/page_codec/compact_rows.h"
#include "kernels/page_codec/page_codec.h"
#include "kernels/page_rows.h"

namespace leoam::kernels {
namespace {

uint16_t* halves(uint8_t* head, size_t offset) {
  return reinterpret_cast<uint16_t*>(head + offset);
}

// One run of numbers that share a scale: number(i) is coded at place(i).
template <class Number, class PlaceOf>
bool encode_run(uint32_t n, uint32_t bits, const Number& number, const PlaceOf& place, uint8_t* head,
                CodeRange* range) {
  const float most = static_cast<float>((1u << bits) - 1);
  float least = number(0);
  float greatest = least;
  for (uint32_t i = 0; i < n; ++i) {
    const float x = number(i);
    if (!std::isfinite(x)) return false;
    least = x < least ? x : least;
    greatest = x > greatest ? x : greatest;
  }
  if (!range->set(least, greatest, most)) return false;
  for (uint32_t i = 0; i < n; ++i) {
    const float steps = std::nearbyint((number(i) - range->base_value) * range->inverse);
    const auto code = static_cast<uint8_t>(steps < most ? steps : most);
    const CompactLayout::Place at = place(i);
    head[at.byte] = static_cast<uint8_t>(head[at.byte] | code << at.bit);
  }
  return true;
}

template <class Element>
bool encode_head(const PageCodecParams& params, uint32_t kv_head) {
  const KvLayout& plain = params.layout;
  const CompactLayout compact{plain, params.codec};
  const PageRows<Element> rows(plain, params.from, kv_head);
  uint8_t* const head = params.to + compact.head_offset(kv_head);
  std::memset(head, 0, compact.head_bytes());
  CodeRange range;
  for (uint32_t c = 0; c < plain.head_dim; ++c) {
    if (!encode_run(
            plain.page_tokens, compact.key_bits(), [&](uint32_t t) { return rows.key(c, t); },
            [&](uint32_t t) { return compact.key_place(c, t); }, head, &range))
      return false;
    halves(head, compact.key_base_offset())[c] = range.base;
    halves(head, compact.key_scale_offset())[c] = range.scale;
  }
  for (uint32_t t = 0; t < plain.page_tokens; ++t) {
    for (uint32_t c = 0; c < plain.head_dim; c += kValueScale_channels) {
      const uint32_t rest = plain.head_dim - c;
      if (!encode_run(
              rest < kValueScale_channels ? rest : kValueScale_channels, compact.value_bits(),
              [&](uint32_t i) { return rows.value(t, c + i); },
              [&](uint32_t i) { return compact.value_place(t, c + i); }, head, &range))
        return false;
      halves(head, compact.value_base_offset())[compact.value_scale_element(c, t)] = range.base;
      halves(head, compact.value_scale_offset())[compact.value_scale_element(c, t)] = range.scale;
    }
  }
  return true;
}

}  // namespace

bool page_encode_scalar(const PageCodecParams& params) {
  if (params.layout.type == KvType::int8) return false;
  for (uint32_t head = 0; head < params.layout.n_kv_heads; ++head) {
    const bool encoded = params.layout.type == KvType::f32 ? encode_head<float>(params, head)
                                                           : encode_head<uint16_t>(params, head);
    if (!encoded) return false;
  }
  return true;
}

void page_decode_scalar(const PageCodecParams& params, uint32_t kv_head) {
  const KvLayout& plain = params.layout;
  const CompactRows rows({plain, params.codec}, params.from, kv_head);
  const auto put = [&](size_t offset, size_t element, float x) {
    if (plain.type == KvType::f32) {
      std::memcpy(params.to + offset + element * sizeof x, &x, sizeof x);
    } else {
      const uint16_t half = f32_to_f16(x);
      std::memcpy(params.to + offset + element * sizeof half, &half, sizeof half);
    }
  };
  for (uint32_t t = 0; t < plain.page_tokens; ++t) {
    for (uint32_t c = 0; c < plain.head_dim; ++c) {
      put(plain.key_offset(kv_head), plain.key_element(c, t), rows.key(c, t));
      put(plain.value_offset(kv_head), plain.value_element(t, c), rows.value(t, c));
    }
  }
}

}  // namespace leoam::kernels
