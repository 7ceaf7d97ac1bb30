// Where the keys and values of one page stand in its bytes: the only place with this formula.
//
// A page holds page_tokens consecutive tokens of one layer, all KV heads. It is head-major: one head's keys
// and values are one contiguous run. Within a head, keys are channel-major, so that the scores of all its
// tokens for one channel are one vector load and no horizontal sum is needed; values are token-major, so that
// the weighted sum adds whole rows.
//
//   [kv_head] { key [head_dim][page_tokens], value [page_tokens][head_dim] }
#pragma once

#include <cstddef>
#include <cstdint>

namespace leoam::kernels {

// The unit of attention: a page's tokens from a multiple of it on.
constexpr uint32_t kGranule_tokens = 8;

enum class KvType : int32_t { f32 = 0, f16 = 1 };

struct KvLayout {
  KvType type = KvType::f16;
  uint32_t n_kv_heads = 0;
  uint32_t head_dim = 0;      // any; 64, 128 and 256 are the fast ones
  uint32_t page_tokens = 32;  // a multiple of 16

  size_t element_bytes() const { return type == KvType::f32 ? 4 : 2; }
  size_t head_bytes() const { return size_t{2} * page_tokens * head_dim * element_bytes(); }
  size_t page_bytes() const { return n_kv_heads * head_bytes(); }
  size_t key_offset(uint32_t kv_head) const { return kv_head * head_bytes(); }
  size_t value_offset(uint32_t kv_head) const { return key_offset(kv_head) + head_bytes() / 2; }
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
};

}  // namespace leoam::kernels
