// ChannelWeights: how much each channel of a sequence's keys counts in its scores, as its first long pass
// shows it: what its queries are, times how far the keys of its full pages reach. Which channels have codes
// follows from it (kernels/key_codes). Neither alone would do: channels that reach far may meet no query.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/chunk_bounds/chunk_bounds.h"
#include "runtime/base/status.h"
#include "runtime/kv/tiers.h"

namespace leoam {

// Made layer by layer in one pass, then never changed: copies of the sequence share it.
class ChannelWeights {
 public:
  // `end_token`: of the context with the pass. `width`: n_kv_heads * head_dim.
  ChannelWeights(uint32_t n_layers, uint32_t width, uint64_t end_token)
      : width_(width), end_token_(end_token), layers_(n_layers) {}

  uint64_t end_token() const { return end_token_; }
  // [n_kv_heads][head_dim], finite, >= 0; empty: nothing is known.
  std::span<const float> of(uint32_t layer) const { return layers_[layer]; }
  void set(uint32_t layer, std::vector<float> weights) { layers_[layer] = std::move(weights); }
  // In RAM.
  static uint64_t bytes(uint32_t n_layers, uint32_t width) {
    return uint64_t{n_layers} * width * sizeof(float);
  }
  void keep_room(TierShare room) { room_ = std::move(room); }

  // For a session file, and back. Fails with corrupt.
  std::vector<uint8_t> encode() const;
  static Result<ChannelWeights> decode(std::span<const uint8_t> bytes, uint32_t n_layers, uint32_t width,
                                       uint64_t n_most_tokens);

 private:
  uint32_t width_;
  uint64_t end_token_;
  std::vector<std::vector<float>> layers_;
  TierShare room_;
};

// sums [n_kv_heads][head_dim] += |q| of queries [n_tokens][n_heads][head_dim]; what is not finite is left
// out.
void add_queries(const float* q, uint32_t n_tokens, uint32_t n_heads, uint32_t n_kv_heads, uint32_t head_dim,
                 std::span<float> sums);
// sums [n_kv_heads][head_dim] += how far the keys of a page reach; nothing where they have no bounds.
// `records`: of KV head 0, head_stride bytes from one head's to the next one's.
void add_reach(const kernels::ChunkLayout& layout, const uint8_t* records, size_t head_stride,
               std::span<float> sums);
// The heaviest channels [n], ascending; of equal ones the lower.
void list_heaviest(std::span<const float> weights, std::span<uint32_t> channels);

}  // namespace leoam
