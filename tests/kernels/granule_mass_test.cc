#include <cmath>
#include <limits>

#include "tests/kernels/kernel_fixture.h"

namespace leoam::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

class GranuleMassTest : public KernelTest {
 protected:
  void check(uint32_t page_tokens, uint32_t group, std::vector<uint32_t> masks, float width, bool fixed) {
    const uint32_t n_blocks = static_cast<uint32_t>(masks.size());
    const uint32_t n_granules = 16 * page_tokens / 8;
    const size_t rows = size_t{n_blocks} * group;
    std::vector<KeyCodeBlockRef> blocks;
    for (const uint32_t mask : masks) blocks.push_back({nullptr, mask});
    ExactBuffer<float> scores(rows * 16 * page_tokens), maximum(rows), sums(rows * n_granules), totals(rows);
    for (size_t row = 0; row < rows; ++row) {
      maximum[row] = -kInfinity;
      for (uint32_t i = 0; i < 16 * page_tokens; ++i) {
        if ((masks[row / group] >> i / page_tokens & 1) == 0) continue;
        const float score = uniform(-width, width);
        scores[row * 16 * page_tokens + i] = score;
        maximum[row] = std::max(maximum[row], score);
      }
    }
    table().granule_sum({page_tokens, group, blocks.data(), n_blocks, scores.data(), maximum.data(),
                         sums.data(), totals.data()});
    std::vector<double> head_sums(group), head_maxima(group, -1e300);
    ExactBuffer<float> fixed_maximum(group), fixed_sum(group), head_maximum(group), head_sum(group);
    for (uint32_t g = 0; g < group; ++g) {
      fixed_maximum[g] = g % 2 == 0 ? uniform(-width, width) : -kInfinity;
      fixed_sum[g] = g % 2 == 0 ? uniform(0.5f, 20) : 0;
      if (fixed && fixed_sum[g] > 0) head_maxima[g] = double{fixed_maximum[g]};
    }
    for (size_t row = 0; row < rows; ++row)
      head_maxima[row % group] = std::max(head_maxima[row % group], double{maximum[row]});
    for (uint32_t g = 0; g < group && fixed; ++g) {
      if (fixed_sum[g] > 0)
        head_sums[g] += double{fixed_sum[g]} * std::exp(double{fixed_maximum[g]} - head_maxima[g]);
    }
    for (size_t row = 0; row < rows; ++row) {
      double total = 0;
      for (uint32_t i = 0; i < n_granules; ++i) {
        double sum = 0;
        if ((masks[row / group] >> i * 8 / page_tokens & 1) != 0) {
          for (uint32_t t = 0; t < 8; ++t) {
            const double score = double{scores[row * 16 * page_tokens + i * 8 + t]};
            sum += std::exp(score - double{maximum[row]});
            head_sums[row % group] += std::exp(score - head_maxima[row % group]);
          }
        }
        // Vectors count what is below 2^-124 as that.
        ASSERT_NEAR(sums[row * n_granules + i], sum, 1e-4 * sum + 8e-37) << page_tokens << " granule " << i;
        total += sum;
      }
      ASSERT_NEAR(totals[row], total, 1e-4 * total);
    }
    ExactBuffer<float> mass(size_t{n_blocks} * n_granules);
    table().granule_mass({page_tokens, group, n_blocks, sums.data(), maximum.data(), totals.data(),
                          fixed ? fixed_maximum.data() : nullptr, fixed ? fixed_sum.data() : nullptr,
                          mass.data(), head_maximum.data(), head_sum.data()});
    for (uint32_t g = 0; g < group; ++g) {
      if (head_sums[g] == 0) {
        ASSERT_EQ(head_sum[g], 0.0f);
        continue;
      }
      ASSERT_EQ(double{head_maximum[g]}, head_maxima[g]);
      ASSERT_NEAR(head_sum[g], head_sums[g], 1.1e-4 * head_sums[g]);
    }
    for (uint32_t b = 0; b < n_blocks; ++b) {
      for (uint32_t i = 0; i < n_granules; ++i) {
        double expected = 0;
        for (uint32_t g = 0; g < group; ++g) {
          const size_t row = size_t{b} * group + g;
          if ((masks[b] >> i * 8 / page_tokens & 1) == 0) continue;
          for (uint32_t t = 0; t < 8; ++t) {
            const double score = double{scores[row * 16 * page_tokens + i * 8 + t]};
            expected += std::exp(score - head_maxima[g]) / head_sums[g] / group;
          }
        }
        // The errors of a sum and of the normaliser.
        ASSERT_NEAR(mass[b * n_granules + i], expected, 2.2e-4 * expected + 1e-35);
      }
    }
  }
};

TEST_P(GranuleMassTest, PageSizesAndGroups) {
  for (const uint32_t page_tokens : {16u, 32u, 48u, 64u, 128u, 256u}) {
    for (const uint32_t group : {1u, 2u, 3u, 4u, 8u, 9u}) {
      for (const float width : {0.01f, 5.0f, 60.0f}) {
        check(page_tokens, group, {0xffff, 0x0f01, 0x8000}, width, group % 2 == 1);
      }
    }
  }
}

TEST_P(GranuleMassTest, BlocksWithoutPages) {
  check(32, 3, {0, 0xffff, 0}, 3, false);
  check(32, 3, {0, 0xffff, 0}, 3, true);
  check(32, 3, {0, 0}, 3, true);
  check(32, 3, {0}, 3, false);
  check(32, 3, {}, 3, false);
}

TEST_P(GranuleMassTest, MassesAndTheFixedPartAddUpToOne) {
  constexpr uint32_t kGranules = 16 * 4;
  ExactBuffer<float> scores(16 * 32), maximum(1), sums(kGranules), totals(1), mass(kGranules);
  fill(scores, -4, 4);
  maximum[0] = -kInfinity;
  for (size_t i = 0; i < scores.size(); ++i) maximum[0] = std::max(maximum[0], scores[i]);
  const KeyCodeBlockRef block{nullptr, 0xffff};
  table().granule_sum({32, 1, &block, 1, scores.data(), maximum.data(), sums.data(), totals.data()});
  ExactBuffer<float> fixed_maximum{maximum[0]}, fixed_sum{totals[0]}, head_maximum(1), head_sum(1);
  table().granule_mass({32, 1, 1, sums.data(), maximum.data(), totals.data(), fixed_maximum.data(),
                        fixed_sum.data(), mass.data(), head_maximum.data(), head_sum.data()});
  double sum = 0;
  for (uint32_t i = 0; i < kGranules; ++i) sum += double{mass[i]};
  EXPECT_NEAR(sum, 0.5, 1e-5);
}

TEST_P(GranuleMassTest, WhatIsLeftOfPagesCountsAsFarAsItWeighsAlike) {
  for (const uint32_t page_tokens : {16u, 32u, 48u, 64u, 128u, 256u}) {
    for (const uint32_t group : {1u, 3u, 9u}) {
      const uint32_t n_granules = page_tokens / 8;
      ExactBuffer<float> sums(size_t{group} * 16 * n_granules), units(group), weights(size_t{group} * 16);
      fill(sums, 0, 8);
      fill(units, 0, 1);
      ExactBuffer<uint32_t> selected(16);
      for (uint32_t page = 0; page < 16; ++page)
        selected[page] =
            page == 3 ? UINT32_MAX : static_cast<uint32_t>(random_()) & ((1u << n_granules / 2) - 1);
      selected[0] = 0;
      for (uint32_t g = 0; g < group; ++g) {
        for (uint32_t i = 0; i < n_granules; ++i) {
          sums[(g * 16 + 0) * n_granules + i] = 2;                            // all alike
          sums[(g * 16 + 1) * n_granules + i] = 0;                            // nothing
          sums[(g * 16 + 2) * n_granules + i] = 1e-25f;                       // next to nothing
          sums[(g * 16 + 4) * n_granules + i] = i + 1 == n_granules ? 4 : 0;  // one alone
        }
      }
      table().granule_rest({page_tokens, group, sums.data(), selected.data(), units.data(), weights.data()});
      for (uint32_t g = 0; g < group; ++g) {
        for (uint32_t page = 0; page < 16; ++page) {
          double sum = 0;
          double squares = 0;
          double n = 0;
          for (uint32_t i = 0; i < n_granules; ++i) {
            if ((selected[page] >> i & 1) != 0) continue;
            const double x = double{sums[(g * 16 + page) * n_granules + i]};
            sum += x;
            squares += x * x;
            n += 1;
          }
          const double expected =
              squares < double{kLeastSquares} ? 0 : double{units[g]} * sum * sum * sum / (n * squares);
          ASSERT_NEAR(weights[g * 16 + page], expected, 1e-5 * expected) << page_tokens << " page " << page;
        }
        ASSERT_NEAR(weights[g * 16], 2.0f * static_cast<float>(n_granules) * units[g], 1e-4);
        ASSERT_EQ(weights[g * 16 + 3], 0.0f);
      }
    }
  }
}

LEOAM_KERNEL_SUITE(GranuleMassTest);

}  // namespace
}  // namespace leoam::kernels
