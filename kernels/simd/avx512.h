// Simd for AVX-512 (F, BW, DQ, VL). Included by simd.h alone.
#pragma once

namespace leoam::kernels {
namespace {

struct Simd {
  using Float = __m512;
  static constexpr uint32_t kLanes = 16;
  static constexpr uint32_t kRegisters = 32;

  LEOAM_INLINE Float zero() { return _mm512_setzero_ps(); }
  LEOAM_INLINE Float broadcast(float value) { return _mm512_set1_ps(value); }

  LEOAM_INLINE Float load(const float* p) { return _mm512_loadu_ps(p); }
  LEOAM_INLINE Float load(const uint16_t* p) {
    return _mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  LEOAM_INLINE Float load(const int8_t* p) { return to_float(load_bytes(p)); }
  // Upper halves of floats.
  LEOAM_INLINE Float load_bf16(const uint16_t* p) {
    return from_upper_halves(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  // Vector v of tokens that stand in places of 8: v is 0.
  LEOAM_INLINE Float load_eights(const float* const (&places)[2], size_t offset, uint32_t) {
    return _mm512_maskz_insertf32x8(0xffff, _mm512_castps256_ps512(_mm256_loadu_ps(places[0] + offset)),
                                    _mm256_loadu_ps(places[1] + offset), 1);
  }
  LEOAM_INLINE Float load_eights(const uint16_t* const (&places)[2], size_t offset, uint32_t) {
    const auto* low = reinterpret_cast<const __m128i*>(places[0] + offset);
    const auto* high = reinterpret_cast<const __m128i*>(places[1] + offset);
    return _mm512_maskz_cvtph_ps(0xffff, both_halves(low, high));
  }
  LEOAM_INLINE Float load_eights(const int8_t* const (&places)[2], size_t offset, uint32_t) {
    const auto* low = reinterpret_cast<const __m128i*>(places[0] + offset);
    const auto* high = reinterpret_cast<const __m128i*>(places[1] + offset);
    const __m128i both = _mm_unpacklo_epi64(_mm_loadl_epi64(low), _mm_loadl_epi64(high));
    return to_float(_mm512_maskz_cvtepi8_epi32(0xffff, both));
  }
  LEOAM_INLINE Float load_bf16_eights(const uint16_t* const (&places)[2], size_t offset, uint32_t) {
    return from_upper_halves(both_halves(reinterpret_cast<const __m128i*>(places[0] + offset),
                                         reinterpret_cast<const __m128i*>(places[1] + offset)));
  }
  // n < kLanes values, the other lanes 0; nothing behind them is read.
  LEOAM_INLINE Float load_first(const float* p, uint32_t n) {
    return _mm512_maskz_loadu_ps(lanes_below(n), p);
  }
  LEOAM_INLINE Float load_first(const uint16_t* p, uint32_t n) {
    return _mm512_maskz_cvtph_ps(0xffff, _mm256_maskz_loadu_epi16(lanes_below(n), p));
  }
  LEOAM_INLINE Float load_first(const int8_t* p, uint32_t n) {
    return to_float(_mm512_maskz_cvtepi8_epi32(0xffff, _mm_maskz_loadu_epi8(lanes_below(n), p)));
  }
  LEOAM_INLINE void store(float* p, Float v) { _mm512_storeu_ps(p, v); }
  LEOAM_INLINE void store_eight(float* p, Float v) { _mm256_storeu_ps(p, lower(v)); }
  LEOAM_INLINE void store(uint16_t* p, Float v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), to_half(v));
  }
  LEOAM_INLINE void store_first(float* p, Float v, uint32_t n) {
    _mm512_mask_storeu_ps(p, lanes_below(n), v);
  }
  LEOAM_INLINE void store_first(uint16_t* p, Float v, uint32_t n) {
    _mm256_mask_storeu_epi16(p, lanes_below(n), to_half(v));
  }

  // a * b + c, rounded once.
  LEOAM_INLINE Float fma(Float a, Float b, Float c) { return _mm512_fmadd_ps(a, b, c); }
  // a * b - c in the even lanes, a * b + c in the odd ones.
  LEOAM_INLINE Float fma_subtract_even(Float a, Float b, Float c) { return _mm512_fmaddsub_ps(a, b, c); }
  // When one of them is NaN: b.
  LEOAM_INLINE Float max(Float a, Float b) { return _mm512_maskz_max_ps(0xffff, a, b); }
  LEOAM_INLINE Float min(Float a, Float b) { return _mm512_maskz_min_ps(0xffff, a, b); }
  LEOAM_INLINE Float round(Float v) {
    return _mm512_maskz_roundscale_ps(0xffff, v, _MM_FROUND_TO_NEAREST_INT);
  }
  // v * 2^whole for v in [1/2, 2) and whole in [-124, 128]; overflow gives infinity.
  LEOAM_INLINE Float multiply_exp2(Float v, Float whole) { return _mm512_maskz_scalef_ps(0xffff, v, whole); }
  // v - floor(v)
  LEOAM_INLINE Float fraction(Float v) {
    return _mm512_maskz_reduce_ps(0xffff, v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
  }
  // v * 2^floor(x) for v in [1/2, 2) and x in [-124, 128).
  LEOAM_INLINE Float multiply_exp2_floor(Float v, Float x) { return _mm512_maskz_scalef_ps(0xffff, v, x); }
  // v, but 0 in the lanes with x < bound.
  LEOAM_INLINE Float zero_where_less(Float v, Float x, float bound) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, broadcast(bound), _CMP_NLT_UQ), v);
  }
  LEOAM_INLINE Float zero_where_nan(Float v) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(v, v, _CMP_ORD_Q), v);
  }
  // v in lanes [begin, end), `other` elsewhere.
  LEOAM_INLINE Float select_lanes(Float v, uint32_t begin, uint32_t end, Float other) {
    return _mm512_mask_mov_ps(other, static_cast<__mmask16>(lanes_below(end) & ~lanes_below(begin)), v);
  }
  // One bit a lane.
  LEOAM_INLINE uint32_t lanes_not_below(Float v, Float bound) {
    return _mm512_cmp_ps_mask(v, bound, _CMP_GE_OQ);
  }
  LEOAM_INLINE uint32_t lanes_equal(Float a, Float b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }

  LEOAM_INLINE float first(Float v) { return _mm512_cvtss_f32(v); }
  LEOAM_INLINE float sum(Float v) {
    const __m256 half = lower(v) + upper(v);
    __m128 s = _mm256_castps256_ps128(half) + _mm256_extractf128_ps(half, 1);
    s = s + _mm_movehl_ps(s, s);
    return _mm_cvtss_f32(s + _mm_movehdup_ps(s));
  }
  // No lane is NaN.
  LEOAM_INLINE float maximum(Float v) {
    const __m256 half = _mm256_max_ps(lower(v), upper(v));
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ps(m, _mm_movehdup_ps(m)));
  }

  // Lanes of 32 bits.
  using Int = __m512i;
  LEOAM_INLINE Int broadcast_int(int32_t value) { return _mm512_set1_epi32(value); }
  // kLanes bytes, widened.
  LEOAM_INLINE Int load_bytes(const uint8_t* p) {
    return _mm512_maskz_cvtepu8_epi32(0xffff, _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  LEOAM_INLINE Int load_bytes(const int8_t* p) {
    return _mm512_maskz_cvtepi8_epi32(0xffff, _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  // The lowest byte of each lane.
  LEOAM_INLINE void store_bytes(void* p, Int v) {
    _mm_storeu_si128(static_cast<__m128i*>(p), _mm512_maskz_cvtepi32_epi8(0xffff, v));
  }
  LEOAM_INLINE Int load_int(const void* p) { return _mm512_loadu_si512(p); }
  // Vector v of what stands in places of 8 lanes: v is 0.
  LEOAM_INLINE Int load_int_eights(const uint8_t* const (&places)[2], size_t offset, uint32_t) {
    const auto* low = reinterpret_cast<const __m256i*>(places[0] + offset);
    const auto* high = reinterpret_cast<const __m256i*>(places[1] + offset);
    return _mm512_maskz_inserti32x8(0xffff, _mm512_castsi256_si512(_mm256_loadu_si256(low)),
                                    _mm256_loadu_si256(high), 1);
  }
  // n is a multiple of 8; the other lanes 0; nothing behind them is read.
  LEOAM_INLINE Int load_int_first(const void* p, uint32_t n) {
    return _mm512_maskz_loadu_epi32(lanes_below(n), p);
  }
  LEOAM_INLINE void store_int_eights(uint8_t* const (&places)[2], uint32_t, Int x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(places[0]), _mm512_maskz_extracti32x8_epi32(0xff, x, 0));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(places[1]), _mm512_maskz_extracti32x8_epi32(0xff, x, 1));
  }
  LEOAM_INLINE void store_int_first(void* p, uint32_t n, Int x) {
    _mm512_mask_storeu_epi32(p, lanes_below(n), x);
  }
  // 16 numbers that fit in 16 bits.
  LEOAM_INLINE void store_words(int16_t* p, const Int (&v)[1]) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_maskz_cvtepi32_epi16(0xffff, v[0]));
  }
  // sum + the products of the pairs of 16-bit numbers in each lane.
  LEOAM_INLINE Int add_word_products(Int sum, Int a, Int b) { return _mm512_dpwssd_epi32(sum, a, b); }
  template <int kBits>
  LEOAM_INLINE Int shift_right_words(Int v) {
    return _mm512_srli_epi16(v, kBits);
  }
  LEOAM_INLINE Float to_float(Int v) { return _mm512_maskz_cvtepi32_ps(0xffff, v); }
  // To the nearest, ties to even; NaN gives the least integer.
  LEOAM_INLINE Int to_int(Float v) { return _mm512_maskz_cvtps_epi32(0xffff, v); }
  LEOAM_INLINE Float from_bits(Int v) { return _mm512_castsi512_ps(v); }
  LEOAM_INLINE Int bits(Float v) { return _mm512_castps_si512(v); }
  LEOAM_INLINE Int add(Int a, Int b) { return _mm512_add_epi32(a, b); }
  LEOAM_INLINE Int subtract(Int a, Int b) { return _mm512_sub_epi32(a, b); }
  LEOAM_INLINE Int bit_and(Int a, Int b) { return _mm512_and_si512(a, b); }
  LEOAM_INLINE Int bit_or(Int a, Int b) { return _mm512_or_si512(a, b); }
  // a | (b & mask)
  LEOAM_INLINE Int add_bits(Int a, Int b, Int mask) { return _mm512_ternarylogic_epi32(a, b, mask, 0xf8); }
  template <int kBits>
  LEOAM_INLINE Int shift_left(Int v) {
    return _mm512_maskz_slli_epi32(0xffff, v, kBits);
  }
  template <int kBits>
  LEOAM_INLINE Int shift_right(Int v) {  // of unsigned numbers
    return _mm512_maskz_srli_epi32(0xffff, v, kBits);
  }
  LEOAM_INLINE Int max(Int a, Int b) { return _mm512_maskz_max_epi32(0xffff, a, b); }
  LEOAM_INLINE Int min(Int a, Int b) { return _mm512_maskz_min_epi32(0xffff, a, b); }
  LEOAM_INLINE int32_t greatest(Int v) {
    alignas(64) int32_t lanes[kLanes];
    _mm512_store_si512(lanes, v);
    int32_t most = lanes[0];
    for (uint32_t i = 1; i < kLanes; ++i) most = lanes[i] > most ? lanes[i] : most;
    return most;
  }
  LEOAM_INLINE Float abs(Float v) { return from_bits(bit_and(bits(v), broadcast_int(0x7fffffff))); }
  // The sums of each 8 lanes of 64 to out[8].
  LEOAM_INLINE void store_sums_of_8(const Float (&v)[4], float* out) {
    const __m512d low = _mm512_castps_pd(add_pairs(v[0], v[1]));
    const __m512d high = _mm512_castps_pd(add_pairs(v[2], v[3]));
    const Float quarters = _mm512_castpd_ps(_mm512_maskz_unpacklo_pd(0xff, low, high)) +
                           _mm512_castpd_ps(_mm512_maskz_unpackhi_pd(0xff, low, high));
    const Float halves = quarters + _mm512_maskz_shuffle_f32x4(0xffff, quarters, quarters, 0xb1);
    const __m512i order = _mm512_setr_epi32(0, 8, 1, 9, 2, 10, 3, 11, 0, 8, 1, 9, 2, 10, 3, 11);
    _mm256_storeu_ps(out, lower(_mm512_maskz_permutexvar_ps(0xffff, order, halves)));
  }

  // kLanes / 2 values (n of them are read), each in two neighbouring lanes.
  LEOAM_INLINE Float load_twice(const float* p, uint32_t n) {
    const __m512i index = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    return _mm512_maskz_permutexvar_ps(0xffff, index, _mm512_maskz_loadu_ps(lanes_below(n), p));
  }
  LEOAM_INLINE Float swap_neighbours(Float v) { return _mm512_maskz_permute_ps(0xffff, v, 0xb1); }

  LEOAM_INLINE void transpose(Float (&rows)[kLanes]) {
    __m512 a[kLanes];
    LEOAM_UNROLL
    for (uint32_t i = 0; i < 16; i += 2) {
      a[i] = _mm512_maskz_unpacklo_ps(0xffff, rows[i], rows[i + 1]);
      a[i + 1] = _mm512_maskz_unpackhi_ps(0xffff, rows[i], rows[i + 1]);
    }
    LEOAM_UNROLL
    for (uint32_t i = 0; i < 16; i += 4) {
      rows[i] = _mm512_maskz_shuffle_ps(0xffff, a[i], a[i + 2], 0x44);
      rows[i + 1] = _mm512_maskz_shuffle_ps(0xffff, a[i], a[i + 2], 0xee);
      rows[i + 2] = _mm512_maskz_shuffle_ps(0xffff, a[i + 1], a[i + 3], 0x44);
      rows[i + 3] = _mm512_maskz_shuffle_ps(0xffff, a[i + 1], a[i + 3], 0xee);
    }
    LEOAM_UNROLL
    for (uint32_t i = 0; i < 4; ++i) {
      a[i] = _mm512_maskz_shuffle_f32x4(0xffff, rows[i], rows[i + 4], 0x88);
      a[i + 4] = _mm512_maskz_shuffle_f32x4(0xffff, rows[i], rows[i + 4], 0xdd);
      a[i + 8] = _mm512_maskz_shuffle_f32x4(0xffff, rows[i + 8], rows[i + 12], 0x88);
      a[i + 12] = _mm512_maskz_shuffle_f32x4(0xffff, rows[i + 8], rows[i + 12], 0xdd);
    }
    LEOAM_UNROLL
    for (uint32_t i = 0; i < 4; ++i) {
      rows[i] = _mm512_maskz_shuffle_f32x4(0xffff, a[i], a[i + 8], 0x88);
      rows[i + 8] = _mm512_maskz_shuffle_f32x4(0xffff, a[i], a[i + 8], 0xdd);
      rows[i + 4] = _mm512_maskz_shuffle_f32x4(0xffff, a[i + 4], a[i + 12], 0x88);
      rows[i + 12] = _mm512_maskz_shuffle_f32x4(0xffff, a[i + 4], a[i + 12], 0xdd);
    }
  }

  // Sums in double precision.
  struct DoubleSum {
    __m512d low = _mm512_setzero_pd();
    __m512d high = _mm512_setzero_pd();
    [[gnu::always_inline]] inline void add(Float v) {
      low = low + _mm512_maskz_cvtps_pd(0xff, lower(v));
      high = high + _mm512_maskz_cvtps_pd(0xff, upper(v));
    }
    [[gnu::always_inline]] inline double total() const {
      const __m512d s = low + high;
      const __m256d half =
          _mm512_maskz_extractf64x4_pd(0xff, s, 0) + _mm512_maskz_extractf64x4_pd(0xff, s, 1);
      const __m128d pair = _mm256_castpd256_pd128(half) + _mm256_extractf128_pd(half, 1);
      return _mm_cvtsd_f64(pair + _mm_unpackhi_pd(pair, pair));
    }
  };

 private:
  // In each 128 bits: a0 + a2, b0 + b2, a1 + a3, b1 + b3.
  LEOAM_INLINE Float add_pairs(Float a, Float b) {
    return _mm512_maskz_unpacklo_ps(0xffff, a, b) + _mm512_maskz_unpackhi_ps(0xffff, a, b);
  }
  LEOAM_INLINE __m256 lower(Float v) { return _mm512_maskz_extractf32x8_ps(0xff, v, 0); }
  LEOAM_INLINE __m256 upper(Float v) { return _mm512_maskz_extractf32x8_ps(0xff, v, 1); }
  LEOAM_INLINE __mmask16 lanes_below(uint32_t n) { return static_cast<__mmask16>((1u << n) - 1u); }
  LEOAM_INLINE __m256i both_halves(const __m128i* low, const __m128i* high) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(low)), _mm_loadu_si128(high), 1);
  }
  LEOAM_INLINE Float from_upper_halves(__m256i halves) {
    return from_bits(shift_left<16>(_mm512_maskz_cvtepu16_epi32(0xffff, halves)));
  }
  LEOAM_INLINE __m256i to_half(Float v) {
    return _mm512_maskz_cvtps_ph(0xffff, v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
};

}  // namespace
}  // namespace leoam::kernels
