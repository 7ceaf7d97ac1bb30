// Products of key codes and weights of 8 bits for AVX2. Included by code_dot.h alone.
#pragma once

namespace leoam::kernels {
namespace {

struct CodeDot {
  using Sum = __m256i;  // of 16-bit numbers
  // Of codes: 4 channels in the bytes of a lane, kLanes tokens of a strip.
  using Codes = __m256i;
  // Quads that one Sum can take: 42 * 2 * 3 * 127 is below 2^15.
  static constexpr uint32_t kRun_quads = 42;

  LEOAM_INLINE Codes codes(const uint8_t* strip, uint32_t half) {
    const __m256i bytes =
        _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(strip)));
    const __m256i shifts =
        half == 0 ? _mm256_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2) : _mm256_setr_epi32(4, 4, 4, 4, 6, 6, 6, 6);
    return _mm256_and_si256(_mm256_srlv_epi32(bytes, shifts), _mm256_set1_epi32(0x03030303));
  }
  LEOAM_INLINE Sum zero() { return _mm256_setzero_si256(); }
  // weights: of 4 channels.
  LEOAM_INLINE Sum multiply_add(Sum sum, Codes codes, const uint8_t* weights) {
    int32_t quad;
    __builtin_memcpy(&quad, weights, sizeof quad);
    return _mm256_add_epi16(sum, _mm256_maddubs_epi16(codes, _mm256_set1_epi32(quad)));
  }
  LEOAM_INLINE Simd::Int total(Sum sum) { return _mm256_madd_epi16(sum, _mm256_set1_epi16(1)); }

  // The 4 bytes of a strip, from its codes.
  LEOAM_INLINE uint32_t pack(const Simd::Int (&codes)[2]) {
    const __m256i low = _mm256_sllv_epi32(codes[0], _mm256_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2));
    const __m256i high = _mm256_sllv_epi32(codes[1], _mm256_setr_epi32(4, 4, 4, 4, 6, 6, 6, 6));
    const __m256i both = _mm256_or_si256(low, high);
    const __m128i lanes = _mm_or_si128(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
    const __m128i lowest = _mm_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    return static_cast<uint32_t>(_mm_cvtsi128_si32(_mm_shuffle_epi8(lanes, lowest)));
  }

  // One strip of 16 pages of 4 channels: to [page % 4][page / 4][byte of the strip][channel].
  LEOAM_INLINE void interleave(const uint8_t* const (&channels)[4], size_t offset, uint8_t* out) {
    LEOAM_UNROLL
    for (uint32_t half = 0; half < 2; ++half) {
      __m256i rows[4];
      LEOAM_UNROLL
      for (uint32_t i = 0; i < 4; ++i) {
        rows[i] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(channels[i] + offset + 32 * half));
      }
      const __m256i low[2] = {_mm256_unpacklo_epi8(rows[0], rows[1]), _mm256_unpacklo_epi8(rows[2], rows[3])};
      const __m256i high[2] = {_mm256_unpackhi_epi8(rows[0], rows[1]),
                               _mm256_unpackhi_epi8(rows[2], rows[3])};
      auto* to = reinterpret_cast<__m256i*>(out + 32 * half);
      _mm256_store_si256(to, _mm256_unpacklo_epi16(low[0], low[1]));
      _mm256_store_si256(to + 2, _mm256_unpackhi_epi16(low[0], low[1]));
      _mm256_store_si256(to + 4, _mm256_unpacklo_epi16(high[0], high[1]));
      _mm256_store_si256(to + 6, _mm256_unpackhi_epi16(high[0], high[1]));
    }
  }
};

}  // namespace
}  // namespace leoam::kernels
