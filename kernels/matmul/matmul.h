// Matrix product out[t][r] = sum_c w[r][c] * x[t][c] (+ bias[r]), for one token (decode) and many (prefill).
//
// Weights are re-laid once, at load, for the instruction set: rows are interleaved in groups of row_granule
// so that one register holds the same columns of many rows and no horizontal sum is needed. Quantised weights
// meet activations quantised to 8 bits in blocks of 16 columns; float weights (f32, f16, bf16) meet float
// activations. For a given instruction set the value of out[t][r] does not depend on n_tokens, on the row
// range of the call or on the other tokens: the same sums in the same order.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/weight_type.h"

namespace leoam::kernels {

// How packed bytes are laid; only the functions of the table that packed a matrix can read it.
struct PackedMatrix {
  WeightType type = WeightType::f32;
  uint32_t n_rows = 0;            // output features
  uint32_t n_cols = 0;            // input features, a whole number of blocks
  const uint8_t* data = nullptr;  // 64-byte aligned, MatmulTable::packed_bytes() bytes
};

// Activations of n_tokens rows in the form that `MatmulTable::quantize` writes. One row takes
// activation_row_bytes(n_cols) bytes, a multiple of 64.
struct MatmulParams {
  PackedMatrix weights;
  const float* x = nullptr;     // [n_tokens][x_stride]; read when weights are float
  size_t x_stride = 0;          // floats
  const uint8_t* xq = nullptr;  // [n_tokens][activation_row_bytes]; read when weights are quantised
  uint32_t n_tokens = 0;
  const float* bias = nullptr;  // [n_rows] or nullptr
  bool accumulate = false;      // add to out instead of overwriting it
  float* out = nullptr;         // [n_tokens][out_stride]
  size_t out_stride = 0;        // floats
};

// One instruction set's entries. Thread rule: pure functions of their arguments.
struct MatmulTable {
  // Row ranges of `pack` and `matmul` start at multiples of it; the last group may be short.
  uint32_t row_granule;
  size_t (*packed_bytes)(WeightType type, uint32_t n_rows, uint32_t n_cols);
  // Re-lays rows [row_begin, row_end) from file layout. `src` points at row_begin's first byte, rows follow
  // one another. Writes only the bytes of those rows' groups in `dst`, the whole matrix's memory.
  void (*pack)(WeightType type, uint32_t n_rows, uint32_t n_cols, uint32_t row_begin, uint32_t row_end,
               const uint8_t* src, uint8_t* dst);
  // Bytes of one quantised activation row.
  size_t (*activation_row_bytes)(uint32_t n_cols);
  // x[n_cols] -> one activation row.
  void (*quantize)(const float* x, uint32_t n_cols, uint8_t* row);
  // Rows [row_begin, row_end) for all tokens.
  void (*matmul)(const MatmulParams& params, uint32_t row_begin, uint32_t row_end);
  // One row of a packed matrix, dequantised: out[n_cols] (embedding).
  void (*unpack_row)(const PackedMatrix& matrix, uint32_t row, float* out);
};

extern const MatmulTable kMatmulScalar;
extern const MatmulTable kMatmulAvx2;
extern const MatmulTable kMatmulAvx512;

// Float weights take float activations, all others quantised ones.
inline bool takes_float_activations(WeightType type) {
  return type == WeightType::f32 || type == WeightType::f16 || type == WeightType::bf16;
}

// Dequantises n_values (whole blocks) from file layout: the plain definition of every format, the oracle of
// the tests.
void dequantize(WeightType type, const uint8_t* src, size_t n_values, float* out);

}  // namespace leoam::kernels
