#include "kernels/matmul/bytes_at.h"
#include "kernels/matmul/matmul.h"

namespace leoam::kernels {
namespace {

float bfloat_at(const uint8_t* src) {
  return float_from_bits(static_cast<uint32_t>(src[0] | (src[1] << 8)) << 16);
}

// 32 values: d f16, [m f16], [fifth bits u32], 16 bytes of which byte j holds values j (low) and j + 16
// (high).
void block_of_nibbles(const uint8_t* src, bool has_min, bool has_fifth, float* out) {
  const float d = half_at(src);
  src += 2;
  const float m = has_min ? half_at(src) : 0.0f;
  if (has_min) src += 2;
  const uint32_t fifth = has_fifth ? word_at(src) : 0;
  if (has_fifth) src += 4;
  const int offset = has_min ? 0 : (has_fifth ? 16 : 8);
  for (uint32_t i = 0; i < 32; ++i) {
    const int nibble = i < 16 ? src[i] & 15 : src[i - 16] >> 4;
    const int code = nibble | static_cast<int>((fifth >> i) & 1) << 4;
    const float scaled = static_cast<float>(code - offset) * d;
    out[i] = has_min ? scaled + m : scaled;
  }
}

void block_q8_0(const uint8_t* src, float* out) {
  const float d = half_at(src);
  for (uint32_t i = 0; i < 32; ++i) out[i] = static_cast<float>(static_cast<int8_t>(src[2 + i])) * d;
}

// 16 scale bytes (scale low, minimum high, one for 16 values), 64 bytes of 2-bit codes, d, dmin.
void block_q2_k(const uint8_t* src, float* out) {
  const uint8_t* codes = src + 16;
  const float d = half_at(src + 80);
  const float dmin = half_at(src + 82);
  for (uint32_t i = 0; i < 256; ++i) {
    const uint8_t sub = src[i / 16];
    const int code = (codes[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
    out[i] =
        d * static_cast<float>(sub & 15) * static_cast<float>(code) - dmin * static_cast<float>(sub >> 4);
  }
}

// 32 bytes of third bits (value i: bit i / 32 of byte i % 32), 64 bytes of low bits, 12 bytes of sixteen
// 6-bit scales (low nibbles in bytes 0 .. 7, upper pairs in bytes 8 .. 11), d.
void block_q3_k(const uint8_t* src, float* out) {
  const uint8_t* low = src + 32;
  const uint8_t* scales = src + 96;
  const float d = half_at(src + 108);
  for (uint32_t i = 0; i < 256; ++i) {
    const uint32_t sub = i / 16;
    const int nibble = sub < 8 ? scales[sub] & 15 : scales[sub - 8] >> 4;
    const int pair = (scales[8 + sub % 4] >> (sub / 4 * 2)) & 3;
    const int scale = (nibble | pair << 4) - 32;
    const int code =
        ((low[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3) | ((src[i % 32] >> (i / 32)) & 1) << 2;
    out[i] = d * static_cast<float>(scale) * static_cast<float>(code - 4);
  }
}

// d, dmin, 12 bytes of eight 6-bit scales and minima, [32 bytes of fifth bits], 128 bytes of nibbles: 32
// bytes hold 32 values (low) and the next 32 (high).
void block_q45_k(const uint8_t* src, bool has_fifth, float* out) {
  const float d = half_at(src);
  const float dmin = half_at(src + 2);
  const uint8_t* packed = src + 4;
  const uint8_t* fifth = src + 16;
  const uint8_t* nibbles = src + (has_fifth ? 48 : 16);
  for (uint32_t i = 0; i < 256; ++i) {
    const uint32_t sub = i / 32;
    int scale, min;
    if (sub < 4) {
      scale = packed[sub] & 63;
      min = packed[sub + 4] & 63;
    } else {
      scale = (packed[sub + 4] & 15) | (packed[sub - 4] >> 6) << 4;
      min = (packed[sub + 4] >> 4) | (packed[sub] >> 6) << 4;
    }
    const uint8_t byte = nibbles[i / 64 * 32 + i % 32];
    int code = sub % 2 == 0 ? byte & 15 : byte >> 4;
    if (has_fifth) code |= ((fifth[i % 32] >> sub) & 1) << 4;
    out[i] = d * static_cast<float>(scale) * static_cast<float>(code) - dmin * static_cast<float>(min);
  }
}

// 128 bytes of low nibbles, 64 bytes of upper pairs, 16 signed scales, d; each half of 128 values by itself.
void block_q6_k(const uint8_t* src, float* out) {
  const float d = half_at(src + 208);
  for (uint32_t i = 0; i < 256; ++i) {
    const uint32_t half = i / 128;
    const uint32_t quarter = i % 128 / 32;
    const uint8_t low = src[half * 64 + quarter % 2 * 32 + i % 32];
    const uint8_t high = src[128 + half * 32 + i % 32];
    const int code = (quarter < 2 ? low & 15 : low >> 4) | ((high >> (quarter * 2)) & 3) << 4;
    const auto scale = static_cast<int8_t>(src[192 + i / 16]);
    out[i] = d * static_cast<float>(scale) * static_cast<float>(code - 32);
  }
}

void one_block(WeightType type, const uint8_t* src, float* out) {
  switch (type) {
    case WeightType::f32:
      out[0] = float_from_bits(word_at(src));
      return;
    case WeightType::f16:
      out[0] = half_at(src);
      return;
    case WeightType::bf16:
      out[0] = bfloat_at(src);
      return;
    case WeightType::q4_0:
      block_of_nibbles(src, false, false, out);
      return;
    case WeightType::q4_1:
      block_of_nibbles(src, true, false, out);
      return;
    case WeightType::q5_0:
      block_of_nibbles(src, false, true, out);
      return;
    case WeightType::q5_1:
      block_of_nibbles(src, true, true, out);
      return;
    case WeightType::q8_0:
      block_q8_0(src, out);
      return;
    case WeightType::q2_k:
      block_q2_k(src, out);
      return;
    case WeightType::q3_k:
      block_q3_k(src, out);
      return;
    case WeightType::q4_k:
      block_q45_k(src, false, out);
      return;
    case WeightType::q5_k:
      block_q45_k(src, true, out);
      return;
    case WeightType::q6_k:
      block_q6_k(src, out);
      return;
  }
}

}  // namespace

void dequantize(WeightType type, const uint8_t* src, size_t n_values, float* out) {
  const WeightTypeTraits* traits = weight_type_traits(static_cast<int32_t>(type));
  for (size_t i = 0; i < n_values; i += traits->block_values, src += traits->block_bytes)
    one_block(type, src, out + i);
}

}  // namespace leoam::kernels
