#include "kernels/matmul/pack.h"

#include <cstring>

#include "kernels/matmul/file_codes.h"
#include "kernels/matmul/packed_row.h"
#include "kernels/matmul/with_type.h"

namespace leoam::kernels {
namespace {

// Scales of one block or super-block of one row. `dst` is the start of its scales.
template <uint32_t R, WeightType type>
void store_scales(const uint8_t* block, uint32_t r, uint8_t* dst) {
  constexpr ScaleForm kScale = packed_form(type).scale;
  const FileScales scales = file_scales<type>(block);
  std::memcpy(dst + 2 * r, scales.d, 2);
  if constexpr (kScale == ScaleForm::block_min || kScale == ScaleForm::super32_min ||
                kScale == ScaleForm::super16_min)
    std::memcpy(dst + 2 * R + 2 * r, scales.m, 2);
  if constexpr (has_super_blocks(kScale)) {
    uint8_t* sub = dst + sub_scale_offset(kScale) * R + r;
    for (uint32_t i = 0; i < 16; ++i) sub[i * R] = scales.sub[i];
  }
}

template <uint32_t R, WeightType type>
void pack_group(uint32_t n_cols, uint32_t n_rows_here, const uint8_t* src, uint8_t* dst) {
  constexpr PackedForm kForm = packed_form(type);
  constexpr uint32_t kBlocks = unit_blocks(kForm.scale);
  constexpr uint32_t kFileBytes = file_block_bytes(type);
  const uint32_t n_units = n_cols / (kBlocks * kBlockColumns);
  const size_t row_bytes = size_t{n_units} * kFileBytes;
  const size_t bytes = group_bytes(type, R, n_cols);
  const size_t used = size_t{n_units} * unit_bytes_per_row(kForm) * R;
  const size_t kept = n_rows_here < R ? 0 : used;
  std::memset(dst + kept, 0, bytes - kept);
  for (uint32_t u = 0; u < n_units; ++u, dst += unit_bytes_per_row(kForm) * R) {
    for (uint32_t r = 0; r < n_rows_here; ++r) {
      const uint8_t* block = src + r * row_bytes + size_t{u} * kFileBytes;
      store_scales<R, type>(block, r, dst);
      uint8_t* record = dst + scale_bytes_per_row(kForm.scale) * R + 4 * r;
      for (uint32_t i = 0; i < kBlocks; ++i, record += record_bytes_per_row(kForm) * R) {
        BlockCodes codes;
        file_codes<type>(block, i, codes);
        store_codes<R, kForm>(codes, record);
      }
    }
  }
}

template <uint32_t R, class Element>
void pack_float_group(uint32_t n_cols, uint32_t n_rows_here, const uint8_t* src, uint8_t* dst) {
  const size_t row_bytes = size_t{n_cols} * sizeof(Element);
  const size_t group = round_up_64(size_t{n_cols} * R * sizeof(Element));
  if (n_rows_here < R) {
    std::memset(dst, 0, group);
  } else {
    std::memset(dst + row_bytes * R, 0, group - row_bytes * R);
  }
  for (uint32_t c = 0; c < n_cols; ++c)
    for (uint32_t r = 0; r < n_rows_here; ++r)
      std::memcpy(dst + (size_t{c} * R + r) * sizeof(Element), src + r * row_bytes + c * sizeof(Element),
                  sizeof(Element));
}

template <uint32_t R, WeightType type>
void unpack_quantised(const uint8_t* group, uint32_t n_cols, uint32_t r, float* out) {
  PackedRow<R, type> row(group, r);
  for (uint32_t c = 0; c < n_cols; c += kBlockColumns, row.next()) {
    int8_t codes[kBlockColumns];
    row.load(codes);
    for (uint32_t half = 0; half < 2; ++half) {
      const RowScale scale = row.scale(half);
      for (uint32_t i = 16 * half; i < 16 * half + 16; ++i)
        out[c + i] = scale.factor * static_cast<float>(codes[i]) + scale.addend;
    }
  }
}

}  // namespace

template <uint32_t R>
size_t packed_bytes(WeightType type, uint32_t n_rows, uint32_t n_cols) {
  return (size_t{n_rows} + R - 1) / R * group_bytes(type, R, n_cols);
}

template <uint32_t R>
void pack(WeightType type, uint32_t n_rows, uint32_t n_cols, uint32_t row_begin, uint32_t row_end,
          const uint8_t* src, uint8_t* dst) {
  (void)n_rows;
  const WeightTypeTraits* traits = weight_type_traits(static_cast<int32_t>(type));
  const size_t row_bytes = size_t{n_cols} / traits->block_values * traits->block_bytes;
  const size_t group = group_bytes(type, R, n_cols);
  for (uint32_t row = row_begin; row < row_end; row += R, src += R * row_bytes) {
    const uint32_t n_rows_here = row_end - row < R ? row_end - row : R;
    uint8_t* to = dst + row / R * group;
    if (type == WeightType::f32) {
      pack_float_group<R, uint32_t>(n_cols, n_rows_here, src, to);
    } else if (takes_float_activations(type)) {
      pack_float_group<R, uint16_t>(n_cols, n_rows_here, src, to);
    } else {
      with_type(type, [&]<WeightType kType>() {
        if constexpr (!is_float_type(kType)) pack_group<R, kType>(n_cols, n_rows_here, src, to);
      });
    }
  }
}

template <uint32_t R>
void unpack_row(const PackedMatrix& matrix, uint32_t row, float* out) {
  const uint8_t* group = matrix.data + row / R * group_bytes(matrix.type, R, matrix.n_cols);
  const uint32_t r = row % R;
  if (!takes_float_activations(matrix.type)) {
    with_type(matrix.type, [&]<WeightType kType>() {
      if constexpr (!is_float_type(kType)) unpack_quantised<R, kType>(group, matrix.n_cols, r, out);
    });
    return;
  }
  const size_t element = matrix.type == WeightType::f32 ? 4 : 2;
  for (uint32_t c = 0; c < matrix.n_cols; ++c)
    dequantize(matrix.type, group + (size_t{c} * R + r) * element, 1, out + c);
}

size_t activation_row_bytes(uint32_t n_cols) {
  const size_t bytes =
      round_up_64((size_t{n_cols} + kBlockColumns - 1) / kBlockColumns * sizeof(ActivationBlock));
  // Rows a multiple of 4 KiB apart would compete for the same cache sets.
  return bytes % 4096 == 0 ? bytes + 64 : bytes;
}

template size_t packed_bytes<kVnniRows>(WeightType, uint32_t, uint32_t);
template size_t packed_bytes<kPlainRows>(WeightType, uint32_t, uint32_t);
template void pack<kVnniRows>(WeightType, uint32_t, uint32_t, uint32_t, uint32_t, const uint8_t*, uint8_t*);
template void pack<kPlainRows>(WeightType, uint32_t, uint32_t, uint32_t, uint32_t, const uint8_t*, uint8_t*);
template void unpack_row<kVnniRows>(const PackedMatrix&, uint32_t, float*);
template void unpack_row<kPlainRows>(const PackedMatrix&, uint32_t, float*);

}  // namespace leoam::kernels
