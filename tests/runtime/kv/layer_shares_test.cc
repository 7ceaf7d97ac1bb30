#include "runtime/kv/policy/layer_shares.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>

namespace leoam {
namespace {

constexpr uint32_t kLayers = 6;
constexpr uint64_t kEqual = 40;  // granules of a layer, in equal parts

// Steps of layers whose granules weigh like 2^(-i * steepness): steep layers need few.
class LayerSharesTest : public testing::Test {
 protected:
  static void weigh(GranuleBudget* layer, double steepness, double scale = 1) {
    std::vector<float> masses;
    for (int i = 0; i < 400; ++i) masses.push_back(static_cast<float>(scale * std::exp2(-i * steepness)));
    layer->begin(1);
    layer->count(0, masses);
  }
  // A whole step; what each layer took.
  static std::vector<uint64_t> step(LayerShares& shares, uint64_t position, double flatness = 1) {
    std::vector<uint64_t> taken;
    GranuleBudget layer;
    shares.begin_step(position, kLayers);
    for (uint32_t i = 0; i < kLayers; ++i) {
      weigh(&layer, (0.02 + 0.05 * i) / flatness, 0.01);
      taken.push_back(shares.share(layer, kEqual));
      shares.take(layer, kEqual, taken.back());
    }
    shares.end_step();
    return taken;
  }
  static uint64_t sum(const std::vector<uint64_t>& taken) {
    return std::accumulate(taken.begin(), taken.end(), uint64_t{0});
  }
};

TEST_F(LayerSharesTest, TheFirstStepTakesEqualPartsAndLaterOnesByMass) {
  LayerShares shares;
  EXPECT_EQ(step(shares, 100), std::vector<uint64_t>(kLayers, kEqual));
  const std::vector<uint64_t> taken = step(shares, 101);
  for (uint32_t i = 1; i < kLayers; ++i) EXPECT_LT(taken[i], taken[i - 1]) << i;
  EXPECT_NEAR(static_cast<double>(sum(taken)), kLayers * kEqual, 0.03 * kLayers * kEqual);
}

TEST_F(LayerSharesTest, AStepTakesHalfAsMuchAgainAtMostAndLeavesEveryLayerSome) {
  LayerShares shares;
  step(shares, 100);
  const std::vector<uint64_t> flat = step(shares, 101, 8);
  EXPECT_LE(sum(flat), kLayers * kEqual * 3 / 2);
  for (const uint64_t n : flat) EXPECT_GE(n, kEqual / 4);
  for (const uint64_t n : flat) EXPECT_LE(n, 6 * kEqual);
  const std::vector<uint64_t> skewed = step(shares, 102, 0.25);
  EXPECT_LT(sum(skewed), kLayers * kEqual / 2);
}

// However attention changes, what steps take comes to the budget.
TEST_F(LayerSharesTest, OnAverageItIsAboutTheBudget) {
  LayerShares shares;
  std::mt19937 random(5);
  std::uniform_real_distribution<double> flatness(0.7, 1.4);
  uint64_t total = 0;
  constexpr uint64_t kSteps = 400;
  for (uint64_t i = 0; i < kSteps; ++i) total += sum(step(shares, 100 + i, flatness(random)));
  EXPECT_NEAR(static_cast<double>(total), kSteps * kLayers * kEqual, 0.08 * kSteps * kLayers * kEqual);
}

TEST_F(LayerSharesTest, AnotherBudgetBeginsWithEqualParts) {
  LayerShares shares;
  step(shares, 100);
  GranuleBudget layer;
  weigh(&layer, 0.1, 0.01);
  shares.begin_step(101, kLayers);
  EXPECT_EQ(shares.share(layer, 2 * kEqual), 2 * kEqual);
  EXPECT_NE(shares.share(layer, kEqual), kEqual);
}

TEST_F(LayerSharesTest, AStepThatDoesNotEndLeavesNothing) {
  LayerShares shares;
  step(shares, 100);
  const std::vector<uint8_t> before = shares.encode();
  GranuleBudget layer;
  weigh(&layer, 0.5);
  shares.begin_step(110, kLayers);
  shares.take(layer, kEqual, 5);
  EXPECT_EQ(shares.encode(), before);
  EXPECT_EQ(step(shares, 110).size(), kLayers);
  EXPECT_NE(shares.encode(), before);
}

TEST_F(LayerSharesTest, WhatFollowsACutIsWhatFollowedBefore) {
  LayerShares shares;
  std::vector<std::vector<uint64_t>> taken;
  for (uint64_t i = 0; i < 40; ++i)
    taken.push_back(step(shares, 100 + i, 1 + 0.4 * std::sin(static_cast<double>(i))));
  const std::vector<uint8_t> whole = shares.encode();
  for (const uint64_t cut : {39u, 17u, 1u}) {
    LayerShares reopened;
    ASSERT_TRUE(reopened.decode(whole, 100 + cut));
    shares.truncate(100 + cut);
    EXPECT_EQ(reopened.encode(), shares.encode());
    for (uint64_t i = cut; i < 40; ++i)
      EXPECT_EQ(step(reopened, 100 + i, 1 + 0.4 * std::sin(static_cast<double>(i))), taken[i]) << i;
    EXPECT_EQ(reopened.encode(), whole);
    shares = reopened;
  }
}

TEST_F(LayerSharesTest, BytesOfAFileThatAreNotItsOwnChangeNothing) {
  LayerShares shares;
  for (uint64_t i = 0; i < 12; ++i) step(shares, 100 + i);
  const std::vector<uint8_t> good = shares.encode();
  const auto refused = [&](std::vector<uint8_t> bytes, uint64_t n_tokens) {
    EXPECT_FALSE(shares.decode(bytes, n_tokens));
    EXPECT_EQ(shares.encode(), good);
  };
  refused({}, 112);
  refused({1, 0, 0}, 112);
  refused(std::vector<uint8_t>(good.begin(), good.end() - 1), 112);
  for (const size_t at : {0u, 3u, 19u, 27u}) {
    std::vector<uint8_t> bad = good;
    bad[at] = 0xff;  // version, position, class
    refused(bad, 112);
  }
  std::vector<uint8_t> twice = good;
  std::copy_n(good.begin() + 4, 16, twice.begin() + 20);
  refused(twice, 112);
  EXPECT_TRUE(shares.decode(good, 112));
}

}  // namespace
}  // namespace leoam
