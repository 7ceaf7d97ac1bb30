// Random packed matrices and activations for the matmul tests, and the two references that they are held to.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "kernels/cpu_features.h"
#include "kernels/matmul/matmul.h"

namespace leoam::kernels {

inline constexpr WeightType kAllTypes[] = {
    WeightType::f32,  WeightType::f16,  WeightType::bf16, WeightType::q4_0, WeightType::q4_1,
    WeightType::q5_0, WeightType::q5_1, WeightType::q8_0, WeightType::q2_k, WeightType::q3_k,
    WeightType::q4_k, WeightType::q5_k, WeightType::q6_k,
};

struct Variant {
  CpuLevel level;
  const MatmulTable* table;
};

inline std::vector<Variant> variants_here() {
  std::vector<Variant> variants = {{CpuLevel::scalar, &kMatmulScalar}};
  if (best_cpu_level() >= CpuLevel::avx2) variants.push_back({CpuLevel::avx2, &kMatmulAvx2});
  if (best_cpu_level() >= CpuLevel::avx512) variants.push_back({CpuLevel::avx512, &kMatmulAvx512});
  return variants;
}

inline const WeightTypeTraits& traits_of(WeightType type) {
  return *weight_type_traits(static_cast<int32_t>(type));
}

// Exactly `bytes` bytes at a 64-byte boundary, so that a sanitizer sees a read past the end.
class ExactBytes {
 public:
  explicit ExactBytes(size_t bytes)
      : bytes_(bytes),
        data_(static_cast<uint8_t*>(::operator new (bytes ? bytes : 1, std::align_val_t{64}))) {
    std::memset(data_.get(), 0xa5, bytes);
  }
  uint8_t* data() const { return data_.get(); }
  size_t bytes() const { return bytes_; }
  float* floats() const { return reinterpret_cast<float*>(data_.get()); }

 private:
  struct Free {
    void operator()(uint8_t* data) const { ::operator delete (data, std::align_val_t{64}); }
  };
  size_t bytes_;
  std::unique_ptr<uint8_t, Free> data_;
};

// Bits of a half-precision number with `exponent` (biased by 15) and a random mantissa and sign.
inline uint16_t random_half(std::mt19937& random, uint32_t exponent, bool negative) {
  return static_cast<uint16_t>((negative ? 0x8000u : 0u) | exponent << 10 | (random() & 0x3ff));
}

// Byte offsets of the half-precision scales of one file block.
inline std::vector<size_t> half_offsets(WeightType type) {
  switch (type) {
    case WeightType::q4_0:
    case WeightType::q5_0:
    case WeightType::q8_0:
      return {0};
    case WeightType::q4_1:
    case WeightType::q5_1:
    case WeightType::q4_k:
    case WeightType::q5_k:
      return {0, 2};
    case WeightType::q2_k:
      return {80, 82};
    case WeightType::q3_k:
      return {108};
    case WeightType::q6_k:
      return {208};
    default:
      return {};
  }
}

// Rows of a matrix as they stand in a file: every code and sub-scale is possible, scales are of ordinary
// size.
inline std::vector<uint8_t> random_file_rows(WeightType type, uint32_t n_rows, uint32_t n_cols,
                                             uint32_t seed) {
  std::mt19937 random(seed);
  const WeightTypeTraits& traits = traits_of(type);
  std::vector<uint8_t> bytes(size_t{n_rows} * n_cols / traits.block_values * traits.block_bytes);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  for (size_t at = 0; at < bytes.size(); at += traits.block_bytes) {
    uint8_t* block = bytes.data() + at;
    for (const size_t offset : half_offsets(type)) {
      const uint16_t half = random_half(random, static_cast<uint32_t>(6 + random() % 3), random() % 2 != 0);
      std::memcpy(block + offset, &half, sizeof half);
    }
    if (type == WeightType::f32 || type == WeightType::bf16) {
      const float value = std::normal_distribution<float>(0.0f, 0.05f)(random);
      std::memcpy(block, reinterpret_cast<const uint8_t*>(&value) + 4 - traits.block_bytes,
                  traits.block_bytes);
    } else if (type == WeightType::f16) {
      const uint16_t half = random_half(random, static_cast<uint32_t>(8 + random() % 4), random() % 2 != 0);
      std::memcpy(block, &half, sizeof half);
    }
  }
  return bytes;
}

inline std::vector<float> random_activations(uint32_t n_tokens, uint32_t n_cols, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(size_t{n_tokens} * n_cols);
  for (float& value : x) value = normal(random);
  return x;
}

// One matrix in file layout, dequantised, and activations.
struct Case {
  WeightType type;
  uint32_t n_rows, n_cols, n_tokens;
  std::vector<uint8_t> file;
  std::vector<float> weights;  // [n_rows][n_cols]
  std::vector<float> x;        // [n_tokens][n_cols]

  Case(WeightType type_, uint32_t n_rows_, uint32_t n_cols_, uint32_t n_tokens_, uint32_t seed = 1)
      : type(type_),
        n_rows(n_rows_),
        n_cols(n_cols_),
        n_tokens(n_tokens_),
        file(random_file_rows(type_, n_rows_, n_cols_, seed)),
        x(random_activations(n_tokens_, n_cols_, seed + 1)) {
    dequantize_file();
  }

  void dequantize_file() {
    weights.resize(size_t{n_rows} * n_cols);
    dequantize(type, file.data(), weights.size(), weights.data());
  }
  size_t file_row_bytes() const { return file.size() / n_rows; }
};

// A case in one variant's forms, in memory of exactly the size that the contract asks for.
struct PackedCase {
  const Case& c;
  const MatmulTable& table;
  ExactBytes packed;
  ExactBytes quantised;
  ExactBytes x;

  PackedCase(const Case& c_, const MatmulTable& table_)
      : c(c_),
        table(table_),
        packed(table_.packed_bytes(c_.type, c_.n_rows, c_.n_cols)),
        quantised(takes_float_activations(c_.type) ? 0
                                                   : c_.n_tokens * table_.activation_row_bytes(c_.n_cols)),
        x(c_.x.size() * sizeof(float)) {
    ExactBytes file(c.file.size());
    std::memcpy(file.data(), c.file.data(), c.file.size());
    table.pack(c.type, c.n_rows, c.n_cols, 0, c.n_rows, file.data(), packed.data());
    std::memcpy(x.data(), c.x.data(), x.bytes());
    if (quantised.bytes() == 0) return;
    for (uint32_t t = 0; t < c.n_tokens; ++t)
      table.quantize(x.floats() + size_t{t} * c.n_cols, c.n_cols,
                     quantised.data() + t * table.activation_row_bytes(c.n_cols));
  }

  PackedMatrix matrix() const { return {c.type, c.n_rows, c.n_cols, packed.data()}; }

  // Tokens [first, first + n) into out [n][stride].
  MatmulParams params(uint32_t first, uint32_t n, float* out, size_t stride) const {
    MatmulParams params;
    params.weights = matrix();
    params.x = x.floats() + size_t{first} * c.n_cols;
    params.x_stride = c.n_cols;
    params.xq = quantised.data() + (quantised.bytes() ? first * table.activation_row_bytes(c.n_cols) : 0);
    params.n_tokens = n;
    params.out = out;
    params.out_stride = stride;
    return params;
  }

  std::vector<float> product() const {
    ExactBytes out(size_t{c.n_tokens} * c.n_rows * sizeof(float));
    table.matmul(params(0, c.n_tokens, out.floats(), c.n_rows), 0, c.n_rows);
    return std::vector<float>(out.floats(), out.floats() + size_t{c.n_tokens} * c.n_rows);
  }
};

}  // namespace leoam::kernels
