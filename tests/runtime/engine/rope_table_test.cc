#include "runtime/engine/rope_table.h"

#include <gtest/gtest.h>

#include <cmath>

namespace leoam {
namespace {

struct Angles {
  std::vector<float> cos, sin;
};

Angles fill(const RopeConfig& config, int32_t position) {
  const RopeTable table(config);
  Angles angles{std::vector<float>(table.n_pairs()), std::vector<float>(table.n_pairs())};
  table.fill(position, angles.cos.data(), angles.sin.data());
  return angles;
}

RopeConfig plain() {
  RopeConfig config;
  config.n_rot = 8;
  config.base = 10000;
  return config;
}

TEST(RopeTable, PlainAngles) {
  const Angles angles = fill(plain(), 5);
  for (int i = 0; i < 4; ++i) {
    const double angle = 5 * std::pow(10000.0, -i / 4.0);
    EXPECT_NEAR(angles.cos[static_cast<size_t>(i)], std::cos(angle), 1e-7);
    EXPECT_NEAR(angles.sin[static_cast<size_t>(i)], std::sin(angle), 1e-7);
  }
}

TEST(RopeTable, LinearScalingDividesPositions) {
  RopeConfig config = plain();
  config.scaling = RopeScaling::linear;
  config.factor = 4;
  EXPECT_EQ(fill(config, 20).cos, fill(plain(), 5).cos);
}

TEST(RopeTable, FrequencyFactorsDivideFrequencies) {
  RopeConfig config = plain();
  config.freq_factors = {1, 2, 4, 8};
  const Angles angles = fill(config, 3);
  for (int i = 0; i < 4; ++i)
    EXPECT_NEAR(angles.sin[static_cast<size_t>(i)], std::sin(3 * std::pow(10000.0, -i / 4.0) / (1 << i)),
                1e-7);
}

TEST(RopeTable, YarnKeepsFastPairsStretchesSlowOnesAndRaisesTheMagnitude) {
  RopeConfig config;
  config.n_rot = 64;
  config.base = 10000;
  config.scaling = RopeScaling::yarn;
  config.factor = 4;
  config.original_context_tokens = 2048;
  const Angles angles = fill(config, 1);
  const double magnitude = 1 + 0.1 * std::log(4.0);
  EXPECT_NEAR(std::hypot(angles.cos[0], angles.sin[0]), magnitude, 1e-6);
  EXPECT_NEAR(std::atan2(angles.sin[0], angles.cos[0]), 1.0, 1e-6);
  const double slowest = std::pow(10000.0, -62.0 / 64);
  EXPECT_NEAR(angles.sin[31] / magnitude, std::sin(slowest / 4), 1e-9);
}

TEST(RopeTable, LongPositionsKeepTheirAngle) {
  // A float angle of a million radians would be wrong in its second digit.
  const Angles angles = fill(plain(), 1'000'000);
  EXPECT_NEAR(angles.sin[0], std::sin(1e6), 1e-6);
}

}  // namespace
}  // namespace leoam
