#include "sdk/cli/divergence.h"

#include <gtest/gtest.h>

#include <cmath>

namespace leoam::cli {
namespace {

const std::vector<float> kEven = {0, 0};
const std::vector<float> kLeaning = {std::log(3.0f), 0};  // 3/4 and 1/4

TEST(DivergenceTest, IsZeroForEqualDistributionsWhateverTheirOffset) {
  EXPECT_EQ(divergence(kLeaning, kLeaning), 0);
  EXPECT_NEAR(divergence({{1, 2, 3}}, {{101, 102, 103}}), 0, 1e-12);
}

TEST(DivergenceTest, IsThatOfTheFirstFromTheSecondInNats) {
  EXPECT_NEAR(divergence(kEven, kLeaning), 0.5 * std::log(0.5 / 0.75) + 0.5 * std::log(0.5 / 0.25), 1e-7);
  EXPECT_NEAR(divergence(kLeaning, kEven), 0.75 * std::log(0.75 / 0.5) + 0.25 * std::log(0.25 / 0.5), 1e-7);
}

TEST(DivergenceTest, HoldsForLargeLogits) {
  EXPECT_NEAR(divergence({{1000, 0}}, {{0, 1000}}), 1000, 1e-6);
}

TEST(DivergenceTest, TheLowestIdIsTheLikeliestAmongEquals) {
  EXPECT_EQ(likeliest({{1, 3, 3}}), 1);
}

TEST(DivergenceTest, FiguresOfSeveralPositions) {
  DivergenceFigures figures;
  const int32_t next = 1;
  for (int i = 0; i < 98; ++i) figures.add(kEven, kEven, nullptr);
  figures.add(kEven, kLeaning, &next);
  figures.add({{0, 1}}, {{1000, 0}}, &next);
  EXPECT_EQ(figures.quantile(0.98), 0);
  EXPECT_NEAR(figures.quantile(0.99), divergence(kEven, kLeaning), 1e-12);
  EXPECT_NEAR(figures.quantile(1), divergence({{0, 1}}, {{1000, 0}}), 1e-12);
  EXPECT_NEAR(figures.mean(), (figures.quantile(0.99) + figures.quantile(1)) / 100, 1e-12);
  EXPECT_DOUBLE_EQ(figures.top1_agreement(), 0.99);
  EXPECT_NEAR(figures.mean_nll(), (std::log(4) + 1000) / 2, 1e-6);
}

}  // namespace
}  // namespace leoam::cli
