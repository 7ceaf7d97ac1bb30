// The plain definition of the file formats against an independent implementation (tests/golden/dequantize).

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "tests/kernels/matmul_fixture.h"

namespace leoam::kernels {
namespace {

std::vector<uint8_t> from_hex(const std::string& text) {
  std::vector<uint8_t> bytes(text.size() / 2);
  for (size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<uint8_t>(std::strtoul(text.substr(2 * i, 2).c_str(), nullptr, 16));
  return bytes;
}

TEST(DequantizeTest, EqualsTheGoldenBlocksBitForBit) {
  const char* source = std::getenv("LEOAM_SOURCE_DIR");
  std::ifstream file(std::string(source ? source : ".") + "/tests/golden/dequantize/blocks.txt");
  ASSERT_TRUE(file.is_open());
  size_t n_types = 0;
  std::string name, blocks, values;
  while (file >> name >> blocks >> values) {
    for (const WeightType type : kAllTypes) {
      if (name != traits_of(type).name) continue;
      ++n_types;
      const std::vector<uint8_t> bytes = from_hex(blocks);
      const std::vector<uint8_t> expected = from_hex(values);
      std::vector<float> out(expected.size() / sizeof(float));
      ASSERT_EQ(out.size(), bytes.size() / traits_of(type).block_bytes * traits_of(type).block_values)
          << name;
      dequantize(type, bytes.data(), out.size(), out.data());
      for (size_t i = 0; i < out.size(); ++i) {
        float value;
        std::memcpy(&value, expected.data() + i * sizeof value, sizeof value);
        ASSERT_EQ(out[i], value) << name << " value " << i;
      }
    }
  }
  EXPECT_EQ(n_types, std::size(kAllTypes));
}

// Every half-precision number against its definition.
TEST(DequantizeTest, EveryHalf) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    uint8_t bytes[2];
    std::memcpy(bytes, &half, sizeof half);
    float value;
    dequantize(WeightType::f16, bytes, 1, &value);
    const uint32_t exponent = (bits >> 10) & 31, mantissa = bits & 0x3ff;
    const float sign = bits & 0x8000 ? -1.0f : 1.0f;
    if (exponent == 31) {
      EXPECT_EQ(std::isnan(value), mantissa != 0) << bits;
      EXPECT_EQ(std::isinf(value), mantissa == 0) << bits;
    } else {
      const auto whole = static_cast<float>(exponent == 0 ? mantissa : mantissa + 0x400);
      EXPECT_EQ(value, sign * std::ldexp(whole, static_cast<int>(exponent == 0 ? 1 : exponent) - 25)) << bits;
    }
  }
}

}  // namespace
}  // namespace leoam::kernels
