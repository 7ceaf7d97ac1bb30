#include <cmath>
#include <limits>

#include "tests/kernels/page_fixture.h"

namespace leoam::kernels {
namespace {

class AttentionRestTest : public KernelTest {
 protected:
  static constexpr uint32_t kPages = kCodeBlock_pages;

  // States that hold `held` tokens' worth of something are added to.
  void check(uint32_t dim, uint32_t group, uint32_t n_blocks, float size, float held) {
    const KvLayout kv{KvType::f16, 2, dim, 16};
    const KeyCodeLayout layout = key_code_layout(kv, 0);
    std::vector<std::unique_ptr<ExactBuffer<uint8_t>>> memory;
    ExactBuffer<float> weights(size_t{n_blocks} * group * kPages + 1), log_units(group);
    fill(weights, 0, 3);
    fill(log_units, -size, size);
    std::vector<AttentionRest> blocks;
    for (uint32_t b = 0; b < n_blocks; ++b) {
      // What no page was written to is not finite.
      memory.push_back(std::make_unique<ExactBuffer<uint8_t>>(layout.block_bytes()));
      for (uint32_t slot = 0; slot < kPages; ++slot) {
        float* const of_page = weights.data() + (size_t{b} * group * kPages + slot);
        if (slot > 0 && (slot + b) % 5 == 0) {
          for (uint32_t g = 0; g < group; ++g) of_page[g * kPages] = 0;
          continue;
        }
        Page page(kv);
        fill_page(page, random_, 2);
        table().key_code_encode({kv, page.data(), memory.back()->data(), slot, nullptr, 0}, 1);
      }
      blocks.push_back({memory.back()->data() + layout.head_offset(1), &weights[size_t{b} * group * kPages]});
    }
    const size_t stride = attention_partial_floats(dim);
    ExactBuffer<float> partials(group * stride), before(group * stride);
    fill(partials, -1, 1);
    for (uint32_t g = 0; g < group; ++g) {
      partials[g * stride + kPartialSum] = held;
      if (held > 0) continue;
      for (size_t i = 0; i < stride; ++i) partials[g * stride + i] = 0;
      partials[g * stride + kPartialMaximum] = -std::numeric_limits<float>::infinity();
    }
    std::memcpy(before.data(), partials.data(), group * stride * sizeof(float));
    table().attention_rest({layout, group, blocks.data(), n_blocks, log_units.data()}, partials.data());
    for (uint32_t g = 0; g < group; ++g) {
      const float* was = before.data() + g * stride;
      const float* got = partials.data() + g * stride;
      const double maximum =
          n_blocks == 0 ? double{was[kPartialMaximum]} : std::fmax(was[kPartialMaximum], log_units[g]);
      ASSERT_EQ(double{got[kPartialMaximum]}, maximum);
      const double rescale = held > 0 ? std::exp(double{was[kPartialMaximum]} - maximum) : 0;
      const double unit = n_blocks == 0 ? 0 : std::exp(double{log_units[g]} - maximum);
      double sum = double{was[kPartialSum]} * rescale;
      std::vector<double> output(dim), magnitude(dim);
      for (uint32_t c = 0; c < dim; ++c)
        magnitude[c] = std::fabs(output[c] = double{was[kPartialOutput + c]} * rescale);
      for (uint32_t i = 0; i < n_blocks * kPages; ++i) {
        const double weight = double{blocks[i / kPages].weights[g * kPages + i % kPages]} * unit;
        if (weight == 0) continue;
        const uint8_t* const head = blocks[i / kPages].head;
        float scale;
        std::memcpy(&scale, head + layout.value_scale_offset() + i % kPages * sizeof scale, sizeof scale);
        sum += weight;
        for (uint32_t c = 0; c < dim; ++c) {
          const double x =
              weight * double{scale} * static_cast<int8_t>(head[layout.mean_value_offset(i % kPages) + c]);
          output[c] += x;
          magnitude[c] += std::fabs(x);
        }
      }
      // A chain of additions, and exponentials.
      const double error = (n_blocks * kPages + 16) * kEpsilon;
      ASSERT_NEAR(got[kPartialSum], sum, error * sum + 1e-30);
      for (uint32_t c = 0; c < dim; ++c)
        ASSERT_NEAR(got[kPartialOutput + c], output[c], error * magnitude[c] + 1e-30)
            << "dim " << dim << " group " << group << " blocks " << n_blocks;
    }
  }
};

TEST_P(AttentionRestTest, HeadSizesGroupsAndBlocks) {
  uint32_t group = 0;
  for (const uint32_t dim : {1u, 5u, 16u, 63u, 64u, 80u, 128u, 256u}) {
    for (const uint32_t n_blocks : {0u, 1u, 2u, 17u}) {
      group = group % 9 + 1;
      check(dim, group, n_blocks, 1, 0);
      check(dim, group, n_blocks, 1, 7);
    }
  }
}

TEST_P(AttentionRestTest, UnitsFarFromWhatIsHeld) {
  check(64, 3, 4, 80, 5);
  check(64, 3, 4, 80, 0);
}

LEOAM_KERNEL_SUITE(AttentionRestTest);

}  // namespace
}  // namespace leoam::kernels
