// The reference: plain loops over the rows of a group, also what runs on a machine without AVX2.

#include "kernels/matmul/block_scale.h"
#include "kernels/matmul/driver.h"
#include "kernels/matmul/packed_row.h"

namespace leoam::kernels {
namespace {

template <WeightType type>
float quantised_dot(const TileArguments& tile, uint32_t r) {
  constexpr ScaleForm kScale = packed_form(type).scale;
  constexpr bool kHalves = kScale == ScaleForm::super16 || kScale == ScaleForm::super16_min;
  PackedRow<kPlainRows, type> row(tile.group, r);
  const auto* block = reinterpret_cast<const ActivationBlock*>(tile.x);
  float sum = 0.0f;
  for (uint32_t c = 0; c < tile.n_cols; c += kBlockColumns, row.next(), ++block) {
    int8_t codes[kBlockColumns];
    row.load(codes);
    int32_t product[2] = {0, 0};
    for (uint32_t i = 0; i < kBlockColumns; ++i) product[i / 16] += codes[i] * block->q[i];
    if constexpr (kHalves) {
      for (uint32_t half = 0; half < 2; ++half) {
        const RowScale scale = row.scale(half);
        sum += static_cast<float>(product[half]) * (scale.factor * block->scale[half]);
        sum += scale.addend * block->scaled_sum[half];
      }
    } else {
      const RowScale scale = row.scale(0);
      sum += scale.factor * (static_cast<float>(product[0]) * block->scale[0] +
                             static_cast<float>(product[1]) * block->scale[1]);
      sum += scale.addend * block->whole_sum;
    }
  }
  return sum;
}

template <WeightType type>
float float_dot(const TileArguments& tile, uint32_t r) {
  constexpr uint32_t kElement = type == WeightType::f32 ? 4 : 2;
  const auto* x = reinterpret_cast<const float*>(tile.x);
  const uint8_t* w = tile.group + r * kElement;
  float sum = 0.0f;
  for (uint32_t c = 0; c < tile.n_cols; ++c, w += kPlainRows * kElement) {
    float weight;
    if constexpr (type == WeightType::f32) {
      weight = float_from_bits(word_at(w));
    } else if constexpr (type == WeightType::f16) {
      weight = half_at(w);
    } else {
      weight = float_from_bits(static_cast<uint32_t>(w[0] | w[1] << 8) << 16);
    }
    sum += weight * x[c];
  }
  return sum;
}

template <WeightType type>
struct ScalarKernel {
  static constexpr uint32_t kRows = kPlainRows;
  static constexpr uint32_t kMaxTokens = 1;

  static void run(const TileArguments& tile, uint32_t) {
    for (uint32_t r = 0; r < tile.n_rows; ++r) {
      float value;
      if constexpr (is_float_type(type)) {
        value = float_dot<type>(tile, r);
      } else {
        value = quantised_dot<type>(tile, r);
      }
      if (tile.bias) value += tile.bias[r];
      tile.out[r] = tile.accumulate ? tile.out[r] + value : value;
    }
  }
};

void matmul(const MatmulParams& params, uint32_t row_begin, uint32_t row_end) {
  with_type(params.weights.type,
            [&]<WeightType kType>() { run_groups<ScalarKernel<kType>>(params, row_begin, row_end); });
}

// To the nearest integer, ties to even: adding 1.5 * 2^23 leaves the integer in the low bits.
int8_t rounded(float value) {
  return static_cast<int8_t>(static_cast<int32_t>(bits_from_float(value + 12582912.0f)) - 0x4b400000);
}

void quantize_half(const float* x, uint32_t n, ActivationBlock* block, int half) {
  uint32_t largest = 0;
  for (uint32_t i = 0; i < n; ++i) {
    const uint32_t bits = bits_from_float(x[i]) & 0x7fffffffu;
    if (bits > largest) largest = bits;
  }
  const BlockScale scale = block_scale(largest);
  int32_t sum = 0;
  for (uint32_t i = 0; i < 16; ++i) {
    const int8_t q = i < n && scale.inverse != 0.0f ? rounded(x[i] * scale.inverse) : int8_t{0};
    block->q[16 * half + static_cast<int>(i)] = q;
    sum += q;
  }
  set_half(block, half, scale.scale, sum);
}

void quantize(const float* x, uint32_t n_cols, uint8_t* row) {
  auto* block = reinterpret_cast<ActivationBlock*>(row);
  for (uint32_t c = 0; c < n_cols; c += kBlockColumns, ++block) {
    for (int half = 0; half < 2; ++half) {
      const uint32_t begin = c + 16 * static_cast<uint32_t>(half);
      const uint32_t left = begin < n_cols ? n_cols - begin : 0;
      quantize_half(left ? x + begin : x, left < 16 ? left : 16, block, half);
    }
    set_whole(block);
  }
}

}  // namespace

const MatmulTable kMatmulScalar = {
    kPlainRows, packed_bytes<kPlainRows>, pack<kPlainRows>, activation_row_bytes, quantize,
    matmul,     unpack_row<kPlainRows>};

}  // namespace leoam::kernels
