// 2-bit codes of keys: made when a page is full, read to estimate how much attention its tokens get.
//
// The way of a step, per KV head: score blocks of codes; sums of exp over granules of 8 tokens, relative to a
// maximum a block; then, over all blocks, the share of the softmax that each granule has, mean over the query
// group; and once granules are selected, what the rest of each page weighs. Codes are read once, and scores
// once while they are in the first-level cache.
#pragma once

#include "kernels/key_codes/key_code_layout.h"

namespace leoam::kernels {

// Makes the codes and means of one full page, whose f16 or f32 keys and values stand in `page`.
//
// Each channel with codes is quantised uniformly between its least and its greatest key. Keys that are not
// finite count neither for these nor for the mean (a channel of such keys alone counts as zeros); their own
// codes are 3 for +inf and 0 for -inf and NaN. Other channels are as if these keys were not there. Finite
// keys beyond 2^100 count as 2^100. Means of values are made likewise. The bytes are the same on every level.
struct KeyCodeEncodeParams {
  KvLayout kv;
  const uint8_t* page = nullptr;       // 64-byte aligned
  uint8_t* block = nullptr;            // laid out by key_code_layout(kv, n_coded), 64-byte aligned
  uint32_t slot = 0;                   // of the page in the block
  const uint32_t* channels = nullptr;  // [n_coded] of this KV head, ascending
  uint32_t n_coded = 0;
};
using KeyCodeEncodeFunction = void(const KeyCodeEncodeParams& params, uint32_t kv_head);
KeyCodeEncodeFunction key_code_encode_scalar, key_code_encode_avx2, key_code_encode_avx512;

struct KeyCodeBlockRef {
  const uint8_t* block = nullptr;  // 64-byte aligned
  uint32_t pages = 0;              // bit p: page p of the block has codes and is scored
};

// Factors of a page and query head that are all smaller count as none.
constexpr float kLeastFactor = 0x1p-100f;

// Estimated scores of a KV head's group over the pages of some blocks:
//
//   score[g][token] = sum over all channels of q * mean
//                   + sum over the channels with codes of q * scale * (code - offset / 85)
//
// Factors q * scale of these channels are rounded to 8 bits against the largest of them in the same page
// and query head, so that a score is off by at most 1.5 / 127 * n_coded * max |q * scale|, a small part of
// what two bits leave open; the products with codes are summed in integers.
struct KeyCodeScoreParams {
  KeyCodeLayout layout;
  uint32_t group = 0;
  const float* q = nullptr;            // [group][head_dim], finite, times the attention scale
  const uint32_t* channels = nullptr;  // [layout.n_coded] of the KV head, ascending
  const KeyCodeBlockRef* blocks = nullptr;
  uint32_t n_blocks = 0;
  const uint8_t* next_block = nullptr;  // to be scored next: is prefetched; may be null
  // Pages that are not scored are left alone in all outputs, which are 64-byte aligned.
  float* scores = nullptr;       // [n_blocks][group][16 pages][page_tokens]
  float* mean_scores = nullptr;  // [n_blocks][group][16 pages]: q * mean alone; null: not wanted
  float* maximum = nullptr;      // [n_blocks][group]: of the scores of the block; -inf without pages
  uint8_t* scratch = nullptr;    // key_code_scratch_bytes(...), 64-byte aligned, of the calling thread alone
};
using KeyCodeScoreFunction = void(const KeyCodeScoreParams& params, uint32_t kv_head);
size_t key_code_scratch_bytes(const KeyCodeLayout& layout, uint32_t group);
KeyCodeScoreFunction key_code_score_scalar, key_code_score_avx2, key_code_score_avx512;

// From scores to sums over granules: sums[...] = sum over the granule's 8 tokens of exp(score - maximum of
// the block and head), 0 for pages that were not scored; totals = sums of these. A sum is off by less than
// 1e-4 of itself, and by a factor of at most 1 + 2^-24 |maximum| that all sums of the block and head share.
struct GranuleSumParams {
  uint32_t page_tokens = 0;
  uint32_t group = 0;
  const KeyCodeBlockRef* blocks = nullptr;  // those of the scores; their bytes are not read
  uint32_t n_blocks = 0;
  const float* scores = nullptr;   // [n_blocks][group][16 pages][page_tokens]
  const float* maximum = nullptr;  // [n_blocks][group]
  float* sums = nullptr;           // [n_blocks][group][16 pages][page_tokens / 8], 64-byte aligned
  float* totals = nullptr;         // [n_blocks][group]
};
using GranuleSumFunction = void(const GranuleSumParams& params);
GranuleSumFunction granule_sum_scalar, granule_sum_avx2, granule_sum_avx512;

// From sums to masses: mass[granule] = mean over the group of the granule's share of the head's softmax,
// taken over all blocks and over what `fixed_maximum` and `fixed_sum` stand for: tokens that are attended to
// whatever their scores are, for example a partial state of attention over them.
struct GranuleMassParams {
  uint32_t page_tokens = 0;
  uint32_t group = 0;
  uint32_t n_blocks = 0;
  const float* sums = nullptr;           // as of GranuleSumParams
  const float* maximum = nullptr;        // [n_blocks][group]
  const float* totals = nullptr;         // [n_blocks][group]
  const float* fixed_maximum = nullptr;  // [group], with fixed_sum; null: nothing is fixed
  const float* fixed_sum = nullptr;      // [group]
  float* mass = nullptr;                 // [n_blocks][16 pages][page_tokens / 8], 64-byte aligned
  float* head_maximum = nullptr;         // [group]: the softmax of a head is exp(score - maximum) / sum
  float* head_sum = nullptr;             // [group]; 0 when there is nothing: then all masses are 0
};
using GranuleMassFunction = void(const GranuleMassParams& params);
GranuleMassFunction granule_mass_scalar, granule_mass_avx2, granule_mass_avx512;

// Of pages of one block of which some granules are selected: what the others weigh, as far as their mean
// value may stand for them. That is their sum where they weigh alike, and less the more one of them stands
// out, for then the mean is not its value:
//
//   weight[g][page] = unit[g] * sum^3 / (n * sum of squares), over the page's n granules that are left
//
// 0 where the sum of squares is below kLeastSquares.
constexpr float kLeastSquares = 0x1p-126f;
struct GranuleRestParams {
  uint32_t page_tokens = 0;
  uint32_t group = 0;
  const float* sums = nullptr;         // [group][16 pages][page_tokens / 8]: a block's, of GranuleSumParams
  const uint32_t* selected = nullptr;  // [16 pages]: bit i: granule i is
  const float* units = nullptr;        // [group]: of the weights
  float* weights = nullptr;            // [group][16 pages], 64-byte aligned
};
using GranuleRestFunction = void(const GranuleRestParams& params);
GranuleRestFunction granule_rest_scalar, granule_rest_avx2, granule_rest_avx512;

}  // namespace leoam::kernels
