// Without VNNI: vpmaddubsw multiplies unsigned codes by signed activations and adds pairs in 16 bits, as many
// registers as 16 bits hold, before vpmaddwd widens to 32. Bytes (q8_0) are signed numbers and would
// saturate: their magnitudes are multiplied by activations that carry the sign.

#include <immintrin.h>

#include "kernels/matmul/block_scale.h"
#include "kernels/matmul/tile.h"

namespace leoam::kernels {
namespace {

struct Avx2 {
  using Floats = __m256;
  using Ints = __m256i;
  static constexpr uint32_t kRows = kPlainRows;
  static constexpr uint32_t kMaxTokens = 4;

  static LEOAM_INLINE Floats zero() { return _mm256_setzero_ps(); }
  static LEOAM_INLINE Floats broadcast(float value) { return _mm256_set1_ps(value); }
  static LEOAM_INLINE Floats add(Floats a, Floats b) { return _mm256_add_ps(a, b); }
  static LEOAM_INLINE Floats multiply(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
  static LEOAM_INLINE Floats multiply_add(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
  static LEOAM_INLINE Floats negate(Floats a) { return _mm256_sub_ps(_mm256_setzero_ps(), a); }
  static LEOAM_INLINE Floats to_floats(Ints a) { return _mm256_cvtepi32_ps(a); }
  static LEOAM_INLINE Ints low_nibbles(Ints a) { return _mm256_and_si256(a, _mm256_set1_epi32(15)); }
  static LEOAM_INLINE Ints high_nibbles(Ints a) { return _mm256_srli_epi32(a, 4); }

  static LEOAM_INLINE Ints load(const uint8_t* src) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(src));
  }
  static LEOAM_INLINE Floats load_floats(const uint8_t* src) { return _mm256_castsi256_ps(load(src)); }
  static LEOAM_INLINE Floats load_halves(const uint8_t* src) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(src)));
  }
  static LEOAM_INLINE Floats load_bfloats(const uint8_t* src) {
    const __m128i upper = _mm_loadu_si128(reinterpret_cast<const __m128i*>(src));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(upper), 16));
  }
  static LEOAM_INLINE Ints load_unsigned_bytes(const uint8_t* src) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(src)));
  }
  static LEOAM_INLINE Ints load_signed_bytes(const uint8_t* src) {
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(src)));
  }
  static LEOAM_INLINE Ints mask(uint32_t n_rows) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n_rows)),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static LEOAM_INLINE Floats load_rows(const float* src, uint32_t n_rows) {
    return _mm256_maskload_ps(src, mask(n_rows));
  }
  static LEOAM_INLINE void store_rows(float* dst, uint32_t n_rows, Floats value) {
    _mm256_maskstore_ps(dst, mask(n_rows), value);
  }

  template <WeightType type, int half, int T>
  static LEOAM_INLINE void integer_sums(const uint8_t* record, const uint8_t* x, size_t stride,
                                        Ints (&sum)[T]) {
    constexpr PackedForm kForm = packed_form(type);
    constexpr int kOffset = kForm.bytes ? byte_flip(kRows) : kForm.offset;
    LEOAM_UNROLL
    for (int t = 0; t < T; ++t)
      sum[t] = _mm256_set1_epi32(kOffset ? activation_block(x + t * stride).negative_sum[half] * kOffset : 0);
    add_runs<type, 4 * half, 4 * half + 4, T>(record, x, stride, sum);
  }

 private:
  static constexpr uint32_t kRegisterBytes = 32;

  // How many registers' pair sums 16 bits hold: 2 x 127 x the largest code each.
  static constexpr int run_length(PackedForm form) {
    if (form.bytes) return 1;
    if (form.bits4 && form.bits2) return 2;
    if (form.bits4 && form.bits1) return 4;
    return 8;
  }

  template <int kLeft>
  static LEOAM_INLINE Ints shift_left(Ints value) {
    if constexpr (kLeft > 0) return _mm256_slli_epi16(value, kLeft);
    if constexpr (kLeft < 0) return _mm256_srli_epi16(value, -kLeft);
    return value;
  }

  static LEOAM_INLINE Ints masked(Ints a, int byte) {
    return _mm256_and_si256(a, _mm256_set1_epi8(static_cast<char>(byte)));
  }

  // Register g of a record.
  template <WeightType type, int g>
  static LEOAM_INLINE Ints load_codes(const uint8_t* record) {
    constexpr PackedForm kForm = packed_form(type);
    if constexpr (kForm.bytes) return load(record + g * kRegisterBytes);
    Ints codes = _mm256_setzero_si256();
    if constexpr (kForm.bits4)
      codes = masked(shift_left<-(g / 4 * 4)>(load(record + g % 4 * kRegisterBytes)), 0x0f);
    if constexpr (kForm.bits2) {
      constexpr int kAt = kForm.bits4 ? 4 : 0;
      const Ints plane = load(record + plane2_offset(kForm) * kRows + g / 4 * kRegisterBytes);
      codes = _mm256_or_si256(codes, masked(shift_left<kAt - g % 4 * 2>(plane), 3 << kAt));
    }
    if constexpr (kForm.bits1) {
      constexpr int kAt = kForm.bits4 ? 4 : 2;
      const Ints plane = load(record + plane1_offset(kForm) * kRows);
      codes = _mm256_or_si256(codes, masked(shift_left<kAt - g>(plane), 1 << kAt));
    }
    return codes;
  }

  // Left alone, the compiler regroups integer sums as a tree and spills all its leaves.
  static LEOAM_INLINE void keep_order(Ints& sum) { asm("" : "+x"(sum)); }

  // pairs[t] (+)= registers [g, g_end), at most a run.
  template <WeightType type, bool first, int g, int g_end, int T>
  static LEOAM_INLINE void add_pairs(const uint8_t* record, const uint8_t* x, size_t stride,
                                     Ints (&pairs)[T]) {
    if constexpr (g < g_end) {
      Ints codes = load_codes<type, g>(record);
      Ints magnitudes = codes;
      if constexpr (packed_form(type).bytes) magnitudes = _mm256_abs_epi8(codes);
      LEOAM_UNROLL
      for (int t = 0; t < T; ++t) {
        int32_t four;
        __builtin_memcpy(&four, x + t * stride + 4 * g, sizeof four);
        Ints activations = _mm256_set1_epi32(four);
        if constexpr (packed_form(type).bytes) activations = _mm256_sign_epi8(activations, codes);
        const Ints products = _mm256_maddubs_epi16(magnitudes, activations);
        pairs[t] = first ? products : _mm256_add_epi16(pairs[t], products);
        keep_order(pairs[t]);
      }
      add_pairs<type, false, g + 1, g_end, T>(record, x, stride, pairs);
    }
  }

  template <WeightType type, int g, int g_end, int T>
  static LEOAM_INLINE void add_runs(const uint8_t* record, const uint8_t* x, size_t stride, Ints (&sum)[T]) {
    if constexpr (g < g_end) {
      constexpr int kRun = run_length(packed_form(type));
      constexpr int kEnd = g + kRun < g_end ? g + kRun : g_end;
      Ints pairs[T];
      add_pairs<type, true, g, kEnd, T>(record, x, stride, pairs);
      LEOAM_UNROLL
      for (int t = 0; t < T; ++t) {
        sum[t] = _mm256_add_epi32(sum[t], _mm256_madd_epi16(pairs[t], _mm256_set1_epi16(1)));
        keep_order(sum[t]);
      }
      add_runs<type, kEnd, g_end, T>(record, x, stride, sum);
    }
  }
};

LEOAM_INLINE __m256i magnitude_bits(__m256 value) {
  return _mm256_and_si256(_mm256_castps_si256(value), _mm256_set1_epi32(0x7fffffff));
}

// The bits of the largest of 16 magnitudes: the order of the bits is the order of magnitudes, NaN highest.
LEOAM_INLINE uint32_t largest_magnitude(__m256 a, __m256 b) {
  const __m256i two = _mm256_max_epi32(magnitude_bits(a), magnitude_bits(b));
  __m128i most = _mm_max_epi32(_mm256_castsi256_si128(two), _mm256_extracti128_si256(two, 1));
  most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0x4e));
  most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0xb1));
  return static_cast<uint32_t>(_mm_cvtsi128_si32(most));
}

void quantize_half(const float* x, ActivationBlock* block, int half) {
  const __m256 a = _mm256_loadu_ps(x);
  const __m256 b = _mm256_loadu_ps(x + 8);
  const BlockScale scale = block_scale(largest_magnitude(a, b));
  const __m256 inverse = _mm256_set1_ps(scale.inverse);
  // Zero whatever an infinite or NaN input would give.
  const __m256i finite = _mm256_set1_epi32(scale.inverse != 0.0f ? -1 : 0);
  const __m256i low = _mm256_and_si256(_mm256_cvtps_epi32(_mm256_mul_ps(a, inverse)), finite);
  const __m256i high = _mm256_and_si256(_mm256_cvtps_epi32(_mm256_mul_ps(b, inverse)), finite);
  // The pack interleaves 128-bit halves; the permutation puts the groups of four values in order.
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
  const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(block->q + 16 * half), bytes);
  __m128i sums = _mm_madd_epi16(_mm_maddubs_epi16(_mm_set1_epi8(1), bytes), _mm_set1_epi16(1));
  sums = _mm_hadd_epi32(sums, sums);
  sums = _mm_hadd_epi32(sums, sums);
  set_half(block, half, scale.scale, _mm_cvtsi128_si32(sums));
}

void quantize_block(const float* x, ActivationBlock* block) {
  quantize_half(x, block, 0);
  quantize_half(x + 16, block, 1);
  set_whole(block);
}

void quantize(const float* x, uint32_t n_cols, uint8_t* row) {
  auto* block = reinterpret_cast<ActivationBlock*>(row);
  uint32_t c = 0;
  for (; c + kBlockColumns <= n_cols; c += kBlockColumns) quantize_block(x + c, block++);
  if (c < n_cols) {
    float last[kBlockColumns] = {};
    for (uint32_t i = 0; c + i < n_cols; ++i) last[i] = x[c + i];
    quantize_block(last, block);
  }
}

}  // namespace

const MatmulTable kMatmulAvx2 = {
    kPlainRows, packed_bytes<kPlainRows>, pack<kPlainRows>,      activation_row_bytes,
    quantize,   run_matmul<Avx2>,         unpack_row<kPlainRows>};

}  // namespace leoam::kernels
