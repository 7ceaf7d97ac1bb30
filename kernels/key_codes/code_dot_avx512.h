// Products of key codes and weights of 8 bits for AVX-512 VNNI. Included by code_dot.h alone.
#pragma once

namespace leoam::kernels {
namespace {

struct CodeDot {
  using Sum = __m512i;
  // Of codes: 4 channels in the bytes of a lane, kLanes tokens of a strip.
  using Codes = __m512i;
  // Quads that one Sum can take.
  static constexpr uint32_t kRun_quads = 1u << 20;

  LEOAM_INLINE Codes codes(const uint8_t* strip, uint32_t) {
    const __m512i bytes =
        _mm512_maskz_broadcast_i32x4(0xffff, _mm_load_si128(reinterpret_cast<const __m128i*>(strip)));
    const __m512i shifts = _mm512_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2, 4, 4, 4, 4, 6, 6, 6, 6);
    return _mm512_and_si512(_mm512_maskz_srlv_epi32(0xffff, bytes, shifts), _mm512_set1_epi32(0x03030303));
  }
  LEOAM_INLINE Sum zero() { return _mm512_setzero_si512(); }
  // weights: of 4 channels.
  LEOAM_INLINE Sum multiply_add(Sum sum, Codes codes, const uint8_t* weights) {
    int32_t quad;
    __builtin_memcpy(&quad, weights, sizeof quad);
    return _mm512_dpbusd_epi32(sum, codes, _mm512_set1_epi32(quad));
  }
  LEOAM_INLINE Simd::Int total(Sum sum) { return sum; }

  // The 4 bytes of a strip, from its codes.
  LEOAM_INLINE uint32_t pack(const Simd::Int (&codes)[1]) {
    const __m512i shifts = _mm512_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2, 4, 4, 4, 4, 6, 6, 6, 6);
    const __m512i placed = _mm512_maskz_sllv_epi32(0xffff, codes[0], shifts);
    const __m256i half = _mm256_or_si256(_mm512_maskz_extracti32x8_epi32(0xff, placed, 0),
                                         _mm512_maskz_extracti32x8_epi32(0xff, placed, 1));
    const __m128i lanes = _mm_or_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
    return static_cast<uint32_t>(_mm_cvtsi128_si32(_mm_maskz_cvtepi32_epi8(0xf, lanes)));
  }

  // One strip of 16 pages of 4 channels: to [page % 4][page / 4][byte of the strip][channel].
  LEOAM_INLINE void interleave(const uint8_t* const (&channels)[4], size_t offset, uint8_t* out) {
    __m512i rows[4];
    LEOAM_UNROLL
    for (uint32_t i = 0; i < 4; ++i) rows[i] = _mm512_loadu_si512(channels[i] + offset);
    const __m512i low[2] = {_mm512_unpacklo_epi8(rows[0], rows[1]), _mm512_unpacklo_epi8(rows[2], rows[3])};
    const __m512i high[2] = {_mm512_unpackhi_epi8(rows[0], rows[1]), _mm512_unpackhi_epi8(rows[2], rows[3])};
    _mm512_store_si512(out, _mm512_unpacklo_epi16(low[0], low[1]));
    _mm512_store_si512(out + 64, _mm512_unpackhi_epi16(low[0], low[1]));
    _mm512_store_si512(out + 128, _mm512_unpacklo_epi16(high[0], high[1]));
    _mm512_store_si512(out + 192, _mm512_unpackhi_epi16(high[0], high[1]));
  }
};

}  // namespace
}  // namespace leoam::kernels
