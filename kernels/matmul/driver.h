// How every instruction set walks a product: row groups, and under each group tiles of tokens, so that a
// group's weights stay in the nearest cache while the activations of a chunk of tokens come from the next
// one. Everything here has internal linkage: each instruction set's file compiles its own copy.
#pragma once

#include "kernels/matmul/layout.h"
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/pack.h"
#include "kernels/matmul/with_type.h"

namespace leoam::kernels {
namespace {

// One row group times a tile of tokens.
struct TileArguments {
  const uint8_t* group = nullptr;  // start of the packed group
  uint32_t n_cols = 0;
  uint32_t n_rows = 0;         // rows of the group that exist
  const uint8_t* x = nullptr;  // the tile's first token: ActivationBlocks or floats
  size_t x_stride_bytes = 0;
  const float* bias = nullptr;  // of the group's first row, or nullptr
  bool accumulate = false;
  float* out = nullptr;  // the tile's first token, the group's first row
  size_t out_stride = 0;
};

// Half of a usual second-level cache.
constexpr size_t kChunkBytes = size_t{512} << 10;

// Kernel: kRows, kMaxTokens and `static void run(const TileArguments&, uint32_t n_tokens)`.
template <class Kernel>
void run_groups(const MatmulParams& params, uint32_t row_begin, uint32_t row_end) {
  const PackedMatrix& weights = params.weights;
  const size_t bytes = group_bytes(weights.type, Kernel::kRows, weights.n_cols);
  const bool is_float = is_float_type(weights.type);
  const size_t x_stride_bytes =
      is_float ? params.x_stride * sizeof(float) : activation_row_bytes(weights.n_cols);
  const uint8_t* x = is_float ? reinterpret_cast<const uint8_t*>(params.x) : params.xq;

  size_t chunk = x_stride_bytes ? kChunkBytes / x_stride_bytes / Kernel::kMaxTokens * Kernel::kMaxTokens : 0;
  if (chunk < Kernel::kMaxTokens) chunk = Kernel::kMaxTokens;
  TileArguments tile;
  tile.n_cols = weights.n_cols;
  tile.x_stride_bytes = x_stride_bytes;
  tile.accumulate = params.accumulate;
  tile.out_stride = params.out_stride;
  for (size_t chunk_begin = 0; chunk_begin < params.n_tokens; chunk_begin += chunk) {
    const size_t chunk_end = chunk_begin + chunk < params.n_tokens ? chunk_begin + chunk : params.n_tokens;
    for (uint32_t row = row_begin; row < row_end; row += Kernel::kRows) {
      tile.group = weights.data + row / Kernel::kRows * bytes;
      tile.n_rows = row_end - row < Kernel::kRows ? row_end - row : Kernel::kRows;
      tile.bias = params.bias ? params.bias + row : nullptr;
      for (size_t token = chunk_begin; token < chunk_end; token += Kernel::kMaxTokens) {
        tile.x = x + token * x_stride_bytes;
        tile.out = params.out + token * params.out_stride + row;
        const size_t left = chunk_end - token;
        Kernel::run(tile, left < Kernel::kMaxTokens ? static_cast<uint32_t>(left) : Kernel::kMaxTokens);
      }
    }
  }
}

}  // namespace
}  // namespace leoam::kernels
