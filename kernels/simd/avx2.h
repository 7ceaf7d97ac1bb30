// Simd for AVX2, FMA and F16C. Included by simd.h alone.
#pragma once

namespace leoam::kernels {
namespace {

struct Simd {
  using Float = __m256;
  static constexpr uint32_t kLanes = 8;
  static constexpr uint32_t kRegisters = 16;

  LEOAM_INLINE Float zero() { return _mm256_setzero_ps(); }
  LEOAM_INLINE Float broadcast(float value) { return _mm256_set1_ps(value); }

  LEOAM_INLINE Float load(const float* p) { return _mm256_loadu_ps(p); }
  LEOAM_INLINE Float load(const uint16_t* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  LEOAM_INLINE Float load(const int8_t* p) { return to_float(load_bytes(p)); }
  // Upper halves of floats.
  LEOAM_INLINE Float load_bf16(const uint16_t* p) {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return from_bits(shift_left<16>(_mm256_cvtepu16_epi32(halves)));
  }
  // Vector v of tokens that stand in places of 8.
  template <class Element>
  LEOAM_INLINE Float load_eights(const Element* const (&places)[2], size_t offset, uint32_t v) {
    return load(places[v] + offset);
  }
  LEOAM_INLINE Float load_bf16_eights(const uint16_t* const (&places)[2], size_t offset, uint32_t v) {
    return load_bf16(places[v] + offset);
  }
  // n < kLanes values, the other lanes 0; nothing behind them is read.
  LEOAM_INLINE Float load_first(const float* p, uint32_t n) { return _mm256_maskload_ps(p, lanes_below(n)); }
  LEOAM_INLINE Float load_first(const uint16_t* p, uint32_t n) {
    uint16_t values[kLanes] = {};
    for (uint32_t i = 0; i < n; ++i) values[i] = p[i];
    return load(values);
  }
  LEOAM_INLINE Float load_first(const int8_t* p, uint32_t n) {
    int8_t values[kLanes] = {};
    for (uint32_t i = 0; i < n; ++i) values[i] = p[i];
    return load(values);
  }
  LEOAM_INLINE void store(float* p, Float v) { _mm256_storeu_ps(p, v); }
  LEOAM_INLINE void store_eight(float* p, Float v) { store(p, v); }
  LEOAM_INLINE void store(uint16_t* p, Float v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                     _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
  LEOAM_INLINE void store_first(float* p, Float v, uint32_t n) { _mm256_maskstore_ps(p, lanes_below(n), v); }
  LEOAM_INLINE void store_first(uint16_t* p, Float v, uint32_t n) {
    uint16_t values[kLanes];
    store(values, v);
    for (uint32_t i = 0; i < n; ++i) p[i] = values[i];
  }

  // a * b + c, rounded once.
  LEOAM_INLINE Float fma(Float a, Float b, Float c) { return _mm256_fmadd_ps(a, b, c); }
  // a * b - c in the even lanes, a * b + c in the odd ones.
  LEOAM_INLINE Float fma_subtract_even(Float a, Float b, Float c) { return _mm256_fmaddsub_ps(a, b, c); }
  // When one of them is NaN: b.
  LEOAM_INLINE Float max(Float a, Float b) { return _mm256_max_ps(a, b); }
  LEOAM_INLINE Float min(Float a, Float b) { return _mm256_min_ps(a, b); }
  LEOAM_INLINE Float round(Float v) {
    return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  // v * 2^whole for v in [1/2, 2) and whole in [-124, 128]; overflow gives infinity.
  LEOAM_INLINE Float multiply_exp2(Float v, Float whole) {
    const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(whole), _mm256_set1_epi32(127 - 1));
    return v * _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23)) * broadcast(2.0f);
  }
  // v - floor(v)
  LEOAM_INLINE Float fraction(Float v) { return v - _mm256_floor_ps(v); }
  // v * 2^floor(x) for v in [1/2, 2) and x in [-124, 128).
  LEOAM_INLINE Float multiply_exp2_floor(Float v, Float x) { return multiply_exp2(v, _mm256_floor_ps(x)); }
  // v, but 0 in the lanes with x < bound.
  LEOAM_INLINE Float zero_where_less(Float v, Float x, float bound) {
    return _mm256_and_ps(v, _mm256_cmp_ps(x, broadcast(bound), _CMP_NLT_UQ));
  }
  LEOAM_INLINE Float zero_where_nan(Float v) { return _mm256_and_ps(v, _mm256_cmp_ps(v, v, _CMP_ORD_Q)); }
  // v in lanes [begin, end), `other` elsewhere.
  LEOAM_INLINE Float select_lanes(Float v, uint32_t begin, uint32_t end, Float other) {
    const __m256i inside = _mm256_andnot_si256(lanes_below(begin), lanes_below(end));
    return _mm256_blendv_ps(other, v, _mm256_castsi256_ps(inside));
  }
  // One bit a lane.
  LEOAM_INLINE uint32_t lanes_not_below(Float v, Float bound) {
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(v, bound, _CMP_GE_OQ)));
  }
  LEOAM_INLINE uint32_t lanes_equal(Float a, Float b) {
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_EQ_OQ)));
  }

  LEOAM_INLINE float first(Float v) { return _mm256_cvtss_f32(v); }
  LEOAM_INLINE float sum(Float v) {
    __m128 s = _mm256_castps256_ps128(v) + _mm256_extractf128_ps(v, 1);
    s = s + _mm_movehl_ps(s, s);
    return _mm_cvtss_f32(s + _mm_movehdup_ps(s));
  }
  // No lane is NaN.
  LEOAM_INLINE float maximum(Float v) {
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ps(m, _mm_movehdup_ps(m)));
  }

  // Lanes of 32 bits.
  using Int = __m256i;
  LEOAM_INLINE Int broadcast_int(int32_t value) { return _mm256_set1_epi32(value); }
  // kLanes bytes, widened.
  LEOAM_INLINE Int load_bytes(const uint8_t* p) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  }
  LEOAM_INLINE Int load_bytes(const int8_t* p) {
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  }
  // The lowest byte of each lane.
  LEOAM_INLINE void store_bytes(void* p, Int v) {
    const __m256i lowest = _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 4,
                                            8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    const __m256i packed = _mm256_shuffle_epi8(v, lowest);
    _mm_storel_epi64(static_cast<__m128i*>(p),
                     _mm_unpacklo_epi32(_mm256_castsi256_si128(packed), _mm256_extracti128_si256(packed, 1)));
  }
  LEOAM_INLINE Int load_int(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  // Vector v of what stands in places of 8 lanes.
  LEOAM_INLINE Int load_int_eights(const uint8_t* const (&places)[2], size_t offset, uint32_t v) {
    return load_int(places[v] + offset);
  }
  // n is a multiple of 8; the other lanes 0; nothing behind them is read.
  LEOAM_INLINE Int load_int_first(const void* p, uint32_t) { return load_int(p); }
  LEOAM_INLINE void store_int_eights(uint8_t* const (&places)[2], uint32_t v, Int x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(places[v]), x);
  }
  LEOAM_INLINE void store_int_first(void* p, uint32_t, Int x) {
    _mm256_storeu_si256(static_cast<__m256i*>(p), x);
  }
  // 16 numbers that fit in 16 bits.
  LEOAM_INLINE void store_words(int16_t* p, const Int (&v)[2]) {
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(v[0], v[1]), 0xd8);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), words);
  }
  // sum + the products of the pairs of 16-bit numbers in each lane.
  LEOAM_INLINE Int add_word_products(Int sum, Int a, Int b) {
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
    asm("" : "+x"(sum));  // GCC would add products of a whole loop first, and spill them
    return sum;
  }
  template <int kBits>
  LEOAM_INLINE Int shift_right_words(Int v) {
    return _mm256_srli_epi16(v, kBits);
  }
  LEOAM_INLINE Float to_float(Int v) { return _mm256_cvtepi32_ps(v); }
  // To the nearest, ties to even; NaN gives the least integer.
  LEOAM_INLINE Int to_int(Float v) { return _mm256_cvtps_epi32(v); }
  LEOAM_INLINE Float from_bits(Int v) { return _mm256_castsi256_ps(v); }
  LEOAM_INLINE Int bits(Float v) { return _mm256_castps_si256(v); }
  LEOAM_INLINE Int add(Int a, Int b) { return _mm256_add_epi32(a, b); }
  LEOAM_INLINE Int subtract(Int a, Int b) { return _mm256_sub_epi32(a, b); }
  LEOAM_INLINE Int bit_and(Int a, Int b) { return _mm256_and_si256(a, b); }
  LEOAM_INLINE Int bit_or(Int a, Int b) { return _mm256_or_si256(a, b); }
  // a | (b & mask)
  LEOAM_INLINE Int add_bits(Int a, Int b, Int mask) { return bit_or(a, bit_and(b, mask)); }
  template <int kBits>
  LEOAM_INLINE Int shift_left(Int v) {
    return _mm256_slli_epi32(v, kBits);
  }
  template <int kBits>
  LEOAM_INLINE Int shift_right(Int v) {  // of unsigned numbers
    return _mm256_srli_epi32(v, kBits);
  }
  LEOAM_INLINE Int max(Int a, Int b) { return _mm256_max_epi32(a, b); }
  LEOAM_INLINE Int min(Int a, Int b) { return _mm256_min_epi32(a, b); }
  LEOAM_INLINE int32_t greatest(Int v) {
    alignas(32) int32_t lanes[kLanes];
    _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), v);
    int32_t most = lanes[0];
    for (uint32_t i = 1; i < kLanes; ++i) most = lanes[i] > most ? lanes[i] : most;
    return most;
  }
  LEOAM_INLINE Float abs(Float v) { return from_bits(bit_and(bits(v), broadcast_int(0x7fffffff))); }
  // The sums of each 8 lanes of 64 to out[8].
  LEOAM_INLINE void store_sums_of_8(const Float (&v)[8], float* out) {
    LEOAM_UNROLL
    for (uint32_t i = 0; i < 8; i += 4) {
      const __m256 sums = _mm256_hadd_ps(_mm256_hadd_ps(v[i], v[i + 1]), _mm256_hadd_ps(v[i + 2], v[i + 3]));
      _mm_storeu_ps(out + i, _mm256_castps256_ps128(sums) + _mm256_extractf128_ps(sums, 1));
    }
  }

  // kLanes / 2 values (n of them are read), each in two neighbouring lanes.
  LEOAM_INLINE Float load_twice(const float* p, uint32_t n) {
    return _mm256_permutevar8x32_ps(load_first(p, n), _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3));
  }
  LEOAM_INLINE Float swap_neighbours(Float v) { return _mm256_permute_ps(v, 0xb1); }

  LEOAM_INLINE void transpose(Float (&rows)[kLanes]) {
    __m256 a[kLanes];
    LEOAM_UNROLL
    for (uint32_t i = 0; i < 8; i += 2) {
      a[i] = _mm256_unpacklo_ps(rows[i], rows[i + 1]);
      a[i + 1] = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
    }
    LEOAM_UNROLL
    for (uint32_t i = 0; i < 8; i += 4) {
      rows[i] = _mm256_shuffle_ps(a[i], a[i + 2], 0x44);
      rows[i + 1] = _mm256_shuffle_ps(a[i], a[i + 2], 0xee);
      rows[i + 2] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0x44);
      rows[i + 3] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0xee);
    }
    LEOAM_UNROLL
    for (uint32_t i = 0; i < 4; ++i) {
      a[i] = _mm256_permute2f128_ps(rows[i], rows[i + 4], 0x20);
      a[i + 4] = _mm256_permute2f128_ps(rows[i], rows[i + 4], 0x31);
    }
    LEOAM_UNROLL
    for (uint32_t i = 0; i < 8; ++i) rows[i] = a[i];
  }

  // Sums in double precision.
  struct DoubleSum {
    __m256d low = _mm256_setzero_pd();
    __m256d high = _mm256_setzero_pd();
    [[gnu::always_inline]] inline void add(Float v) {
      low = low + _mm256_cvtps_pd(_mm256_castps256_ps128(v));
      high = high + _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1));
    }
    [[gnu::always_inline]] inline double total() const {
      const __m256d s = low + high;
      const __m128d pair = _mm256_castpd256_pd128(s) + _mm256_extractf128_pd(s, 1);
      return _mm_cvtsd_f64(pair + _mm_unpackhi_pd(pair, pair));
    }
  };

 private:
  LEOAM_INLINE __m256i lanes_below(uint32_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
};

}  // namespace
}  // namespace leoam::kernels
