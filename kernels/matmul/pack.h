// The parts of MatmulTable that depend on the layout alone, not on the instruction set. R is the group's
// rows, kVnniRows or kPlainRows. See MatmulTable for the contracts.
#pragma once

#include "kernels/matmul/matmul.h"

namespace leoam::kernels {

template <uint32_t R>
size_t packed_bytes(WeightType type, uint32_t n_rows, uint32_t n_cols);

template <uint32_t R>
void pack(WeightType type, uint32_t n_rows, uint32_t n_cols, uint32_t row_begin, uint32_t row_end,
          const uint8_t* src, uint8_t* dst);

template <uint32_t R>
void unpack_row(const PackedMatrix& matrix, uint32_t row, float* out);

size_t activation_row_bytes(uint32_t n_cols);

}  // namespace leoam::kernels
