// The abstract of a chunk, per KV head: bounds of its keys that are always true, mean key and mean value.
//
// A record of 8-bit numbers (head_dim rounded up to a multiple of 16, the rest zeros):
//
//   { key_scale f32, value_scale f32, spread_base i32, n_tokens u32,
//     mean_key i8 [dim], above u8 [dim], below u8 [dim], mean_value i8 [dim] }
//
//   mean key   = key_scale * mean_key           mean value = value_scale * mean_value
//   greatest key <= mean key + spread(above)    least key  >= mean key - spread(below)
//
// in exact arithmetic. A spread is a number of 4 bits of mantissa relative to the record's own base (see
// chunk_spread): rounded up, to at most 1/16 more, however unlike the channels are. A chunk with a key that
// is not finite, or beyond 2^100, has no bounds: spread_base = kUnboundedChunk, and its scores are bounded by
// infinity.
//
// A record of head_dim 64 is 272 bytes: 3.3 % of an f16 page of 32 tokens; a tree of records with four
// children each costs a third more than its leaves, 4.4 % in all.
#pragma once

#include "kernels/f16.h"
#include "kernels/kv_layout.h"

namespace leoam::kernels {

constexpr int32_t kUnboundedChunk = -1;

struct ChunkHeader {
  float key_scale;
  float value_scale;
  int32_t spread_base;  // 0 to 4080, or kUnboundedChunk
  uint32_t n_tokens;
};

struct ChunkLayout {
  uint32_t head_dim = 0;  // any

  size_t padded_dim() const { return (size_t{head_dim} + 15) / 16 * 16; }
  size_t record_bytes() const { return sizeof(ChunkHeader) + 4 * padded_dim(); }
  // In bytes from the start of a record, 16-byte aligned.
  size_t mean_key_offset() const { return sizeof(ChunkHeader); }
  size_t above_offset() const { return mean_key_offset() + padded_dim(); }
  size_t below_offset() const { return above_offset() + padded_dim(); }
  size_t mean_value_offset() const { return below_offset() + padded_dim(); }
};

// The upper 13 bits of a float are its exponent and 4 bits of mantissa.
[[maybe_unused]] static inline float chunk_spread(int32_t spread_base, uint8_t spread) {
  return float_from_bits((static_cast<uint32_t>(spread_base) + spread) << 19);
}

// Writes the record of one full page and KV head. Means count keys and values that are finite; without any
// they are 0. The bytes are the same on every level.
using ChunkOfPageFunction = void(const KvLayout& kv, const uint8_t* page, uint32_t kv_head, uint8_t* record);
ChunkOfPageFunction chunk_of_page_scalar, chunk_of_page_avx2, chunk_of_page_avx512;

// Writes the record of the chunk that the children make up, n_children >= 1, none of them `record`: bounds
// that hold what theirs hold, means weighted by their tokens.
using ChunkMergeFunction = void(const ChunkLayout& layout, const uint8_t* const* children,
                                uint32_t n_children, uint8_t* record);
ChunkMergeFunction chunk_merge_scalar, chunk_merge_avx2, chunk_merge_avx512;

// Bounds of the scores of every key in a chunk, for the query heads of a group.
//
// upper and lower hold for q . k in exact arithmetic and for every way of summing it in floats that makes at
// most head_dim + 4 roundings a term, as attention does: they are rounded outward by chunk_slack(head_dim)
// times a bound of sum |q| |k|.
struct ChunkScoreParams {
  ChunkLayout layout;
  uint32_t group = 0;
  const float* q = nullptr;                 // [group][head_dim], finite, times the attention scale
  const uint8_t* const* records = nullptr;  // [n_chunks], each 16-byte aligned
  uint32_t n_chunks = 0;
  float* upper = nullptr;  // [n_chunks][group]
  float* lower = nullptr;  // [n_chunks][group]; null: not wanted
};
using ChunkScoreFunction = void(const ChunkScoreParams& params);
ChunkScoreFunction chunk_score_scalar, chunk_score_avx2, chunk_score_avx512;

// Roundings of the bound itself (head_dim + 8 a term), and those of the score that it must hold.
[[maybe_unused]] static inline float chunk_slack(uint32_t head_dim) {
  return (3 * static_cast<float>(head_dim) + 24) * 0x1p-24f;
}

}  // namespace leoam::kernels
