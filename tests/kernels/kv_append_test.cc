#include "kernels/kv_append/kv_append.h"

#include <cmath>
#include <limits>

#include "kernels/token_scale.h"
#include "tests/kernels/kernel_fixture.h"

namespace leoam::kernels {
namespace {

TEST(F16, EveryHalfGoesThereAndBack) {
  for (uint32_t half = 0; half < 0x10000; ++half) {
    const float value = f16_to_f32(static_cast<uint16_t>(half));
    if (std::isnan(value)) {
      EXPECT_TRUE((half & 0x7c00) == 0x7c00 && (half & 0x3ff) != 0);
      EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(value))));
    } else {
      ASSERT_EQ(f32_to_f16(value), half);
    }
  }
}

TEST(F16, RoundsToNearestTiesToEven) {
  for (uint32_t half = 0; half < 0x7bff; ++half) {
    const float low = f16_to_f32(static_cast<uint16_t>(half));
    const float high = f16_to_f32(static_cast<uint16_t>(half + 1));
    const float middle = static_cast<float>((double{low} + double{high}) / 2);
    ASSERT_EQ(f32_to_f16(middle), half % 2 == 0 ? half : half + 1);
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, 0.0f)), half);
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, 1e9f)), half + 1);
    ASSERT_EQ(f32_to_f16(-middle), 0x8000u | (half % 2 == 0 ? half : half + 1));
  }
  EXPECT_EQ(f32_to_f16(65519.996f), 0x7bff);
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(f32_to_f16(-std::numeric_limits<float>::infinity()), 0xfc00);
}

class KvAppendTest : public KernelTest {
 protected:
  // Every byte of the page: what was appended, and everything else untouched.
  void check(const KvLayout& layout, uint32_t first_slot, uint32_t n_tokens, uint32_t head_begin,
             uint32_t head_end) {
    const size_t row = size_t{layout.n_kv_heads} * layout.head_dim;
    const size_t stride = row + 3;
    ExactBuffer<float> k((n_tokens - 1) * stride + row), v((n_tokens - 1) * stride + row);
    fill(k, -70000, 70000);
    fill(v, -1e-5f, 1e-5f);
    ExactBuffer<uint8_t> page(layout.page_bytes()), expected(layout.page_bytes());
    if (layout.type == KvType::int8 && n_tokens > 2) {
      k[2 * stride + head_begin * layout.head_dim] = std::numeric_limits<float>::quiet_NaN();
      v[head_begin * layout.head_dim] = -std::numeric_limits<float>::infinity();
      for (uint32_t c = 0; c < layout.head_dim; ++c) k[stride + head_begin * layout.head_dim + c] = 1e-38f;
    }
    for (uint32_t head = head_begin; head < head_end; ++head) {
      for (uint32_t t = 0; t < n_tokens; ++t) {
        const size_t first = t * stride + head * layout.head_dim;
        const uint16_t scales[] = {scale_of_row(k.data() + first, layout.head_dim),
                                   scale_of_row(v.data() + first, layout.head_dim)};
        if (layout.type == KvType::int8) {
          std::memcpy(expected.data() + layout.key_scale_offset(head) + 2 * (first_slot + t), scales, 2);
          std::memcpy(expected.data() + layout.value_scale_offset(head) + 2 * (first_slot + t), scales + 1,
                      2);
        }
        for (uint32_t c = 0; c < layout.head_dim; ++c) {
          const size_t at = t * stride + head * layout.head_dim + c;
          put(layout, expected.data() + layout.key_offset(head), layout.key_element(c, first_slot + t), k[at],
              scales[0]);
          put(layout, expected.data() + layout.value_offset(head), layout.value_element(first_slot + t, c),
              v[at], scales[1]);
        }
      }
    }
    table().kv_append({layout, page.data(), first_slot, n_tokens, k.data(), v.data(), stride}, head_begin,
                      head_end);
    ASSERT_EQ(0, std::memcmp(page.data(), expected.data(), page.size()))
        << "head_dim " << layout.head_dim << " slot " << first_slot << " tokens " << n_tokens;
  }

  // The least bf16 of which 127 steps reach the greatest number, by search.
  static uint16_t scale_of_row(const float* x, uint32_t n) {
    float greatest = 0;
    for (uint32_t i = 0; i < n; ++i) {
      if (!std::isfinite(x[i])) return 0x7f80;
      greatest = std::max(greatest, std::fabs(x[i]));
    }
    if (greatest <= 0x1p-100f) return 0;
    uint16_t scale = 0x7f7f;
    while (scale_to_float(static_cast<uint16_t>(scale - 1)) >= greatest * (1.0f / 127)) --scale;
    return scale;
  }

  static void put(const KvLayout& layout, uint8_t* base, size_t element, float value, uint16_t scale) {
    if (layout.type == KvType::int8) {
      const float steps = scale == 0 ? 0 : value * (1 / scale_to_float(scale));
      base[element] = scale == 0x7f80 ? 0 : static_cast<uint8_t>(static_cast<int8_t>(std::nearbyint(steps)));
      return;
    }
    const uint16_t half = f32_to_f16(value);
    if (layout.type == KvType::f32) {
      std::memcpy(base + 4 * element, &value, 4);
    } else {
      std::memcpy(base + 2 * element, &half, 2);
    }
  }
};

TEST_P(KvAppendTest, WritesItsSlotsAndNothingElse) {
  for (const KvType type : {KvType::f32, KvType::f16, KvType::int8}) {
    for (const uint32_t head_dim : {1u, 3u, 16u, 63u, 64u, 65u, 80u, 128u, 256u}) {
      for (const uint32_t page_tokens : {16u, 32u, 48u}) {
        const KvLayout layout{type, 3, head_dim, page_tokens};
        check(layout, 0, page_tokens, 0, 3);
        check(layout, 0, 1, 0, 3);
        check(layout, page_tokens - 1, 1, 1, 2);
        check(layout, 5, 3, 0, 2);
        check(layout, 1, page_tokens - 1, 2, 3);
        check(layout, 7, 9, 1, 1);
      }
    }
  }
}

LEOAM_KERNEL_SUITE(KvAppendTest);

}  // namespace
}  // namespace leoam::kernels
