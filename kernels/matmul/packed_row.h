// One row of a packed matrix in plain code: its codes into and out of the planes, its scales.
#pragma once

#include "kernels/matmul/bytes_at.h"
#include "kernels/matmul/file_codes.h"
#include "kernels/matmul/layout.h"

namespace leoam::kernels {
namespace {

constexpr uint32_t kBits4 = 0x0f0f0f0f;
constexpr uint32_t kBits2 = 0x03030303;
constexpr uint32_t kBits1 = 0x01010101;

inline void store_word(uint8_t* dst, uint32_t word) {
  __builtin_memcpy(dst, &word, sizeof word);
}

// One row's 32 codes into its lanes of a record's planes. `dst` is the row's lane of the record's first
// register.
template <uint32_t R, PackedForm form>
void store_codes(const BlockCodes& codes, uint8_t* dst) {
  constexpr uint32_t kRegister = 4 * R;
  const uint32_t* word = codes.word;
  if constexpr (form.bytes) {
    for (uint32_t g = 0; g < 8; ++g) store_word(dst + g * kRegister, word[g] ^ (byte_flip(R) * kBits1));
  }
  if constexpr (form.bits4) {
    for (uint32_t g = 0; g < 4; ++g)
      store_word(dst + g * kRegister, (word[g] & kBits4) | (word[g + 4] & kBits4) << 4);
  }
  if constexpr (form.bits2) {
    constexpr uint32_t kShift = form.bits4 ? 4 : 0;
    for (uint32_t p = 0; p < 2; ++p) {
      uint32_t plane = 0;
      for (uint32_t g = 0; g < 4; ++g) plane |= ((word[4 * p + g] >> kShift) & kBits2) << (2 * g);
      store_word(dst + plane2_offset(form) * R + p * kRegister, plane);
    }
  }
  if constexpr (form.bits1) {
    constexpr uint32_t kShift = form.bits4 ? 4 : 2;
    uint32_t plane = 0;
    for (uint32_t g = 0; g < 8; ++g) plane |= ((word[g] >> kShift) & kBits1) << g;
    store_word(dst + plane1_offset(form) * R, plane);
  }
}

template <uint32_t R, PackedForm form>
void load_codes(const uint8_t* src, BlockCodes& codes) {
  constexpr uint32_t kRegister = 4 * R;
  for (uint32_t g = 0; g < 8; ++g) {
    uint32_t word = 0;
    if constexpr (form.bytes) word = word_at(src + g * kRegister) ^ (byte_flip(R) * kBits1);
    if constexpr (form.bits4) word = (word_at(src + g % 4 * kRegister) >> (g / 4 * 4)) & kBits4;
    if constexpr (form.bits2) {
      const uint32_t plane = word_at(src + plane2_offset(form) * R + g / 4 * kRegister);
      word |= ((plane >> (g % 4 * 2)) & kBits2) << (form.bits4 ? 4 : 0);
    }
    if constexpr (form.bits1)
      word |= ((word_at(src + plane1_offset(form) * R) >> g) & kBits1) << (form.bits4 ? 4 : 2);
    codes.word[g] = word;
  }
}

// value = factor * signed code + addend
struct RowScale {
  float factor;
  float addend;
};

// Walks the blocks of 32 columns of row r of a group.
template <uint32_t R, WeightType type>
class PackedRow {
 public:
  PackedRow(const uint8_t* group, uint32_t r)
      : scales_(group), record_(group + scale_bytes_per_row(kScale) * R + 4 * r), r_(r) {}

  void load(int8_t (&codes)[kBlockColumns]) const {
    BlockCodes block;
    load_codes<R, kForm>(record_, block);
    for (uint32_t i = 0; i < kBlockColumns; ++i) {
      const auto byte = static_cast<uint8_t>(block.word[i / 4] >> (i % 4 * 8));
      codes[i] = static_cast<int8_t>(kForm.bytes ? byte : byte - kForm.offset);
    }
  }

  // Of columns 0 .. 15 (half 0) or 16 .. 31 of the block.
  RowScale scale(uint32_t half) const {
    const float d = half_at(scales_ + 2 * r_);
    const uint8_t* sub = scales_ + sub_scale_offset(kScale) * R + r_ + index_ * 2 * R;
    if constexpr (kScale == ScaleForm::block) return {d, 0.0f};
    if constexpr (kScale == ScaleForm::super16)
      return {d * static_cast<float>(static_cast<int8_t>(sub[half * R])), 0.0f};
    const float m = half_at(scales_ + 2 * R + 2 * r_);
    if constexpr (kScale == ScaleForm::super32_min)
      return {d * static_cast<float>(sub[0]), -(m * static_cast<float>(sub[R]))};
    if constexpr (kScale == ScaleForm::super16_min)
      return {d * static_cast<float>(sub[half * R] & 15), -(m * static_cast<float>(sub[half * R] >> 4))};
    return {d, m};
  }

  void next() {
    record_ += record_bytes_per_row(kForm) * R;
    if (++index_ < unit_blocks(kScale)) return;
    index_ = 0;
    record_ += scale_bytes_per_row(kScale) * R;
    scales_ += unit_bytes_per_row(kForm) * R;
  }

 private:
  static constexpr PackedForm kForm = packed_form(type);
  static constexpr ScaleForm kScale = kForm.scale;
  const uint8_t* scales_;
  const uint8_t* record_;
  uint32_t r_;
  uint32_t index_ = 0;  // block in its unit
};

}  // namespace
}  // namespace leoam::kernels
