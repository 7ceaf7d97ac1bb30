// Where the keys and values of one page stand in its bytes: the only place with this formula.
//
// A page holds page_tokens consecutive tokens of one layer, all KV heads. It is head-major: one head's keys
// and values are one contiguous run. Within a head, keys are channel-major, so that the scores of all its
// tokens for one channel are one vector load and no horizontal sum is needed; values are token-major, so that
// the weighted sum adds whole rows.
//
//   [kv_head] { key [head_dim][page_tokens], value [page_tokens][head_dim],
//               int8 alone: key scale [groups of 16 channels][page_tokens], value scale [page_tokens],
//                           key origin [head_dim] }
//
// An int8 page keeps numbers as codes in [-127, 127]: value = scale * code, key = scale * code + origin. The
// origin is the key of the page's first token, for a head's keys share a middle that is far from 0 in some
// channels; 0 where that is not finite. Scales and origins are upper halves of floats (bf16). A scale is the
// least one whose 127 steps reach the greatest magnitude of its numbers: of a token's value, or of 16
// channels of a token's key without origin; infinity when one of them is not finite, 0 when none is above
// 2^-100. A token is encoded when it is written: how a text is cut into pieces changes no bit, and nothing is
// encoded twice.
#pragma once

#include <cstddef>
#include <cstdint>

namespace leoam::kernels {

// Channels of a key that share a scale.
constexpr uint32_t kKeyScale_channels = 16;

// The unit of attention: a page's tokens from a multiple of it on.
constexpr uint32_t kGranule_tokens = 8;

// Their numbers stand in session files.
enum class KvType : int32_t { f32 = 0, f16 = 1, int8 = 2 };
inline bool is_kv_type(int32_t number) {
  return number >= 0 && number <= static_cast<int32_t>(KvType::int8);
}

// How a sealed page is kept: `plain`, as KvLayout says, or compact (page_codec/page_codec_layout.h), with as
// many bits for a key and for a value as the name says. Their numbers stand in session files.
enum class PageCodec : uint8_t { plain = 0, k8v8 = 1, k8v4 = 2, k4v4 = 3 };
constexpr size_t kPageCodecs = 4;
constexpr const char* name_of(PageCodec codec) {
  constexpr const char* names[kPageCodecs] = {"plain", "k8v8", "k8v4", "k4v4"};
  return names[static_cast<size_t>(codec)];
}

// Calls f.operator()<Element>() for the type that a page's numbers have in memory.
template <class F>
[[gnu::always_inline]] inline auto with_element(KvType type, const F& f) {
  switch (type) {
    case KvType::f32:
      return f.template operator()<float>();
    case KvType::int8:
      return f.template operator()<int8_t>();
    default:
      return f.template operator()<uint16_t>();
  }
}

struct KvLayout {
  KvType type = KvType::f16;
  uint32_t n_kv_heads = 0;
  uint32_t head_dim = 0;      // any; 64, 128 and 256 are the fast ones
  uint32_t page_tokens = 32;  // a multiple of 16

  size_t element_bytes() const { return type == KvType::f32 ? 4 : type == KvType::f16 ? 2 : 1; }
  size_t rows_bytes() const { return size_t{page_tokens} * head_dim * element_bytes(); }  // keys, or values
  // Of int8 alone, as what is beside keys and values.
  uint32_t key_groups() const { return (head_dim + kKeyScale_channels - 1) / kKeyScale_channels; }
  size_t scales_bytes() const { return page_tokens * sizeof(uint16_t); }
  size_t beside_bytes() const {
    return type == KvType::int8 ? (key_groups() + 1) * scales_bytes() + head_dim * sizeof(uint16_t) : 0;
  }
  size_t head_bytes() const { return (2 * rows_bytes() + beside_bytes() + 63) / 64 * 64; }
  size_t page_bytes() const { return n_kv_heads * head_bytes(); }
  size_t key_offset(uint32_t kv_head) const { return kv_head * head_bytes(); }
  size_t value_offset(uint32_t kv_head) const { return key_offset(kv_head) + rows_bytes(); }
  size_t key_scale_offset(uint32_t kv_head) const { return value_offset(kv_head) + rows_bytes(); }
  size_t value_scale_offset(uint32_t kv_head) const {
    return key_scale_offset(kv_head) + key_groups() * scales_bytes();
  }
  size_t key_origin_offset(uint32_t kv_head) const { return value_scale_offset(kv_head) + scales_bytes(); }
  // Of a channel of token 0, in scales from key_scale_offset.
  size_t key_scale_element(uint32_t channel) const {
    return channel / kKeyScale_channels * size_t{page_tokens};
  }
  // In elements, from key_offset and value_offset.
  size_t key_element(uint32_t channel, uint32_t token) const { return size_t{channel} * page_tokens + token; }
  size_t value_element(uint32_t token, uint32_t channel) const { return size_t{token} * head_dim + channel; }
};

// One page as attention sees it. Tokens [0, n_tokens) of the page are valid and stand at consecutive
// positions; what lies behind them in the bytes is unspecified and must not influence any result (it may be
// NaN).
struct KvPageRef {
  const uint8_t* data = nullptr;  // 64-byte aligned
  int32_t first_position = 0;
  int32_t n_tokens = 0;
  PageCodec codec = PageCodec::plain;
};

}  // namespace leoam::kernels
