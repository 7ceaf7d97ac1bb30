// Attention over paged KV, in place.
//
// Query head h reads KV head h / (n_heads / n_kv_heads); the query heads of one KV head form its group and
// share every key and value row that is loaded. score = scale * q . k ; a token at position p is visible to a
// query at position P when first_visible(P) <= p <= P, with first_visible(P) = window ? max(0, P - window +
// 1) : 0.
//
// Softmax is online (running maximum and sum, natural exponent). Partial results over disjoint sets of pages
// are merged by attention_merge, so a long context can be split among threads, or parts of it computed
// elsewhere.
#pragma once

#include "kernels/kv_layout.h"

namespace leoam::kernels {

// Partial state of one query head over some pages: {maximum, sum, unnormalised output [head_dim]}, floats,
// partial_floats(head_dim) apart. With no visible token: maximum = -inf, sum = 0, output = 0.
inline size_t attention_partial_floats(uint32_t head_dim) {
  return 16 + (size_t{head_dim} + 15) / 16 * 16;
}
constexpr size_t kPartialMaximum = 0;
constexpr size_t kPartialSum = 1;
constexpr size_t kPartialOutput = 16;

// One query token.
struct AttentionDecodeParams {
  KvLayout layout;
  uint32_t n_heads = 0;
  float scale = 0;
  const float* q = nullptr;  // [n_heads][head_dim], 64-byte aligned
  int32_t position = 0;
  int32_t window = 0;                // 0 = all
  const KvPageRef* pages = nullptr;  // any pages, in ascending positions; positions > `position` are masked
  uint32_t n_pages = 0;
};

// One KV head over pages [page_begin, page_end): writes the partial states of its group's query heads,
// [group][partial_floats(head_dim)], 64-byte aligned.
using AttentionDecodeFunction = void(const AttentionDecodeParams& params, uint32_t kv_head,
                                     uint32_t page_begin, uint32_t page_end, float* partials);

// Merges n_parts partial states of one query head, part_stride floats apart, in their order, into
// out[head_dim]. All parts empty: out = 0.
using AttentionMergeFunction = void(const float* partials, uint32_t n_parts, size_t part_stride,
                                    uint32_t head_dim, float* out);

// A run of query tokens at consecutive positions of one sequence, whose own keys and values are in the pages.
struct AttentionPrefillParams {
  KvLayout layout;
  uint32_t n_heads = 0;
  float scale = 0;
  const float* q = nullptr;  // [n_tokens][q_stride], a row is [n_heads][head_dim]
  size_t q_stride = 0;       // floats
  uint32_t n_tokens = 0;
  int32_t first_position = 0;  // of token 0
  int32_t window = 0;
  const KvPageRef* pages = nullptr;
  uint32_t n_pages = 0;
  float* out = nullptr;  // [n_tokens][out_stride], a row is [n_heads][head_dim]
  size_t out_stride = 0;
  // Pages may be given in several calls, in ascending order, cut at positions that are multiples of
  // kAttentionCut_tokens: the last call's `out` has the bytes that one call with all pages gives. Between
  // calls the running states lie here, [n_tokens][n_heads][partial_floats(head_dim)], 64-byte aligned, in a
  // form that only this kernel knows.
  float* state = nullptr;  // null: one call
  bool resume = false;     // not the first call
  bool suspend = false;    // not the last call: `out` is left alone
};
constexpr uint32_t kAttentionCut_tokens = 512;

// One KV head, query tokens [token_begin, token_end) of the params. `scratch`:
// attention_prefill_scratch_bytes bytes, 64-byte aligned, of the calling thread alone. Callers give tiles
// that start at multiples of kPrefillTile_tokens from token 0; the value for a token depends neither on the
// tile nor on n_tokens: any split gives the same bytes.
using AttentionPrefillFunction = void(const AttentionPrefillParams& params, uint32_t kv_head,
                                      uint32_t token_begin, uint32_t token_end, uint8_t* scratch);
constexpr uint32_t kPrefillTile_tokens = 32;
size_t attention_prefill_scratch_bytes(const KvLayout& layout, uint32_t n_heads, uint32_t tile_tokens);

AttentionDecodeFunction attention_decode_scalar, attention_decode_avx2, attention_decode_avx512;
AttentionMergeFunction attention_merge_scalar, attention_merge_avx2, attention_merge_avx512;
AttentionPrefillFunction attention_prefill_scalar, attention_prefill_avx2, attention_prefill_avx512;

}  // namespace leoam::kernels
