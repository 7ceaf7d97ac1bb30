// One row group times T tokens, written once over the vector operations of an instruction set: a vector holds
// one value of every row of the group, and each token has its own vector of sums. What is added to the sums
// of a (row, token) pair, and in which order, does not depend on T.
//
// Isa: Floats and Ints, kRows of them a vector; the operations used below; and
//   template <WeightType type, int half, int T>
//   void integer_sums(const uint8_t* record, const uint8_t* x, size_t stride, Ints (&sum)[T]):
//     sum[t] = sum over the half's 16 columns of (code - offset) * q of token t, exact
#pragma once

#include "kernels/matmul/driver.h"
#include "kernels/matmul/with_type.h"

#define LEOAM_INLINE inline __attribute__((always_inline))
#if defined(__clang__)
#define LEOAM_UNROLL _Pragma("unroll")
#else
#define LEOAM_UNROLL _Pragma("GCC unroll 32")
#endif

namespace leoam::kernels {
namespace {

constexpr bool has_minimum(ScaleForm scale) {
  return scale == ScaleForm::block_min || scale == ScaleForm::super32_min || scale == ScaleForm::super16_min;
}

LEOAM_INLINE const ActivationBlock& activation_block(const uint8_t* x) {
  return *reinterpret_cast<const ActivationBlock*>(x);
}

// One block of 32 columns whose weights share a scale: acc[t] += scale x (sum of both halves' products).
template <class Isa, WeightType type, int T>
LEOAM_INLINE void add_whole(const uint8_t* record, const uint8_t* x, size_t stride,
                            typename Isa::Floats scale, typename Isa::Floats (&acc)[T]) {
  typename Isa::Ints low[T];
  typename Isa::Floats products[T];
  Isa::template integer_sums<type, 0, T>(record, x, stride, low);
  LEOAM_UNROLL
  for (int t = 0; t < T; ++t)
    products[t] =
        Isa::multiply(Isa::to_floats(low[t]), Isa::broadcast(activation_block(x + t * stride).scale[0]));
  typename Isa::Ints high[T];
  Isa::template integer_sums<type, 1, T>(record, x, stride, high);
  LEOAM_UNROLL
  for (int t = 0; t < T; ++t) {
    const auto factor = Isa::broadcast(activation_block(x + t * stride).scale[1]);
    acc[t] =
        Isa::multiply_add(scale, Isa::multiply_add(Isa::to_floats(high[t]), factor, products[t]), acc[t]);
  }
}

// The same for one half of a block, with a scale of its own.
template <class Isa, WeightType type, int half, int T>
LEOAM_INLINE void add_half(const uint8_t* record, const uint8_t* x, size_t stride, typename Isa::Floats scale,
                           typename Isa::Floats (&acc)[T]) {
  typename Isa::Ints sum[T];
  Isa::template integer_sums<type, half, T>(record, x, stride, sum);
  LEOAM_UNROLL
  for (int t = 0; t < T; ++t) {
    const auto factor = Isa::broadcast(activation_block(x + t * stride).scale[half]);
    acc[t] = Isa::multiply_add(Isa::to_floats(sum[t]), Isa::multiply(scale, factor), acc[t]);
  }
}

// acc[t] += minimum x (sum of the activations that `sum_of` picks from their block).
template <class Isa, int T, class SumOf>
LEOAM_INLINE void add_minimum(const uint8_t* x, size_t stride, typename Isa::Floats minimum,
                              typename Isa::Floats (&acc)[T], const SumOf& sum_of) {
  LEOAM_UNROLL
  for (int t = 0; t < T; ++t)
    acc[t] = Isa::multiply_add(minimum, Isa::broadcast(sum_of(activation_block(x + t * stride))), acc[t]);
}

LEOAM_INLINE float whole_sum(const ActivationBlock& block) {
  return block.whole_sum;
}
LEOAM_INLINE float low_sum(const ActivationBlock& block) {
  return block.scaled_sum[0];
}
LEOAM_INLINE float high_sum(const ActivationBlock& block) {
  return block.scaled_sum[1];
}

// One block of 32 columns. `d` and `m` are the block's or the super-block's scale and minimum, `sub` points
// at the sub-scales of these columns.
template <class Isa, WeightType type, int T>
LEOAM_INLINE void add_block(const uint8_t* record, const uint8_t* sub, typename Isa::Floats d,
                            typename Isa::Floats m, const uint8_t* x, size_t stride,
                            typename Isa::Floats (&acc)[T]) {
  constexpr ScaleForm kScale = packed_form(type).scale;
  if constexpr (!has_super_blocks(kScale)) {
    add_whole<Isa, type, T>(record, x, stride, d, acc);
    if constexpr (has_minimum(kScale)) add_minimum<Isa, T>(x, stride, m, acc, whole_sum);
  } else if constexpr (kScale == ScaleForm::super32_min) {
    const auto scale = Isa::multiply(d, Isa::to_floats(Isa::load_unsigned_bytes(sub)));
    const auto minimum = Isa::multiply(m, Isa::to_floats(Isa::load_unsigned_bytes(sub + Isa::kRows)));
    add_whole<Isa, type, T>(record, x, stride, scale, acc);
    add_minimum<Isa, T>(x, stride, minimum, acc, whole_sum);
  } else if constexpr (kScale == ScaleForm::super16) {
    const auto low = Isa::multiply(d, Isa::to_floats(Isa::load_signed_bytes(sub)));
    add_half<Isa, type, 0, T>(record, x, stride, low, acc);
    const auto high = Isa::multiply(d, Isa::to_floats(Isa::load_signed_bytes(sub + Isa::kRows)));
    add_half<Isa, type, 1, T>(record, x, stride, high, acc);
  } else {
    const auto low = Isa::load_unsigned_bytes(sub);
    add_half<Isa, type, 0, T>(record, x, stride, Isa::multiply(d, Isa::to_floats(Isa::low_nibbles(low))),
                              acc);
    add_minimum<Isa, T>(x, stride, Isa::multiply(m, Isa::to_floats(Isa::high_nibbles(low))), acc, low_sum);
    const auto high = Isa::load_unsigned_bytes(sub + Isa::kRows);
    add_half<Isa, type, 1, T>(record, x, stride, Isa::multiply(d, Isa::to_floats(Isa::low_nibbles(high))),
                              acc);
    add_minimum<Isa, T>(x, stride, Isa::multiply(m, Isa::to_floats(Isa::high_nibbles(high))), acc, high_sum);
  }
}

template <class Isa, int T>
LEOAM_INLINE void store_tile(const TileArguments& tile, const typename Isa::Floats (&acc)[T]) {
  const auto bias = tile.bias ? Isa::load_rows(tile.bias, tile.n_rows) : Isa::zero();
  LEOAM_UNROLL
  for (int t = 0; t < T; ++t) {
    float* out = tile.out + t * tile.out_stride;
    auto value = Isa::add(acc[t], bias);
    if (tile.accumulate) value = Isa::add(value, Isa::load_rows(out, tile.n_rows));
    Isa::store_rows(out, tile.n_rows, value);
  }
}

// Weights are read front to back through the whole matrix, mostly once and from memory: asking for them this
// far ahead goes on where the hardware's prefetchers stop, at the ends of pages. Measured on Zen 4 with huge
// pages, as a share of the bandwidth of plain reading: 4096 bytes ahead 96 to 104 %, 2048 89 to 97 %, 8192
// bytes ahead into the second-level cache only 77 to 84 %. The non-temporal hint is as fast and would keep
// weights that fit out of the outer caches.
constexpr uint32_t kPrefetchBytes = 4096;

template <uint32_t kBytes>
LEOAM_INLINE void prefetch(const uint8_t* at) {
  LEOAM_UNROLL
  for (uint32_t i = 0; i < kBytes; i += 64) __builtin_prefetch(at + kPrefetchBytes + i);
}

template <class Isa, WeightType type, int T>
void quantised_tile(const TileArguments& tile) {
  constexpr PackedForm kForm = packed_form(type);
  constexpr uint32_t kBlocks = unit_blocks(kForm.scale);
  constexpr uint32_t kScaleBytes = scale_bytes_per_row(kForm.scale) * Isa::kRows;
  constexpr uint32_t kRecordBytes = record_bytes_per_row(kForm) * Isa::kRows;
  const uint8_t* unit = tile.group;
  const uint8_t* x = tile.x;
  typename Isa::Floats acc[T];
  LEOAM_UNROLL
  for (int t = 0; t < T; ++t) acc[t] = Isa::zero();
  for (uint32_t column = 0; column < tile.n_cols; column += kBlocks * kBlockColumns) {
    const auto d = Isa::load_halves(unit);
    auto m = Isa::zero();
    if constexpr (has_minimum(kForm.scale)) {
      m = Isa::load_halves(unit + 2 * Isa::kRows);
      // Super-blocks subtract their minimum.
      if constexpr (has_super_blocks(kForm.scale)) m = Isa::negate(m);
    }
    const uint8_t* sub = unit + sub_scale_offset(kForm.scale) * Isa::kRows;
    unit += kScaleBytes;
    prefetch<kScaleBytes>(unit - kScaleBytes);
    for (uint32_t b = 0; b < kBlocks; ++b) {
      prefetch<kRecordBytes>(unit);
      add_block<Isa, type, T>(unit, sub, d, m, x, tile.x_stride_bytes, acc);
      unit += kRecordBytes;
      sub += 2 * Isa::kRows;
      x += sizeof(ActivationBlock);
    }
  }
  store_tile<Isa, T>(tile, acc);
}

template <class Isa>
constexpr uint32_t column_bytes(WeightType type) {
  return Isa::kRows * (type == WeightType::f32 ? 4 : 2);
}

template <class Isa, WeightType type>
LEOAM_INLINE typename Isa::Floats load_column(const uint8_t* src) {
  if constexpr (type == WeightType::f32) return Isa::load_floats(src);
  if constexpr (type == WeightType::f16) return Isa::load_halves(src);
  return Isa::load_bfloats(src);
}

// acc[t] += column c of the weights x element c of token t.
template <class Isa, WeightType type, int T>
LEOAM_INLINE void add_column(const TileArguments& tile, uint32_t c, typename Isa::Floats (&acc)[T]) {
  const auto column = load_column<Isa, type>(tile.group + size_t{c} * column_bytes<Isa>(type));
  LEOAM_UNROLL
  for (int t = 0; t < T; ++t) {
    float value;
    __builtin_memcpy(&value, tile.x + t * tile.x_stride_bytes + c * sizeof value, sizeof value);
    acc[t] = Isa::multiply_add(column, Isa::broadcast(value), acc[t]);
  }
}

// Even and odd columns are summed apart: two chains of additions hide each other's latency for one token.
template <class Isa, WeightType type, int T>
void float_tile(const TileArguments& tile) {
  constexpr uint32_t kColumnBytes = column_bytes<Isa>(type);
  typename Isa::Floats even[T], odd[T];
  LEOAM_UNROLL
  for (int t = 0; t < T; ++t) even[t] = odd[t] = Isa::zero();
  uint32_t c = 0;
  for (; c + 1 < tile.n_cols; c += 2) {
    prefetch<2 * kColumnBytes>(tile.group + size_t{c} * kColumnBytes);
    add_column<Isa, type, T>(tile, c, even);
    add_column<Isa, type, T>(tile, c + 1, odd);
  }
  if (c < tile.n_cols) add_column<Isa, type, T>(tile, c, even);
  LEOAM_UNROLL
  for (int t = 0; t < T; ++t) even[t] = Isa::add(even[t], odd[t]);
  store_tile<Isa, T>(tile, even);
}

template <class Isa, WeightType type>
struct TileKernel {
  static constexpr uint32_t kRows = Isa::kRows;
  static constexpr uint32_t kMaxTokens = Isa::kMaxTokens;

  static void run(TileArguments arguments, uint32_t n_tokens) {
    run_halving<kMaxTokens>(arguments, n_tokens);
  }

 private:
  // Tiles exist for powers of two only; other numbers of tokens are sums of them.
  template <int T>
  static void run_halving(TileArguments& arguments, uint32_t n_tokens) {
    if (n_tokens >= T) {
      if constexpr (is_float_type(type)) {
        float_tile<Isa, type, T>(arguments);
      } else {
        quantised_tile<Isa, type, T>(arguments);
      }
      arguments.x += T * arguments.x_stride_bytes;
      arguments.out += T * arguments.out_stride;
      n_tokens -= T;
    }
    if constexpr (T > 1) {
      if (n_tokens > 0) run_halving<T / 2>(arguments, n_tokens);
    }
  }
};

template <class Isa>
void run_matmul(const MatmulParams& params, uint32_t row_begin, uint32_t row_end) {
  with_type(params.weights.type,
            [&]<WeightType kType>() { run_groups<TileKernel<Isa, kType>>(params, row_begin, row_end); });
}

}  // namespace
}  // namespace leoam::kernels
