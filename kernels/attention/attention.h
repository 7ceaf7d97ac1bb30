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
//
// Pages of one call may be plain, as the params' layout says, or compact (page_codec/page_codec_layout.h),
// each with a codec of its own.
#pragma once

#include "kernels/key_codes/key_code_layout.h"
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

// Some granules (kGranule_tokens tokens) of a page, all of them visible to the query.
struct KvGranules {
  const uint8_t* page = nullptr;  // 64-byte aligned
  uint32_t mask = 0;              // bit i: tokens [8 i, 8 i + 8) of the page; 0 is an entry without tokens
  PageCodec codec = PageCodec::plain;  // of the page
};

// One query token over granules, in place in their pages.
struct AttentionGranulesParams {
  KvLayout layout;  // page_tokens at most 256
  uint32_t n_heads = 0;
  float scale = 0;
  const float* q = nullptr;              // [n_heads][head_dim], 64-byte aligned
  const KvGranules* granules = nullptr;  // in any order
  uint32_t n_granules = 0;               // entries
  // Of attention_tokens alone: [n_granules][page_tokens / 8]; where the entry's mask has bit i, bit t of byte
  // i: token 8 i + t of the page.
  const uint8_t* token_masks = nullptr;
};

// One KV head: writes the partial states of its group, as AttentionDecodeFunction does. Over all granules of
// full pages, in their order, and all in one call, it writes the bytes that attention_decode writes for these
// pages.
using AttentionGranulesFunction = void(const AttentionGranulesParams& params, uint32_t kv_head,
                                       float* partials);
// attention_tokens: the same over those tokens of the granules that token_masks names; all of them: the bytes
// of attention_granules.

// A chunk of which `count` tokens, possibly not a whole number, count as if they had its mean key and mean
// value.
struct AttentionEstimate {
  const uint8_t* record = nullptr;  // of the KV head, laid out by ChunkLayout; its bounds are not read
  float count = 0;                  // >= 0; 0 is an entry without tokens
};

struct AttentionEstimatesParams {
  uint32_t head_dim = 0;
  uint32_t group = 0;
  float scale = 0;
  const float* q = nullptr;  // [group][head_dim], the query heads of one KV head, 64-byte aligned
  const AttentionEstimate* estimates = nullptr;
  uint32_t n_estimates = 0;
};

// Writes the partial states of the group: sum = sum over the entries of count * exp(score - maximum), and the
// output likewise. An entry that is not finite is a mistake of the caller.
using AttentionEstimatesFunction = void(const AttentionEstimatesParams& params, float* partials);

// A block of pages each of which counts with its mean value and a weight for each query head.
struct AttentionRest {
  const uint8_t* head = nullptr;   // of the KV head in the block, laid out by KeyCodeLayout, 64-byte aligned
  const float* weights = nullptr;  // [group][16 pages]: in units of exp(log_units), >= 0, as granule_rest's
};

struct AttentionRestParams {
  KeyCodeLayout layout;
  uint32_t group = 0;
  const AttentionRest* blocks = nullptr;
  uint32_t n_blocks = 0;
  const float* log_units = nullptr;  // [group], finite
};

// Adds to the partial states of the group, which hold something or nothing.
using AttentionRestFunction = void(const AttentionRestParams& params, float* partials);

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
  float* state = nullptr;     // null: one call
  bool resume = false;        // not the first call
  bool suspend = false;       // not the last call: `out` is left alone
  float* log_sums = nullptr;  // [n_tokens][n_heads], written with `out`: log of sum exp(score); null: nowhere
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

// A page whose tokens' shares of attention are added up.
struct AttentionMassPage {
  KvPageRef page;
  float* mass = nullptr;  // of its first token and KV head 0
};

// Query tokens at consecutive positions, whose attention is known, over some pages again.
struct AttentionMassParams {
  KvLayout layout;
  uint32_t n_heads = 0;
  float scale = 0;
  const float* q = nullptr;  // [n_tokens][q_stride], a row is [n_heads][head_dim]
  size_t q_stride = 0;       // floats
  uint32_t n_tokens = 0;
  int32_t first_position = 0;
  const float* log_sums = nullptr;           // [n_tokens][n_heads]: of all that the query attended to
  const AttentionMassPage* pages = nullptr;  // in ascending positions
  size_t mass_stride = 0;                    // floats from a KV head's masses to the next one's
};

// One KV head over pages [page_begin, page_end): adds to the mass of each token that a query sees the mean
// over the group of min(1, exp(score - log sum)). A mass that is not at least 0 is left as it is. The sum is
// in the order of the queries, whatever the pages. `scratch`: attention_prefill_scratch_bytes of tiles of
// kPrefillTile_tokens.
using AttentionMassFunction = void(const AttentionMassParams& params, uint32_t kv_head, uint32_t page_begin,
                                   uint32_t page_end, uint8_t* scratch);

AttentionDecodeFunction attention_decode_scalar, attention_decode_avx2, attention_decode_avx512;
AttentionGranulesFunction attention_granules_scalar, attention_granules_avx2, attention_granules_avx512;
AttentionGranulesFunction attention_tokens_scalar, attention_tokens_avx2, attention_tokens_avx512;
AttentionEstimatesFunction attention_estimates_scalar, attention_estimates_avx2, attention_estimates_avx512;
AttentionRestFunction attention_rest_scalar, attention_rest_avx2, attention_rest_avx512;
AttentionMergeFunction attention_merge_scalar, attention_merge_avx2, attention_merge_avx512;
AttentionPrefillFunction attention_prefill_scalar, attention_prefill_avx2, attention_prefill_avx512;
AttentionMassFunction attention_mass_scalar, attention_mass_avx2, attention_mass_avx512;

}  // namespace leoam::kernels
