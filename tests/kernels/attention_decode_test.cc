#include <limits>

#include "tests/kernels/attention_fixture.h"

namespace leoam::kernels {
namespace {

class AttentionDecodeTest : public KernelTest {
 protected:
  // Decodes one token over parts of the pages (split at `cuts`), merges and compares.
  void check(const PagedKv& kv, uint32_t group, int32_t position, int32_t window, std::vector<uint32_t> cuts,
             float q_magnitude = 1) {
    const KvLayout& layout = kv.layout();
    const uint32_t dim = layout.head_dim;
    const uint32_t n_heads = group * layout.n_kv_heads;
    const uint32_t n_pages = static_cast<uint32_t>(kv.pages().size());
    const float scale = 1 / std::sqrt(static_cast<float>(dim));
    ExactBuffer<float> q(size_t{n_heads} * dim);
    fill(q, -q_magnitude, q_magnitude);
    cuts.insert(cuts.begin(), 0);
    cuts.push_back(n_pages);
    const size_t partial = attention_partial_floats(dim);
    const size_t n_parts = cuts.size() - 1;
    AttentionDecodeParams params{layout, n_heads,           scale,  q.data(), position,
                                 window, kv.pages().data(), n_pages};
    for (uint32_t kv_head = 0; kv_head < layout.n_kv_heads; ++kv_head) {
      ExactBuffer<float> partials(n_parts * group * partial);
      for (size_t part = 0; part < n_parts; ++part) {
        table().attention_decode(params, kv_head, cuts[part], cuts[part + 1],
                                 partials.data() + part * group * partial);
      }
      for (uint32_t g = 0; g < group; ++g) {
        ExactBuffer<float> out(dim);
        table().attention_merge(partials.data() + g * partial, static_cast<uint32_t>(n_parts),
                                group * partial, dim, out.data());
        const PagedKv::Expected expected =
            kv.attend(q.data() + (size_t{kv_head} * group + g) * dim, kv_head, scale, position, window);
        for (uint32_t c = 0; c < dim; ++c) {
          ASSERT_NEAR(out[c], expected.output[c], expected.tolerance)
              << "head_dim " << dim << " group " << group << " head " << g << " of " << kv_head << " channel "
              << c << " tokens " << kv.n_tokens() << " position " << position << " window " << window
              << " page " << layout.page_tokens;
        }
      }
    }
  }
};

TEST_P(AttentionDecodeTest, LengthsAndHeadSizes) {
  uint32_t group = 0;
  for (const KvType type : {KvType::f32, KvType::f16, KvType::int8}) {
    for (const uint32_t dim : {1u, 3u, 16u, 63u, 64u, 65u, 80u, 96u, 128u, 256u}) {
      for (const uint32_t n : {1u, 3u, 31u, 32u, 33u, 63u, 65u, 127u, 300u}) {
        group = group % 9 + 1;
        const PagedKv kv({type, 2, dim, 32}, n, random_);
        check(kv, group, static_cast<int32_t>(n) - 1, 0, {});
      }
    }
  }
}

TEST_P(AttentionDecodeTest, GroupsAndPageSizes) {
  for (const KvType type : {KvType::f32, KvType::f16, KvType::int8}) {
    for (const uint32_t page_tokens : {16u, 32u, 48u, 64u}) {
      for (uint32_t group = 1; group <= 17; group = group < 9 ? group + 1 : group + 8) {
        for (const uint32_t dim : {64u, group % 2 == 0 ? 128u : 256u}) {
          const PagedKv kv({type, 1, dim, page_tokens}, 333, random_);
          check(kv, group, 332, 0, {});
        }
      }
    }
  }
}

TEST_P(AttentionDecodeTest, WindowsAndEarlierPositions) {
  const PagedKv kv({KvType::f16, 1, 64, 32}, 700, random_);
  for (const int32_t window : {0, 1, 5, 32, 40, 300, 2000}) {
    for (const int32_t position : {0, 4, 31, 32, 63, 350, 511, 512, 699}) check(kv, 3, position, window, {});
  }
}

TEST_P(AttentionDecodeTest, AnySplitOfThePages) {
  for (const uint32_t dim : {64u, 65u, 128u}) {
    const PagedKv kv({KvType::f16, 2, dim, 32}, 1000, random_);
    check(kv, 3, 999, 0, {1});
    check(kv, 3, 999, 0, {16});
    check(kv, 3, 999, 0, {7, 7, 20, 31});
    check(kv, 3, 999, 100, {0, 5, 11, 28, 32});
    check(kv, 3, 40, 0, {1, 2, 3, 20});
  }
}

TEST_P(AttentionDecodeTest, PagesThatAreNotFull) {
  for (const int short_page : {0, 2, 5}) {
    const PagedKv kv({KvType::f16, 1, 64, 32}, 250, random_, 1, short_page);
    check(kv, 3, 249, 0, {});
    check(kv, 3, 249, 100, {3});
    check(kv, 3, 95, 70, {});
  }
}

TEST_P(AttentionDecodeTest, ExtremeScores) {
  for (const float magnitude : {10.0f, 1000.0f}) {
    const PagedKv kv({KvType::f32, 1, 64, 32}, 400, random_, 20);
    check(kv, 3, 399, 0, {5, 9}, magnitude);
  }
}

TEST_P(AttentionDecodeTest, CompactPages) {
  uint32_t group = 0;
  for (const Codecs& codecs : all_codecs()) {
    for (const KvType type : {KvType::f32, KvType::f16}) {
      for (const uint32_t dim : {1u, 3u, 16u, 40u, 63u, 64u, 65u, 80u, 96u, 128u, 256u, 300u}) {
        for (const uint32_t n : {32u, 33u, 63u, 300u}) {
          group = group % 9 + 1;
          const PagedKv kv({type, 2, dim, 32}, n, random_, codecs);
          check(kv, group, static_cast<int32_t>(n) - 1, 0, {});
        }
      }
    }
    for (const uint32_t page_tokens : {16u, 48u, 64u, 128u}) {
      for (group = 1; group <= 17; group = group < 9 ? group + 1 : group + 8) {
        const PagedKv kv({KvType::f16, 1, group % 2 == 0 ? 128u : 64u, page_tokens}, 700, random_, codecs);
        check(kv, group, 699, 0, {});
      }
    }
    const PagedKv kv({KvType::f16, 1, 64, 32}, 700, random_, codecs);
    for (const int32_t window : {0, 1, 5, 32, 40, 300}) {
      for (const int32_t position : {0, 4, 31, 32, 63, 350, 699}) check(kv, 3, position, window, {});
    }
    check(kv, 3, 699, 0, {1});
    check(kv, 3, 699, 100, {0, 5, 11, 18, 20});
    const PagedKv wide({KvType::f16, 1, 1100, 32}, 70, random_, codecs);
    check(wide, 2, 69, 0, {});
  }
}

TEST_P(AttentionDecodeTest, ExtremeScoresOfCompactPages) {
  for (const Codecs& codecs : all_codecs()) {
    for (const float magnitude : {10.0f, 1000.0f}) {
      const PagedKv kv({KvType::f32, 1, 64, 32}, 400, random_, 20, -1, codecs);
      check(kv, 3, 399, 0, {5, 9}, magnitude);
    }
  }
}

TEST_P(AttentionDecodeTest, NothingVisibleIsAnEmptyPart) {
  const PagedKv kv({KvType::f16, 1, 64, 32}, 64, random_);
  ExactBuffer<float> q(2 * 64), out(64);
  fill(q, -1, 1);
  const size_t partial = attention_partial_floats(64);
  ExactBuffer<float> partials(2 * partial);
  AttentionDecodeParams params{kv.layout(), 2, 1, q.data(), 10, 0, kv.pages().data(), 2};
  for (const uint32_t page : {0u, 1u}) {
    table().attention_decode(params, 0, page, page == 0 ? 0 : 2, partials.data());
    for (uint32_t g = 0; g < 2; ++g) {
      EXPECT_EQ(partials[g * partial + kPartialMaximum], -std::numeric_limits<float>::infinity());
      EXPECT_EQ(partials[g * partial + kPartialSum], 0.0f);
      for (uint32_t c = 0; c < 64; ++c) EXPECT_EQ(partials[g * partial + kPartialOutput + c], 0.0f);
    }
  }
  table().attention_merge(partials.data(), 2, partial, 64, out.data());
  for (uint32_t c = 0; c < 64; ++c) EXPECT_EQ(out[c], 0.0f);
  table().attention_merge(partials.data(), 0, partial, 64, out.data());
  for (uint32_t c = 0; c < 64; ++c) EXPECT_EQ(out[c], 0.0f);
}

LEOAM_KERNEL_SUITE(AttentionDecodeTest);

}  // namespace
}  // namespace leoam::kernels
