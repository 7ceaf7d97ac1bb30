#include <cmath>
#include <limits>

#include "tests/kernels/page_fixture.h"

namespace leoam::kernels {
namespace {

class AttentionEstimatesTest : public KernelTest {
 protected:
  void check(uint32_t dim, uint32_t group, uint32_t n, float size, float no_count = -1) {
    const ChunkLayout layout{dim};
    std::vector<std::unique_ptr<ExactBuffer<uint8_t>>> records;
    std::vector<AttentionEstimate> estimates;
    for (uint32_t i = 0; i < n; ++i) {
      Page page({KvType::f16, 1, dim, 16});
      fill_page(page, random_, size);
      records.push_back(std::make_unique<ExactBuffer<uint8_t>>(layout.record_bytes()));
      table().chunk_of_page(page.layout(), page.data(), 0, records.back()->data());
      estimates.push_back(
          {records.back()->data(), i % 3 == 1 && no_count >= 0 ? no_count : uniform(0.5f, 40)});
    }
    ExactBuffer<float> q(size_t{group} * dim), out(dim);
    fill(q, -1, 1);
    const float scale = 1 / std::sqrt(static_cast<float>(dim));
    const size_t partial = attention_partial_floats(dim);
    ExactBuffer<float> partials(group * partial);
    table().attention_estimates({dim, group, scale, q.data(), estimates.data(), n}, partials.data());
    for (uint32_t g = 0; g < group; ++g) {
      double maximum = -1e300, score_size = 0, value_size = 0, sum = 0;
      std::vector<double> scores(n), output(dim);
      const auto number = [&](uint32_t i, size_t offset, bool key, uint32_t c) {
        ChunkHeader header;
        std::memcpy(&header, records[i]->data(), sizeof header);
        return double{key ? header.key_scale : header.value_scale} *
               static_cast<int8_t>((*records[i])[offset + c]);
      };
      for (uint32_t i = 0; i < n; ++i) {
        double terms = 0;
        for (uint32_t c = 0; c < dim; ++c) {
          const double term =
              double{q[g * dim + c]} * number(i, layout.mean_key_offset(), true, c) * double{scale};
          scores[i] += term;
          terms += std::fabs(term);
        }
        if (estimates[i].count == 0) continue;
        maximum = std::max(maximum, scores[i]);
        score_size = std::max(score_size, terms);
      }
      for (uint32_t i = 0; i < n; ++i) {
        if (estimates[i].count == 0) continue;
        const double weight = double{estimates[i].count} * std::exp(scores[i] - maximum);
        sum += weight;
        for (uint32_t c = 0; c < dim; ++c) {
          const double value = number(i, layout.mean_value_offset(), false, c);
          output[c] += weight * value;
          value_size = std::max(value_size, std::fabs(value));
        }
      }
      table().attention_merge(partials.data() + g * partial, 1, partial, dim, out.data());
      // As for attention itself: an error of a weight acts twice, the output is a chain of n roundings.
      const double weight_error = std::expm1((dim + 8) * kEpsilon * score_size) + 8 * kEpsilon;
      const double tolerance = value_size * (2 * weight_error + 2 * (n + 8) * kEpsilon) + 1e-37;
      if (sum == 0) {
        ASSERT_EQ(partials[g * partial + kPartialSum], 0.0f);
        ASSERT_EQ(partials[g * partial + kPartialMaximum], -std::numeric_limits<float>::infinity());
      } else {
        ASSERT_NEAR(partials[g * partial + kPartialMaximum], maximum, (dim + 8) * kEpsilon * score_size);
        ASSERT_NEAR(partials[g * partial + kPartialSum], sum, sum * (2 * weight_error + (n + 8) * kEpsilon));
      }
      for (uint32_t c = 0; c < dim; ++c) {
        ASSERT_NEAR(out[c], sum == 0 ? 0 : output[c] / sum, tolerance)
            << "dim " << dim << " group " << group << " n " << n;
      }
    }
  }
};

TEST_P(AttentionEstimatesTest, HeadSizesGroupsAndLengths) {
  uint32_t group = 0;
  for (const uint32_t dim : {1u, 5u, 16u, 63u, 64u, 80u, 128u, 256u}) {
    for (const uint32_t n : {1u, 2u, 15u, 16u, 17u, 64u, 65u, 300u}) {
      group = group % 9 + 1;
      check(dim, group, n, 1);
    }
  }
}

TEST_P(AttentionEstimatesTest, ExtremeScores) {
  check(64, 3, 100, 300);
}

TEST_P(AttentionEstimatesTest, EntriesWithoutTokensWeighNothing) {
  check(64, 3, 100, 1, 0);
  check(64, 3, 0, 1);
  const ChunkLayout layout{64};
  ExactBuffer<uint8_t> record(layout.record_bytes());
  std::memset(record.data(), 0, record.size());
  const AttentionEstimate none[] = {{record.data(), 0}};
  ExactBuffer<float> q(64), partials(attention_partial_floats(64));
  fill(q, -1, 1);
  table().attention_estimates({64, 1, 1, q.data(), none, 1}, partials.data());
  EXPECT_EQ(partials[kPartialSum], 0.0f);
  EXPECT_EQ(partials[kPartialMaximum], -std::numeric_limits<float>::infinity());
}

// A chunk of equal tokens is its estimate: both parts are the same but for 8 bits.
TEST_P(AttentionEstimatesTest, EqualTokensAreWhatTheirMeanSays) {
  const KvLayout kv{KvType::f32, 1, 64, 16};
  Page page(kv);
  for (uint32_t c = 0; c < 64; ++c) {
    // Multiples of the unit that 8 bits have, so that nothing is rounded.
    const float key = static_cast<float>(static_cast<int>(c % 5) * 63 - 126 + (c == 0 ? -1 : 0)) / 127;
    for (uint32_t t = 0; t < 16; ++t) {
      page.set_key(0, c, t, key);
      page.set_value(0, c, t, -key);
    }
  }
  const ChunkLayout layout{64};
  ExactBuffer<uint8_t> record(layout.record_bytes());
  table().chunk_of_page(kv, page.data(), 0, record.data());
  ExactBuffer<float> q(64), estimated(attention_partial_floats(64)), exact(attention_partial_floats(64));
  fill(q, -1, 1);
  const AttentionEstimate estimate{record.data(), 16};
  table().attention_estimates({64, 1, 0.125f, q.data(), &estimate, 1}, estimated.data());
  const KvGranules granules{page.data(), 3};
  table().attention_granules({kv, 1, 0.125f, q.data(), &granules, 1}, 0, exact.data());
  for (const size_t i : {kPartialMaximum, kPartialSum, kPartialOutput, kPartialOutput + 63}) {
    EXPECT_NEAR(estimated[i], exact[i], 1e-4);
  }
}

LEOAM_KERNEL_SUITE(AttentionEstimatesTest);

}  // namespace
}  // namespace leoam::kernels
