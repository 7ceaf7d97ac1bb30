// How a prefill call divides its work and its scratch memory. The same for every instruction set.
#pragma once

#include "kernels/attention/attention.h"

namespace leoam::kernels {

// Keys of a block start at positions that are multiples of it, so that the sums of a query token do not
// depend on what else is computed with it. K and V of a block must stay in the second-level cache.
[[maybe_unused]] static inline uint32_t prefill_block_tokens(uint32_t head_dim) {
  return head_dim <= 128 ? 256 : head_dim <= 256 ? 128 : 64;
}

// Rows (query token, head of the group) computed together: K and V of a block are converted once for all.
constexpr uint32_t kPrefillRows = 256;
// Rows of one pass over a block; a multiple of every instruction set's register tile.
constexpr uint32_t kPrefillRowStep = 12;
// Between rows of scores: one more line than a block, so that rows do not meet in the same cache sets.
constexpr uint32_t kPrefillScoreStride = 256 + 16;

// Byte offsets, multiples of 64.
struct PrefillScratch {
  size_t query;    // f32, packed groups of rows
  size_t output;   // f32 [rows][padded head_dim]
  size_t key;      // f32 panels of a block
  size_t value;    // f32 panels of a block
  size_t scores;   // f32 [kPrefillRowStep][kPrefillScoreStride]
  size_t maximum;  // f32 [rows]
  size_t sum;      // f32 [rows]
  size_t bytes;
};

[[maybe_unused]] static inline uint32_t prefill_padded_dim(uint32_t head_dim) {
  return (head_dim + 15) / 16 * 16;
}

[[maybe_unused]] static inline PrefillScratch prefill_scratch(uint32_t head_dim, uint32_t n_rows) {
  const size_t chunk = n_rows < kPrefillRows ? n_rows : kPrefillRows;
  const size_t rows = (chunk + kPrefillRowStep - 1) / kPrefillRowStep * kPrefillRowStep;
  const size_t dim = prefill_padded_dim(head_dim);
  const size_t block = prefill_block_tokens(head_dim);
  PrefillScratch scratch;
  size_t floats = 0;
  const auto take = [&floats](size_t n) {
    const size_t at = floats * sizeof(float);
    floats += (n + 15) / 16 * 16;
    return at;
  };
  scratch.query = take(rows * head_dim);
  scratch.output = take(rows * dim);
  scratch.key = take(block * head_dim);
  scratch.value = take(block * dim);
  scratch.scores = take(kPrefillRowStep * kPrefillScoreStride);
  scratch.maximum = take(rows);
  scratch.sum = take(rows);
  scratch.bytes = floats * sizeof(float);
  return scratch;
}

}  // namespace leoam::kernels
