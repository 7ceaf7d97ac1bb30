#include <vector>

#include "kernels/page_codec/compact_rows.h"
#include "tests/kernels/page_fixture.h"

namespace leoam::kernels {
namespace {

constexpr PageCodec kCodecs[] = {PageCodec::k8v8, PageCodec::k8v4, PageCodec::k4v4};

class PageCodecTest : public KernelTest {
 protected:
  static std::vector<KvLayout> layouts() {
    std::vector<KvLayout> all;
    for (const KvType type : {KvType::f16, KvType::f32}) {
      for (const uint32_t dim : {1u, 3u, 16u, 40u, 63u, 64u, 65u, 80u, 96u, 128u, 200u, 256u, 300u})
        all.push_back({type, 2, dim, 32});
      for (const uint32_t page_tokens : {16u, 48u, 64u, 128u}) all.push_back({type, 1, 64, page_tokens});
    }
    return all;
  }
  // Beyond half a step: the encoder's roundings, which are of the greatest number, and f16's on the way back.
  // A scale is rounded down by an f16 unit at most, which moves the greatest code by so many: of a normal
  // scale a quarter of it, of others 2^-24 each.
  static void expect_near(const KvLayout& layout, float x, float decoded, float step, float most) {
    const double rounding = layout.type == KvType::f16 ? 0x1p-11 : 0;
    const double size = std::fabs(double{x}) + double{step} * double{most};
    ASSERT_NEAR(
        decoded, x,
        std::max(double{step} * 0.5, double{most} * 0x1p-24) + size * (rounding + 8 * kEpsilon) + 0x1p-25);
  }
};

TEST_P(PageCodecTest, DecodesToWithinHalfAStep) {
  for (const KvLayout& layout : layouts()) {
    for (const PageCodec codec : kCodecs) {
      for (const float magnitude : {1.0f, 100.0f, 1e-6f}) {
        Page page(layout);
        fill_page(page, random_, magnitude);
        const CompactLayout compact{layout, codec};
        ExactBuffer<uint8_t> bytes(page_bytes(layout, codec)), again(bytes.size());
        ASSERT_TRUE(table().page_encode({layout, codec, page.data(), bytes.data()}));
        // The plain definition's bytes.
        ASSERT_TRUE(page_encode_scalar({layout, codec, page.data(), again.data()}));
        ASSERT_EQ(std::memcmp(bytes.data(), again.data(), bytes.size()), 0)
            << "head_dim " << layout.head_dim << " page " << layout.page_tokens;
        ExactBuffer<uint8_t> plain(layout.page_bytes()), plain_again(layout.page_bytes());
        for (uint32_t head = 0; head < layout.n_kv_heads; ++head) {
          table().page_decode({layout, codec, bytes.data(), plain.data()}, head);
          page_decode_scalar({layout, codec, bytes.data(), plain_again.data()}, head);
          const CompactRows rows(compact, bytes.data(), head);
          for (uint32_t c = 0; c < layout.head_dim; ++c) {
            for (uint32_t t = 0; t < layout.page_tokens; ++t) {
              const auto of = [&](size_t offset, size_t element) {
                const uint8_t* at = plain.data() + offset + element * layout.element_bytes();
                float x;
                uint16_t half;
                std::memcpy(&x, at, layout.type == KvType::f32 ? 4 : 0);
                std::memcpy(&half, at, 2);
                return layout.type == KvType::f32 ? x : f16_to_f32(half);
              };
              expect_near(layout, page.key(head, c, t), of(layout.key_offset(head), layout.key_element(c, t)),
                          rows.key_scale(c), static_cast<float>((1u << compact.key_bits()) - 1));
              expect_near(layout, page.value(head, c, t),
                          of(layout.value_offset(head), layout.value_element(t, c)), rows.value_scale(t, c),
                          static_cast<float>((1u << compact.value_bits()) - 1));
            }
          }
        }
        ASSERT_EQ(std::memcmp(plain.data(), plain_again.data(), plain.size()), 0)
            << "head_dim " << layout.head_dim << " page " << layout.page_tokens;
      }
    }
  }
}

// Bounds of the page's keys hold for what is attended to.
TEST_P(PageCodecTest, CodesOfHalvesStayBetweenTheLeastAndTheGreatest) {
  for (const PageCodec codec : kCodecs) {
    const KvLayout layout{KvType::f16, 1, 96, 32};
    Page page(layout);
    fill_page(page, random_, 20.0f);
    const PageRows<uint16_t> plain(layout, page.data(), 0);
    ExactBuffer<uint8_t> bytes(page_bytes(layout, codec));
    ASSERT_TRUE(table().page_encode({layout, codec, page.data(), bytes.data()}));
    const CompactRows rows({layout, codec}, bytes.data(), 0);
    for (uint32_t c = 0; c < layout.head_dim; ++c) {
      float least = plain.key(c, 0);
      float greatest = least;
      for (uint32_t t = 0; t < layout.page_tokens; ++t) {
        least = std::min(least, plain.key(c, t));
        greatest = std::max(greatest, plain.key(c, t));
      }
      for (uint32_t t = 0; t < layout.page_tokens; ++t) {
        ASSERT_GE(rows.key(c, t), least);
        ASSERT_LE(rows.key(c, t), greatest);
      }
    }
  }
}

TEST_P(PageCodecTest, ConstantsStayExactly) {
  for (const KvType type : {KvType::f16, KvType::f32}) {
    for (const float x : {0.0f, -0.0f, 3.25f, -0.5f, 60000.0f, -65504.0f}) {
      const KvLayout layout{type, 1, 72, 32};
      Page page(layout);
      for (uint32_t c = 0; c < 72; ++c)
        for (uint32_t t = 0; t < 32; ++t) {
          page.set_key(0, c, t, x);
          page.set_value(0, c, t, x);
        }
      ExactBuffer<uint8_t> bytes(page_bytes(layout, PageCodec::k4v4));
      ASSERT_TRUE(table().page_encode({layout, PageCodec::k4v4, page.data(), bytes.data()}));
      const CompactRows rows({layout, PageCodec::k4v4}, bytes.data(), 0);
      for (uint32_t c = 0; c < 72; ++c)
        for (uint32_t t = 0; t < 32; ++t) {
          ASSERT_EQ(rows.key(c, t), x);
          ASSERT_EQ(rows.value(t, c), x);
        }
    }
  }
}

TEST_P(PageCodecTest, WhatIsNotFiniteOrTooFarIsRefused) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const KvType type : {KvType::f16, KvType::f32}) {
    std::vector<float> refused = {infinity, -infinity, std::numeric_limits<float>::quiet_NaN()};
    if (type == KvType::f32) refused.insert(refused.end(), {70000.0f, -70000.0f, 3e38f});
    for (const float x : refused) {
      for (const bool of_keys : {true, false}) {
        for (const uint32_t dim : {1u, 64u, 77u}) {
          const KvLayout layout{type, 2, dim, 32};
          Page page(layout);
          fill_page(page, random_);
          ExactBuffer<uint8_t> bytes(page_bytes(layout, PageCodec::k8v4));
          const PageCodecParams params{layout, PageCodec::k8v4, page.data(), bytes.data()};
          ASSERT_TRUE(table().page_encode(params));
          const auto c = static_cast<uint32_t>(random_() % dim);
          const auto t = static_cast<uint32_t>(random_() % 32);
          of_keys ? page.set_key(1, c, t, x) : page.set_value(1, c, t, x);
          ASSERT_FALSE(table().page_encode(params)) << x;
        }
      }
    }
  }
  const KvLayout codes{KvType::int8, 1, 64, 32};
  Page page(codes);
  ExactBuffer<uint8_t> bytes(page_bytes(codes, PageCodec::k8v8));
  EXPECT_FALSE(table().page_encode({codes, PageCodec::k8v8, page.data(), bytes.data()}));
}

TEST(CompactLayoutTest, Sizes) {
  const KvLayout layout{KvType::f16, 1, 64, 32};
  EXPECT_EQ(page_bytes(layout, PageCodec::plain), 8192u);
  EXPECT_EQ(page_bytes(layout, PageCodec::k8v8), 4480u);
  EXPECT_EQ(page_bytes(layout, PageCodec::k8v4), 3456u);
  EXPECT_EQ(page_bytes(layout, PageCodec::k4v4), 2432u);
}

LEOAM_KERNEL_SUITE(PageCodecTest);

}  // namespace
}  // namespace leoam::kernels
