// Every variant of the matrix product that this machine has, every weight type, awkward shapes.

#include "kernels/matmul/matmul.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/matmul/layout.h"
#include "tests/kernels/matmul_fixture.h"

namespace leoam::kernels {
namespace {

constexpr double kEpsilon = std::numeric_limits<float>::epsilon();

struct Reference {
  double value;      // the sum in double precision
  double magnitude;  // the sum of the terms' magnitudes, what rounding errors are proportional to
};

// Dequantised weights times the activations that the kernel sees: floats, or the integers of the quantised
// row.
Reference exact_dot(const PackedCase& packed, uint32_t token, uint32_t row) {
  const Case& c = packed.c;
  const float* w = c.weights.data() + size_t{row} * c.n_cols;
  const bool is_float = takes_float_activations(c.type);
  const auto* blocks =
      is_float ? nullptr
               : reinterpret_cast<const ActivationBlock*>(
                     packed.quantised.data() + token * packed.table.activation_row_bytes(c.n_cols));
  Reference sum = {0, 0};
  for (uint32_t i = 0; i < c.n_cols; ++i) {
    const double x = is_float ? double{c.x[size_t{token} * c.n_cols + i]}
                              : double{blocks[i / 32].scale[i / 16 % 2]} * blocks[i / 32].q[i % 32];
    sum.value += w[i] * x;
    sum.magnitude += std::fabs(w[i] * x);
  }
  return sum;
}

// Rounding of the float sums. Codes and minima are summed apart, so a block's terms may be larger than its
// weights' magnitudes say: by the offset or the minimum, which the largest value of a block bounds.
double rounding_tolerance(const PackedCase& packed, uint32_t token, uint32_t row) {
  const Case& c = packed.c;
  const float* w = c.weights.data() + size_t{row} * c.n_cols;
  double total = 0;
  for (uint32_t begin = 0; begin < c.n_cols; begin += 32) {
    double largest = 0, x = 0;
    for (uint32_t i = begin; i < std::min(begin + 32, c.n_cols); ++i) {
      largest = std::max(largest, std::fabs(double{w[i]}));
      x += std::fabs(c.x[size_t{token} * c.n_cols + i]);
    }
    total += largest * x;
  }
  const bool is_float = takes_float_activations(c.type);
  const double n_terms = is_float ? c.n_cols : 4.0 * c.n_cols / 32;
  // Random signs: errors of n additions add up like sqrt(n), here with a factor of 4 in hand.
  return kEpsilon * (4 * std::sqrt(n_terms) + 8) * total + 1e-30;
}

std::vector<uint32_t> columns_of(WeightType type) {
  if (takes_float_activations(type)) return {1, 3, 32, 63, 65, 576};
  if (traits_of(type).block_values == 32) return {32, 64, 96, 256, 576};
  return {256, 512};
}

class MatmulTest : public testing::TestWithParam<std::tuple<Variant, WeightType>> {
 protected:
  const MatmulTable& table() const { return *std::get<0>(GetParam()).table; }
  WeightType type() const { return std::get<1>(GetParam()); }
};

TEST_P(MatmulTest, EqualsDoubleSumsOfDequantisedWeights) {
  for (const uint32_t n_cols : columns_of(type())) {
    for (const uint32_t n_rows : {1u, 3u, 17u, 63u, 65u, 128u}) {
      for (const uint32_t n_tokens : {1u, 9u}) {
        const Case c(type(), n_rows, n_cols, n_tokens, n_rows + n_cols);
        const PackedCase packed(c, table());
        const std::vector<float> out = packed.product();
        for (uint32_t t = 0; t < n_tokens; ++t)
          for (uint32_t r = 0; r < n_rows; ++r)
            ASSERT_NEAR(out[size_t{t} * n_rows + r], exact_dot(packed, t, r).value,
                        rounding_tolerance(packed, t, r))
                << "rows " << n_rows << " columns " << n_cols << " token " << t << " row " << r;
      }
    }
  }
}

// The step of 16 activations is their largest magnitude / 127; half of it is the error of each.
TEST_P(MatmulTest, EqualsFloatActivationsWithinTheirQuantisationStep) {
  for (const uint32_t n_cols : columns_of(type())) {
    const Case c(type(), 33, n_cols, 5, 7 + n_cols);
    const PackedCase packed(c, table());
    const std::vector<float> out = packed.product();
    for (uint32_t t = 0; t < c.n_tokens; ++t) {
      for (uint32_t r = 0; r < c.n_rows; ++r) {
        double sum = 0, bound = 0;
        for (uint32_t begin = 0; begin < n_cols; begin += 16) {
          double largest = 0, weights = 0;
          for (uint32_t i = begin; i < std::min(begin + 16, n_cols); ++i) {
            const double x = c.x[size_t{t} * n_cols + i], w = c.weights[size_t{r} * n_cols + i];
            sum += w * x;
            largest = std::max(largest, std::fabs(x));
            weights += std::fabs(w);
          }
          bound += weights * largest / 127 / 2;
        }
        const double tolerance =
            rounding_tolerance(packed, t, r) + (takes_float_activations(type()) ? 0 : bound * (1 + 1e-5));
        ASSERT_NEAR(out[size_t{t} * c.n_rows + r], sum, tolerance) << "columns " << n_cols;
      }
    }
  }
}

TEST_P(MatmulTest, ValueDoesNotDependOnTokensOfTheCallOrRowRanges) {
  const uint32_t n_cols = takes_float_activations(type()) ? 65 : traits_of(type()).block_values * 2;
  const Case c(type(), 65, n_cols, 64);
  const PackedCase packed(c, table());
  const std::vector<float> all = packed.product();
  for (const uint32_t n_tokens : {1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u, 9u, 11u, 12u, 13u, 16u, 31u, 33u}) {
    for (uint32_t first = 0; first + n_tokens <= c.n_tokens; first += 17) {
      ExactBytes out(size_t{n_tokens} * c.n_rows * sizeof(float));
      const MatmulParams params = packed.params(first, n_tokens, out.floats(), c.n_rows);
      // Three ranges, the middle one first.
      const uint32_t granule = table().row_granule;
      table().matmul(params, granule, 3 * granule);
      table().matmul(params, 0, granule);
      table().matmul(params, 3 * granule, c.n_rows);
      ASSERT_EQ(0, std::memcmp(out.data(), all.data() + size_t{first} * c.n_rows, out.bytes()))
          << n_tokens << " tokens from " << first;
    }
  }
}

TEST_P(MatmulTest, AddsBiasAndAccumulatesIntoStridedRowsOnly) {
  const uint32_t n_cols = traits_of(type()).block_values == 256 ? 256 : 96;
  const Case c(type(), 35, n_cols, 11);
  const PackedCase packed(c, table());
  const std::vector<float> plain = packed.product();
  const std::vector<float> bias = random_activations(1, c.n_rows, 5);
  ExactBytes bias_bytes(c.n_rows * sizeof(float));
  std::memcpy(bias_bytes.data(), bias.data(), bias_bytes.bytes());
  const size_t stride = c.n_rows + 7;
  const std::vector<float> before = random_activations(c.n_tokens, static_cast<uint32_t>(stride), 6);
  for (const bool with_bias : {false, true}) {
    for (const bool accumulate : {false, true}) {
      std::vector<float> out = before;
      MatmulParams params = packed.params(0, c.n_tokens, out.data(), stride);
      params.bias = with_bias ? bias_bytes.floats() : nullptr;
      params.accumulate = accumulate;
      table().matmul(params, 0, c.n_rows);
      for (uint32_t t = 0; t < c.n_tokens; ++t) {
        for (size_t i = 0; i < stride; ++i) {
          const float old = before[t * stride + i];
          float expected = old;
          if (i < c.n_rows) {
            expected = plain[t * c.n_rows + i] + (with_bias ? bias[i] : 0.0f);
            if (accumulate) expected += old;
          }
          ASSERT_EQ(out[t * stride + i], expected) << "token " << t << " at " << i;
        }
      }
    }
  }
}

TEST_P(MatmulTest, PackingInPiecesAndUnpackingGiveTheFileBack) {
  const uint32_t n_cols = takes_float_activations(type()) ? 65 : traits_of(type()).block_values * 3;
  const Case c(type(), 37, n_cols, 1);
  const PackedCase packed(c, table());
  ExactBytes pieces(packed.packed.bytes());
  const uint32_t granule = table().row_granule;
  table().pack(c.type, c.n_rows, n_cols, granule, c.n_rows, c.file.data() + granule * c.file_row_bytes(),
               pieces.data());
  table().pack(c.type, c.n_rows, n_cols, 0, granule, c.file.data(), pieces.data());
  EXPECT_EQ(0, std::memcmp(pieces.data(), packed.packed.data(), pieces.bytes()));
  for (uint32_t r = 0; r < c.n_rows; ++r) {
    ExactBytes row(n_cols * sizeof(float));
    table().unpack_row(packed.matrix(), r, row.floats());
    for (uint32_t i = 0; i < n_cols; ++i)
      ASSERT_EQ(row.floats()[i], c.weights[size_t{r} * n_cols + i]) << "row " << r << " column " << i;
  }
}

TEST_P(MatmulTest, PackedSizeIsNearTheFileSize) {
  const uint32_t n_cols = 4096;
  const WeightTypeTraits& traits = traits_of(type());
  const double file = 4096.0 * n_cols / traits.block_values * traits.block_bytes;
  const auto packed = static_cast<double>(table().packed_bytes(type(), 4096, n_cols));
  EXPECT_LE(packed, file * 1.09);
}

// All codes, the largest finite scales and activations: nothing saturates on the way.
TEST_P(MatmulTest, ExtremeCodesAndScales) {
  const uint32_t n_cols = 512;
  for (const uint8_t fill : {uint8_t{0x00}, uint8_t{0xff}, uint8_t{0x80}, uint8_t{0x7f}}) {
    Case c(type(), 19, n_cols, 6);
    const WeightTypeTraits& traits = traits_of(type());
    if (takes_float_activations(type())) {
      for (size_t at = 0; at < c.file.size(); ++at)
        c.file[at] = (at + 1) % traits.block_bytes == 0 ? 0x46 : fill;
    } else {
      std::fill(c.file.begin(), c.file.end(), fill);
      for (size_t at = 0; at < c.file.size(); at += traits.block_bytes) {
        for (const size_t offset : half_offsets(type())) {
          const uint16_t largest = fill == 0x80 ? 0xfbff : 0x7bff;
          std::memcpy(c.file.data() + at + offset, &largest, sizeof largest);
        }
      }
    }
    c.dequantize_file();
    for (size_t i = 0; i < c.x.size(); ++i) {
      const size_t token = i / n_cols;
      const float sign = token == 2 && i % 2 ? -1.0f : 1.0f;
      c.x[i] = token == 0 ? 0.0f : (token == 1 ? -1e20f : sign * 1e15f);
    }
    const PackedCase packed(c, table());
    const std::vector<float> out = packed.product();
    for (uint32_t t = 0; t < c.n_tokens; ++t) {
      for (uint32_t r = 0; r < c.n_rows; ++r) {
        const Reference exact = exact_dot(packed, t, r);
        ASSERT_NEAR(out[size_t{t} * c.n_rows + r], exact.value, rounding_tolerance(packed, t, r))
            << "token " << t;
      }
    }
  }
}

TEST_P(MatmulTest, NotANumberStaysVisible) {
  if (takes_float_activations(type())) return;
  const uint32_t n_cols = traits_of(type()).block_values;
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Case c(type(), 5, n_cols, 3);
    c.x[n_cols + 9] = bad;
    const PackedCase packed(c, table());
    const std::vector<float> out = packed.product();
    for (uint32_t r = 0; r < c.n_rows; ++r) {
      EXPECT_TRUE(std::isfinite(out[r]));
      EXPECT_TRUE(std::isnan(out[c.n_rows + r]));
      EXPECT_TRUE(std::isfinite(out[2 * c.n_rows + r]));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Variants, MatmulTest,
                         testing::Combine(testing::ValuesIn(variants_here()), testing::ValuesIn(kAllTypes)),
                         [](const auto& test) {
                           return std::string(cpu_level_name(std::get<0>(test.param).level)) + "_" +
                                  traits_of(std::get<1>(test.param)).name;
                         });

TEST(MatmulQuantizeTest, RowsAreWithinHalfAStepAndEqualOnEveryVariant) {
  for (const uint32_t n_cols : {32u, 64u, 96u, 576u, 1536u, 33u, 1u, 63u}) {
    std::vector<float> x = random_activations(1, n_cols, n_cols);
    for (uint32_t i = 0; i < std::min(n_cols, 32u); ++i) x[i] = n_cols == 64 ? 0.0f : x[i];
    if (n_cols == 96) x[40] = 3e-38f, x[70] = 3e38f;
    ExactBytes exact_x(n_cols * sizeof(float));
    std::memcpy(exact_x.data(), x.data(), exact_x.bytes());
    const size_t n_blocks = (n_cols + 31) / 32;
    std::vector<uint8_t> first;
    for (const Variant& variant : variants_here()) {
      ExactBytes row(variant.table->activation_row_bytes(n_cols));
      ASSERT_EQ(row.bytes() % 64, 0u);
      variant.table->quantize(exact_x.floats(), n_cols, row.data());
      const auto* blocks = reinterpret_cast<const ActivationBlock*>(row.data());
      for (uint32_t i = 0; i < n_blocks * 32; ++i) {
        const ActivationBlock& block = blocks[i / 32];
        const double value = i < n_cols ? x[i] : 0.0f;
        const double scale = block.scale[i / 16 % 2];
        ASSERT_NEAR(scale * block.q[i % 32], value, scale * 0.50001) << i;
        ASSERT_GE(block.q[i % 32], -127);
      }
      for (size_t b = 0; b < n_blocks; ++b) {
        for (int half = 0; half < 2; ++half) {
          int sum = 0;
          for (int i = 0; i < 16; ++i) sum += blocks[b].q[16 * half + i];
          EXPECT_EQ(blocks[b].negative_sum[half], -sum);
          EXPECT_EQ(blocks[b].scaled_sum[half], blocks[b].scale[half] * static_cast<float>(sum));
        }
        EXPECT_EQ(blocks[b].whole_sum, blocks[b].scaled_sum[0] + blocks[b].scaled_sum[1]);
      }
      const std::vector<uint8_t> bytes(row.data(), row.data() + n_blocks * sizeof(ActivationBlock));
      if (first.empty()) first = bytes;
      EXPECT_EQ(first, bytes) << cpu_level_name(variant.level) << " " << n_cols;
    }
  }
}

}  // namespace
}  // namespace leoam::kernels
