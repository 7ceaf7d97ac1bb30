// Reading and writing a record, for every instruction set.
#pragma once

#include "kernels/chunk_bounds/chunk_bounds.h"

namespace leoam::kernels {

[[maybe_unused]] static inline ChunkHeader chunk_header(const uint8_t* record) {
  ChunkHeader header;
  __builtin_memcpy(&header, record, sizeof header);
  return header;
}

// Records are scattered: the hardware would start anew at each of them.
constexpr uint32_t kRecordsAhead = 8;
[[maybe_unused]] static inline void prefetch_record(const uint8_t* record, size_t bytes) {
  for (size_t line = 0; line < bytes + 63; line += 64)
    __builtin_prefetch(record + (line < bytes ? line : bytes - 1));
}

// What a chunk has of all its children.
struct ChunkTotals {
  uint32_t n_tokens = 0;
  bool bounded = true;
};
[[maybe_unused]] static inline ChunkTotals chunk_totals(const uint8_t* const* children, uint32_t n_children) {
  ChunkTotals totals;
  for (uint32_t i = 0; i < n_children; ++i) {
    const ChunkHeader header = chunk_header(children[i]);
    totals.bounded = totals.bounded && header.spread_base != kUnboundedChunk;
    totals.n_tokens += header.n_tokens;
  }
  return totals;
}

// Distances are computed in floats: these shares of what they are computed from are more than their
// roundings.
constexpr float kSpreadMargin = 0x1p-22f;

// How far a bound is rounded outward. size: sum |q|; reach: half of sum |q| (greatest - least); sum |q| |k|
// is not above the bound here. The constant stands above what products may lose by being subnormal.
[[maybe_unused]] static inline float chunk_score_slack(uint32_t head_dim, float key_scale, float size,
                                                       float reach) {
  return chunk_slack(head_dim) * (size * (key_scale * 128) + 2 * reach) + 0x1p-100f;
}

}  // namespace leoam::kernels
