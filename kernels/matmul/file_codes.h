// Reading the blocks of a file for packing: integer codes four at a time and scales, for every quantised
// type. The block layouts are those that dequantize.cc writes out in full.
#pragma once

#include "kernels/matmul/bytes_at.h"
#include "kernels/matmul/layout.h"

namespace leoam::kernels {
namespace {

// The codes of 32 columns of one row: word g holds columns 4g .. 4g + 3, a byte each, the first one lowest.
struct BlockCodes {
  uint32_t word[8];
};

static constexpr uint32_t file_block_bytes(WeightType type) {
  for (const WeightTypeRow& row : kWeightTypes)
    if (row.type == type) return row.traits.block_bytes;
  return 0;
}

struct FileScales {
  const uint8_t* d;  // f16
  const uint8_t* m;  // f16, nullptr where the type has none
  uint8_t sub[16];   // the super-block's sub-scales in the order of ScaleForm
};

// The four lowest bits, one into the lowest bit of each byte.
inline uint32_t spread_bits(uint32_t bits) {
  return ((bits & 15) * 0x00204081u) & 0x01010101u;
}

// Columns 32 index .. 32 index + 31 of a file block.
template <WeightType type>
void file_codes(const uint8_t* block, uint32_t index, BlockCodes& codes) {
  constexpr uint32_t kLow4 = 0x0f0f0f0f;
  constexpr uint32_t kLow2 = 0x03030303;
  constexpr uint32_t kLow1 = 0x01010101;
  uint32_t* word = codes.word;
  if constexpr (type == WeightType::q8_0) {
    for (uint32_t g = 0; g < 8; ++g) word[g] = word_at(block + 2 + 4 * g);
  } else if constexpr (!has_super_blocks(packed_form(type).scale)) {
    const uint8_t* nibbles = block + file_block_bytes(type) - 16;
    for (uint32_t g = 0; g < 4; ++g) {
      word[g] = word_at(nibbles + 4 * g) & kLow4;
      word[g + 4] = (word_at(nibbles + 4 * g) >> 4) & kLow4;
    }
    if constexpr (packed_form(type).bits1) {
      const uint32_t fifth = word_at(nibbles - 4);
      for (uint32_t g = 0; g < 8; ++g) word[g] |= spread_bits(fifth >> (4 * g)) << 4;
    }
  } else if constexpr (type == WeightType::q2_k || type == WeightType::q3_k) {
    const uint8_t* low = block + (type == WeightType::q2_k ? 16 : 32) + index / 4 * 32;
    for (uint32_t g = 0; g < 8; ++g) {
      word[g] = (word_at(low + 4 * g) >> (index % 4 * 2)) & kLow2;
      if constexpr (type == WeightType::q3_k) word[g] |= ((word_at(block + 4 * g) >> index) & kLow1) << 2;
    }
  } else if constexpr (type == WeightType::q4_k || type == WeightType::q5_k) {
    const uint8_t* nibbles = block + (type == WeightType::q4_k ? 16 : 48) + index / 2 * 32;
    for (uint32_t g = 0; g < 8; ++g) {
      word[g] = (word_at(nibbles + 4 * g) >> (index % 2 * 4)) & kLow4;
      if constexpr (type == WeightType::q5_k)
        word[g] |= ((word_at(block + 16 + 4 * g) >> index) & kLow1) << 4;
    }
  } else {
    static_assert(type == WeightType::q6_k);
    const uint8_t* low = block + index / 4 * 64 + index % 2 * 32;
    const uint8_t* high = block + 128 + index / 4 * 32;
    for (uint32_t g = 0; g < 8; ++g)
      word[g] = ((word_at(low + 4 * g) >> (index % 4 / 2 * 4)) & kLow4) |
                ((word_at(high + 4 * g) >> (index % 4 * 2)) & kLow2) << 4;
  }
}

template <WeightType type>
FileScales file_scales(const uint8_t* block) {
  constexpr ScaleForm kScale = packed_form(type).scale;
  FileScales scales;
  if constexpr (kScale == ScaleForm::block || kScale == ScaleForm::block_min) {
    scales.d = block;
    scales.m = kScale == ScaleForm::block_min ? block + 2 : nullptr;
  } else if constexpr (type == WeightType::q2_k) {
    scales.d = block + 80;
    scales.m = block + 82;
    for (uint32_t i = 0; i < 16; ++i) scales.sub[i] = block[i];
  } else if constexpr (type == WeightType::q3_k) {
    const uint8_t* packed = block + 96;
    scales.d = block + 108;
    scales.m = nullptr;
    for (uint32_t i = 0; i < 16; ++i) {
      const int low = (packed[i % 8] >> (i / 8 * 4)) & 15;
      const int high = (packed[8 + i % 4] >> (i / 4 * 2)) & 3;
      scales.sub[i] = static_cast<uint8_t>((low | high << 4) - 32);
    }
  } else if constexpr (kScale == ScaleForm::super32_min) {
    const uint8_t* packed = block + 4;
    scales.d = block;
    scales.m = block + 2;
    for (uint32_t i = 0; i < 4; ++i) {
      scales.sub[2 * i] = packed[i] & 63;
      scales.sub[2 * i + 1] = packed[i + 4] & 63;
      scales.sub[2 * i + 8] = static_cast<uint8_t>((packed[i + 8] & 15) | packed[i] >> 6 << 4);
      scales.sub[2 * i + 9] = static_cast<uint8_t>(packed[i + 8] >> 4 | packed[i + 4] >> 6 << 4);
    }
  } else {
    static_assert(type == WeightType::q6_k);
    scales.d = block + 208;
    scales.m = nullptr;
    for (uint32_t i = 0; i < 16; ++i) scales.sub[i] = block[192 + i];
  }
  return scales;
}

}  // namespace
}  // namespace leoam::kernels
