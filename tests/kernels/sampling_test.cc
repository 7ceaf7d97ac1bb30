#include "kernels/sampling/sampling.h"

#include <cmath>
#include <limits>
#include <vector>

#include "tests/kernels/kernel_fixture.h"

namespace leoam::kernels {
namespace {

constexpr uint32_t kLengths[] = {1, 2, 7, 8, 9, 15, 16, 17, 63, 64, 65, 127, 130, 49152 + 5};
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

class SamplingTest : public KernelTest {};

TEST_P(SamplingTest, MaximumIsTheFirstOfEquals) {
  for (const uint32_t n : kLengths) {
    ExactBuffer<float> logits(n);
    for (uint32_t round = 0; round < 20; ++round) {
      for (uint32_t i = 0; i < n; ++i) logits[i] = std::floor(uniform(-3, 3));
      if (round % 2 == 1) logits[random_() % n] = kNan;
      LogitsMaximum expected{-kInfinity, 0};
      for (uint32_t i = n; i-- > 0;) {
        if (logits[i] >= expected.value) expected = {logits[i], i};
      }
      const LogitsMaximum found = table().logits_maximum(logits.data(), n);
      EXPECT_EQ(found.value, expected.value);
      EXPECT_EQ(found.index, expected.index) << "n " << n;
    }
  }
}

TEST_P(SamplingTest, MaximumOfOddRows) {
  ExactBuffer<float> nans{kNan, kNan, kNan};
  const LogitsMaximum none = table().logits_maximum(nans.data(), 3);
  EXPECT_EQ(none.value, -kInfinity);
  EXPECT_EQ(none.index, 0u);
  ExactBuffer<float> infinite{kNan, -kInfinity, kNan, kInfinity, kInfinity};
  EXPECT_EQ(table().logits_maximum(infinite.data(), 5).index, 3u);
  EXPECT_EQ(table().logits_maximum(infinite.data(), 3).index, 1u);
}

TEST_P(SamplingTest, ExpSumMatchesDouble) {
  for (const uint32_t n : kLengths) {
    ExactBuffer<float> logits(n);
    fill(logits, -30, 20);
    if (n > 4) {
      logits[1] = kNan;
      logits[3] = -kInfinity;
    }
    const float maximum = table().logits_maximum(logits.data(), n).value;
    for (const float inverse : {0.5f, 1.0f, 1.25f, 10.0f}) {
      double expected = 0;
      for (uint32_t i = 0; i < n; ++i) {
        if (!std::isnan(logits[i])) expected += std::exp((double{logits[i]} - maximum) * inverse);
      }
      const double tolerance = expected * (8 + 2 * 90) * kEpsilon;
      EXPECT_NEAR(table().logits_exp_sum(logits.data(), n, maximum, inverse), expected, tolerance);
    }
  }
}

TEST_P(SamplingTest, AboveGivesAscendingIndicesWithinCapacity) {
  for (const uint32_t n : kLengths) {
    ExactBuffer<float> logits(n);
    fill(logits, -1, 1);
    logits[n / 2] = kNan;
    for (const float threshold : {-2.0f, 0.0f, 0.9f, 2.0f}) {
      std::vector<uint32_t> expected;
      for (uint32_t i = 0; i < n; ++i) {
        if (logits[i] >= threshold) expected.push_back(i);
      }
      for (const size_t capacity : {size_t{0}, size_t{5}, expected.size()}) {
        ExactBuffer<uint32_t> indices(capacity);
        const uint32_t count = table().logits_above(logits.data(), n, threshold, indices.data(),
                                                    static_cast<uint32_t>(capacity));
        ASSERT_EQ(count, expected.size());
        for (size_t i = 0; i < std::min(capacity, expected.size()); ++i) ASSERT_EQ(indices[i], expected[i]);
      }
    }
  }
}

LEOAM_KERNEL_SUITE(SamplingTest);

}  // namespace
}  // namespace leoam::kernels
