// Codes are the unsigned operand and activations the signed one of vpdpbusd; an offset of the codes is taken
// off by starting from minus its share. One register of codes serves every token of the tile.

#include <immintrin.h>

#include "kernels/matmul/block_scale.h"
#include "kernels/matmul/tile.h"

namespace leoam::kernels {
namespace {

struct Avx512 {
  using Floats = __m512;
  using Ints = __m512i;
  static constexpr uint32_t kRows = kVnniRows;
  static constexpr uint32_t kMaxTokens = 8;

  static LEOAM_INLINE Floats zero() { return _mm512_setzero_ps(); }
  static LEOAM_INLINE Floats broadcast(float value) { return _mm512_set1_ps(value); }
  static LEOAM_INLINE Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
  static LEOAM_INLINE Floats multiply(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
  static LEOAM_INLINE Floats multiply_add(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
  static LEOAM_INLINE Floats negate(Floats a) { return _mm512_sub_ps(_mm512_setzero_ps(), a); }
  static LEOAM_INLINE Floats to_floats(Ints a) { return _mm512_cvtepi32_ps(a); }
  static LEOAM_INLINE Ints low_nibbles(Ints a) { return _mm512_and_si512(a, _mm512_set1_epi32(15)); }
  static LEOAM_INLINE Ints high_nibbles(Ints a) { return _mm512_srli_epi32(a, 4); }

  static LEOAM_INLINE Floats load_floats(const uint8_t* src) { return _mm512_loadu_ps(src); }
  static LEOAM_INLINE Floats load_halves(const uint8_t* src) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(src)));
  }
  static LEOAM_INLINE Floats load_bfloats(const uint8_t* src) {
    const __m256i upper = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(src));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(upper), 16));
  }
  static LEOAM_INLINE Ints load_unsigned_bytes(const uint8_t* src) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(src)));
  }
  static LEOAM_INLINE Ints load_signed_bytes(const uint8_t* src) {
    return _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(src)));
  }
  static LEOAM_INLINE __mmask16 mask(uint32_t n_rows) {
    return static_cast<__mmask16>(0xffffu >> (kRows - n_rows));
  }
  static LEOAM_INLINE Floats load_rows(const float* src, uint32_t n_rows) {
    return _mm512_maskz_loadu_ps(mask(n_rows), src);
  }
  static LEOAM_INLINE void store_rows(float* dst, uint32_t n_rows, Floats value) {
    _mm512_mask_storeu_ps(dst, mask(n_rows), value);
  }

  template <WeightType type, int half, int T>
  static LEOAM_INLINE void integer_sums(const uint8_t* record, const uint8_t* x, size_t stride,
                                        Ints (&sum)[T]) {
    constexpr int kOffset = packed_form(type).bytes ? byte_flip(kRows) : packed_form(type).offset;
    LEOAM_UNROLL
    for (int t = 0; t < T; ++t)
      sum[t] = _mm512_set1_epi32(kOffset ? activation_block(x + t * stride).negative_sum[half] * kOffset : 0);
    add_registers<type, 4 * half, 4 * half + 4, T>(record, x, stride, sum);
  }

 private:
  static constexpr uint32_t kRegisterBytes = 64;

  template <int kLeft>
  static LEOAM_INLINE Ints shift_left(Ints value) {
    if constexpr (kLeft > 0) return _mm512_slli_epi16(value, kLeft);
    if constexpr (kLeft < 0) return _mm512_srli_epi16(value, -kLeft);
    return value;
  }

  // a | (b & mask)
  static LEOAM_INLINE Ints or_masked(Ints a, Ints b, int byte) {
    return _mm512_ternarylogic_epi32(a, b, _mm512_set1_epi8(static_cast<char>(byte)), 0xF8);
  }

  // Register g of a record.
  template <WeightType type, int g>
  static LEOAM_INLINE Ints load_codes(const uint8_t* record) {
    constexpr PackedForm kForm = packed_form(type);
    if constexpr (kForm.bytes) return _mm512_loadu_si512(record + g * kRegisterBytes);
    Ints codes = _mm512_setzero_si512();
    if constexpr (kForm.bits4) {
      codes = shift_left<-(g / 4 * 4)>(_mm512_loadu_si512(record + g % 4 * kRegisterBytes));
      codes = _mm512_and_si512(codes, _mm512_set1_epi8(0x0f));
    }
    if constexpr (kForm.bits2) {
      constexpr int kAt = kForm.bits4 ? 4 : 0;
      const Ints plane = _mm512_loadu_si512(record + plane2_offset(kForm) * kRows + g / 4 * kRegisterBytes);
      codes = or_masked(codes, shift_left<kAt - g % 4 * 2>(plane), 3 << kAt);
    }
    if constexpr (kForm.bits1) {
      constexpr int kAt = kForm.bits4 ? 4 : 2;
      const Ints plane = _mm512_loadu_si512(record + plane1_offset(kForm) * kRows);
      codes = or_masked(codes, shift_left<kAt - g>(plane), 1 << kAt);
    }
    return codes;
  }

  template <WeightType type, int g, int g_end, int T>
  static LEOAM_INLINE void add_registers(const uint8_t* record, const uint8_t* x, size_t stride,
                                         Ints (&sum)[T]) {
    if constexpr (g < g_end) {
      const Ints codes = load_codes<type, g>(record);
      LEOAM_UNROLL
      for (int t = 0; t < T; ++t) {
        int32_t four;
        __builtin_memcpy(&four, x + t * stride + 4 * g, sizeof four);
        sum[t] = _mm512_dpbusd_epi32(sum[t], codes, _mm512_set1_epi32(four));
      }
      add_registers<type, g + 1, g_end, T>(record, x, stride, sum);
    }
  }
};

// Largest magnitude of 16 values as float bits: the order of the bits is the order of magnitudes, NaN
// highest.
uint32_t largest_magnitude(__m512 values) {
  return static_cast<uint32_t>(
      _mm512_reduce_max_epi32(_mm512_and_si512(_mm512_castps_si512(values), _mm512_set1_epi32(0x7fffffff))));
}

void quantize_half(__m512 values, ActivationBlock* block, int half) {
  const BlockScale scale = block_scale(largest_magnitude(values));
  // Zero whatever an infinite or NaN input would give.
  const __mmask16 finite = scale.inverse != 0.0f ? 0xffff : 0;
  const __m512i q = _mm512_maskz_cvtps_epi32(finite, _mm512_mul_ps(values, _mm512_set1_ps(scale.inverse)));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(block->q + 16 * half), _mm512_cvtsepi32_epi8(q));
  set_half(block, half, scale.scale, _mm512_reduce_add_epi32(q));
}

void quantize(const float* x, uint32_t n_cols, uint8_t* row) {
  auto* block = reinterpret_cast<ActivationBlock*>(row);
  for (uint32_t c = 0; c < n_cols; c += kBlockColumns, ++block) {
    const uint32_t left = n_cols - c;
    const auto keep = static_cast<__mmask32>(left >= kBlockColumns ? 0xffffffffu : (1u << left) - 1);
    quantize_half(_mm512_maskz_loadu_ps(static_cast<__mmask16>(keep), x + c), block, 0);
    quantize_half(_mm512_maskz_loadu_ps(static_cast<__mmask16>(keep >> 16), x + c + 16), block, 1);
    set_whole(block);
  }
}

}  // namespace

const MatmulTable kMatmulAvx512 = {
    kVnniRows, packed_bytes<kVnniRows>, pack<kVnniRows>,      activation_row_bytes,
    quantize,  run_matmul<Avx512>,      unpack_row<kVnniRows>};

}  // namespace leoam::kernels
