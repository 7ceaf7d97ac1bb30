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
    if (layout.type == KvType::int8) set_origins(layout, head_begin, head_end, &page, &expected);
    if (layout.type == KvType::int8 && n_tokens > 2) {
      const size_t first = head_begin * layout.head_dim;
      k[2 * stride + first] = std::numeric_limits<float>::quiet_NaN();
      v[first] = k[first] = -std::numeric_limits<float>::infinity();
      for (uint32_t c = 0; c < layout.head_dim; ++c) v[stride + first + c] = 1e-38f;
    }
    for (uint32_t head = head_begin; head < head_end; ++head) {
      for (uint32_t t = 0; t < n_tokens; ++t) {
        const size_t at = t * stride + head * layout.head_dim;
        const uint32_t slot = first_slot + t;
        uint8_t* key = expected.data() + layout.key_offset(head);
        uint8_t* value = expected.data() + layout.value_offset(head);
        if (layout.type == KvType::int8) {
          expect_codes(layout, head, slot, k.data() + at, v.data() + at, &expected);
          continue;
        }
        for (uint32_t c = 0; c < layout.head_dim; ++c) {
          put(layout, key, layout.key_element(c, slot), k[at + c]);
          put(layout, value, layout.value_element(slot, c), v[at + c]);
        }
      }
    }
    table().kv_append({layout, page.data(), first_slot, n_tokens, k.data(), v.data(), stride}, head_begin,
                      head_end);
    ASSERT_EQ(0, std::memcmp(page.data(), expected.data(), page.size()))
        << "head_dim " << layout.head_dim << " slot " << first_slot << " tokens " << n_tokens;
  }

  // Origins as slot 0 may have set them.
  static void set_origins(const KvLayout& layout, uint32_t head_begin, uint32_t head_end,
                          ExactBuffer<uint8_t>* page, ExactBuffer<uint8_t>* expected) {
    for (uint32_t head = head_begin; head < head_end; ++head) {
      for (uint32_t c = 0; c < layout.head_dim; ++c) {
        const auto half = static_cast<uint16_t>(0x4600 + c % 7);
        for (ExactBuffer<uint8_t>* to : {page, expected})
          std::memcpy(to->data() + layout.key_origin_offset(head) + 2 * c, &half, 2);
      }
    }
  }

  static void expect_codes(const KvLayout& layout, uint32_t head, uint32_t slot, const float* k,
                           const float* v, ExactBuffer<uint8_t>* page) {
    uint8_t* origins = page->data() + layout.key_origin_offset(head);
    std::vector<float> moved;
    for (uint32_t c = 0; c < layout.head_dim; ++c) {
      uint16_t origin =
          std::isfinite(k[c]) ? static_cast<uint16_t>(bits_from_float(k[c]) >> 16) : uint16_t{0};
      if (slot == 0) std::memcpy(origins + 2 * c, &origin, 2);
      std::memcpy(&origin, origins + 2 * c, 2);
      moved.push_back(k[c] - bf16_to_f32(origin));
    }
    const auto put_scale = [&](size_t offset, size_t at, uint16_t scale) {
      std::memcpy(page->data() + offset + 2 * at, &scale, 2);
    };
    for (uint32_t c = 0; c < layout.head_dim; ++c) {
      const uint32_t first = c / 16 * 16;
      const uint16_t scale = scale_of_row(moved.data() + first, std::min(16u, layout.head_dim - first));
      put_scale(layout.key_scale_offset(head), (first / 16) * layout.page_tokens + slot, scale);
      page->data()[layout.key_offset(head) + layout.key_element(c, slot)] = code(moved[c], scale);
    }
    const uint16_t scale = scale_of_row(v, layout.head_dim);
    put_scale(layout.value_scale_offset(head), slot, scale);
    for (uint32_t c = 0; c < layout.head_dim; ++c)
      page->data()[layout.value_offset(head) + layout.value_element(slot, c)] = code(v[c], scale);
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
    while (bf16_to_f32(static_cast<uint16_t>(scale - 1)) >= greatest * (1.0f / 127)) --scale;
    return scale;
  }
  static uint8_t code(float x, uint16_t scale) {
    if (scale == 0 || scale == 0x7f80) return 0;
    return static_cast<uint8_t>(static_cast<int8_t>(std::nearbyint(x * (1 / bf16_to_f32(scale)))));
  }

  static void put(const KvLayout& layout, uint8_t* base, size_t element, float value) {
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
