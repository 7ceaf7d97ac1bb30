// Writes the keys and values of new tokens into a page, converting to the page's type: to the nearest, ties
// to even. Of int8, slot 0 is written before any other: it sets the origin of the page's keys (kv_layout.h).
#pragma once

#include "kernels/kv_layout.h"

namespace leoam::kernels {

struct KvAppendParams {
  KvLayout layout;
  uint8_t* page = nullptr;
  uint32_t first_slot = 0;  // first_slot + n_tokens <= page_tokens
  uint32_t n_tokens = 0;
  const float* k = nullptr;  // [n_tokens][k_stride], a row is [n_kv_heads][head_dim]
  const float* v = nullptr;  // likewise
  size_t stride = 0;         // floats between tokens, for k and v
};

// Heads [head_begin, head_end) only.
using KvAppendFunction = void(const KvAppendParams& params, uint32_t head_begin, uint32_t head_end);
KvAppendFunction kv_append_scalar;
KvAppendFunction kv_append_avx2;
KvAppendFunction kv_append_avx512;

}  // namespace leoam::kernels
