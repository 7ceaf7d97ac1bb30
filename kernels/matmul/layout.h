// Where everything stands in a packed matrix and in a quantised activation row: the only place with these
// formulas, shared by pack, unpack and every instruction set's kernels.
//
// A packed matrix is a sequence of groups of R rows (the last one padded with zero rows); R = 16 with VNNI
// and its unsigned bytes, else 8. A group begins at a multiple of 64 bytes. A group of float weights is
// [n_cols][R] elements. A group of quantised weights is a sequence of units, of 32 columns or of a
// super-block of 256, read from front to back: the unit's scales (see ScaleForm), then a record of codes for
// each 32 columns.
//
// A record holds the unsigned integer codes of R rows x 32 columns, split into planes by bits so that a code
// takes the bits that it has in the file. A register is R rows x 4 consecutive columns, a byte each (the
// order that dot-product instructions sum over); register g of a record, 0 <= g < 8, is columns 4g .. 4g + 3.
//
// - bytes: 8 registers, the codes themselves.
// - 4-bit plane: 4 registers; register g < 4 in the low halves of the bytes, g + 4 in the high halves.
// - 2-bit plane: 2 registers; register g in bits 2 (g % 4) and up of plane register g / 4.
// - 1-bit plane: 1 register; register g in bit g.
//
// The planes follow one another in this order; a wider plane holds the lower bits of the code.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/weight_type.h"

namespace leoam::kernels {

// How a code becomes a value, and which scales begin a unit. [R] stands for one element a row.
enum class ScaleForm : uint8_t {
  none,       // float weights
  block,      // value = d (code - offset); per 32 columns: d f16[R]
  block_min,  // value = d code + m; per 32 columns: d f16[R], m f16[R]
  // Super-blocks of 256 columns, sub-scales of 32 columns: value = d s code - dm m.
  // d f16[R], dm f16[R], then 8 x { s u8[R], m u8[R] }
  super32_min,
  // Super-blocks, sub-scales of 16 columns: value = d s (code - offset). d f16[R], then 16 x s i8[R]
  super16,
  // Super-blocks, sub-scales of 16 columns: value = d s code - dm m.
  // d f16[R], dm f16[R], then 16 x u8[R] with s in the low half and m in the high half
  super16_min,
};

struct PackedForm {
  ScaleForm scale;
  uint8_t offset;  // of the codes in the planes; bytes: see byte_flip
  bool bytes, bits4, bits2, bits1;
};

constexpr uint32_t kBlockColumns = 32;
constexpr uint32_t kVnniRows = 16;
constexpr uint32_t kPlainRows = 8;

static constexpr PackedForm packed_form(WeightType type) {
  switch (type) {
    case WeightType::f32:
    case WeightType::f16:
    case WeightType::bf16:
      break;
    case WeightType::q4_0:
      return {ScaleForm::block, 8, false, true, false, false};
    case WeightType::q4_1:
      return {ScaleForm::block_min, 0, false, true, false, false};
    case WeightType::q5_0:
      return {ScaleForm::block, 16, false, true, false, true};
    case WeightType::q5_1:
      return {ScaleForm::block_min, 0, false, true, false, true};
    case WeightType::q8_0:
      return {ScaleForm::block, 0, true, false, false, false};
    case WeightType::q2_k:
      return {ScaleForm::super16_min, 0, false, false, true, false};
    case WeightType::q3_k:
      return {ScaleForm::super16, 4, false, false, true, true};
    case WeightType::q4_k:
      return {ScaleForm::super32_min, 0, false, true, false, false};
    case WeightType::q5_k:
      return {ScaleForm::super32_min, 0, false, true, false, true};
    case WeightType::q6_k:
      return {ScaleForm::super16, 32, false, true, true, false};
  }
  return {ScaleForm::none, 0, false, false, false, false};
}

// Bytes are signed numbers; VNNI multiplies unsigned by signed bytes, so its groups hold them 128 higher.
static constexpr uint8_t byte_flip(uint32_t rows) {
  return rows == kVnniRows ? 0x80 : 0;
}

static constexpr bool has_super_blocks(ScaleForm scale) {
  return scale == ScaleForm::super32_min || scale == ScaleForm::super16 || scale == ScaleForm::super16_min;
}

// Bytes of a unit's scales, a row.
static constexpr uint32_t scale_bytes_per_row(ScaleForm scale) {
  switch (scale) {
    case ScaleForm::none:
      return 0;
    case ScaleForm::block:
      return 2;
    case ScaleForm::block_min:
      return 4;
    case ScaleForm::super16:
      return 2 + 16;
    case ScaleForm::super32_min:
    case ScaleForm::super16_min:
      return 4 + 16;
  }
  return 0;
}

// Offsets, a row, of the sub-scales in a super-block's scales.
static constexpr uint32_t sub_scale_offset(ScaleForm scale) {
  return scale == ScaleForm::super16 ? 2 : 4;
}

// Offsets and size, a row, of a record's planes.
static constexpr uint32_t plane2_offset(PackedForm form) {
  return form.bits4 ? 16 : 0;
}
static constexpr uint32_t plane1_offset(PackedForm form) {
  return plane2_offset(form) + (form.bits2 ? 8 : 0);
}
static constexpr uint32_t record_bytes_per_row(PackedForm form) {
  return form.bytes ? 32 : plane1_offset(form) + (form.bits1 ? 4 : 0);
}

static constexpr size_t round_up_64(size_t bytes) {
  return (bytes + 63) & ~size_t{63};
}

static constexpr uint32_t unit_blocks(ScaleForm scale) {
  return has_super_blocks(scale) ? 8 : 1;
}

// Size of a unit, a row.
static constexpr uint32_t unit_bytes_per_row(PackedForm form) {
  return scale_bytes_per_row(form.scale) + unit_blocks(form.scale) * record_bytes_per_row(form);
}

static constexpr size_t group_bytes(WeightType type, uint32_t rows, uint32_t n_cols) {
  const PackedForm form = packed_form(type);
  if (form.scale == ScaleForm::none)
    return round_up_64(size_t{n_cols} * rows * (type == WeightType::f32 ? 4 : 2));
  const size_t n_units = n_cols / (unit_blocks(form.scale) * kBlockColumns);
  return round_up_64(n_units * unit_bytes_per_row(form) * rows);
}

// A quantised activation row is a sequence of these: x[c] = scale[c / 16] q[c]. A scale for 16 columns, where
// 32 would do for most weights, takes a third off the error that 8 bits make, and costs products a sixth
// more.
struct ActivationBlock {
  int8_t q[kBlockColumns];  // -127 .. 127
  float scale[2];           // of a half; NaN when a value of it is not finite, and then its q are 0
  float scaled_sum[2];      // of a half: scale * sum of q
  float whole_sum;          // scaled_sum[0] + scaled_sum[1]
  int32_t negative_sum[2];  // of a half: - sum of q
  int32_t unused;
};
static_assert(sizeof(ActivationBlock) == 64);

}  // namespace leoam::kernels
