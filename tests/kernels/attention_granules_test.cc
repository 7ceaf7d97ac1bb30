#include <limits>

#include "tests/kernels/attention_fixture.h"

namespace leoam::kernels {
namespace {

class AttentionGranulesTest : public KernelTest {
 protected:
  // Attends to the granules of the masks (a mask a page, in the order of `order`, or of the pages) and
  // compares.
  void check(const PagedKv& kv, uint32_t group, const std::vector<uint32_t>& masks,
             std::vector<uint32_t> order = {}, float q_magnitude = 1) {
    const KvLayout& layout = kv.layout();
    const uint32_t dim = layout.head_dim;
    const uint32_t n_heads = group * layout.n_kv_heads;
    const float scale = 1 / std::sqrt(static_cast<float>(dim));
    ExactBuffer<float> q(size_t{n_heads} * dim);
    fill(q, -q_magnitude, q_magnitude);
    if (order.empty()) {
      for (uint32_t p = 0; p < masks.size(); ++p) order.push_back(p);
    }
    std::vector<KvGranules> granules;
    std::vector<int32_t> tokens;
    for (const uint32_t p : order) {
      granules.push_back({kv.pages()[p].data, masks[p], kv.pages()[p].codec});
      for (uint32_t t = 0; t < layout.page_tokens; ++t) {
        if ((masks[p] >> t / 8 & 1) != 0) tokens.push_back(static_cast<int32_t>(p * layout.page_tokens + t));
      }
    }
    const AttentionGranulesParams params{layout,   n_heads,         scale,
                                         q.data(), granules.data(), static_cast<uint32_t>(granules.size())};
    const size_t partial = attention_partial_floats(dim);
    ExactBuffer<float> partials(group * partial), out(dim);
    for (uint32_t kv_head = 0; kv_head < layout.n_kv_heads; ++kv_head) {
      table().attention_granules(params, kv_head, partials.data());
      for (uint32_t g = 0; g < group; ++g) {
        table().attention_merge(partials.data() + g * partial, 1, partial, dim, out.data());
        const PagedKv::Expected expected =
            kv.attend(q.data() + (size_t{kv_head} * group + g) * dim, kv_head, scale, tokens);
        for (uint32_t c = 0; c < dim; ++c) {
          ASSERT_NEAR(out[c], expected.output[c], expected.tolerance)
              << "head_dim " << dim << " group " << group << " head " << g << " of " << kv_head << " channel "
              << c << " tokens " << tokens.size() << " page " << layout.page_tokens;
        }
      }
    }
  }
  std::vector<uint32_t> random_masks(const PagedKv& kv, uint32_t one_in) {
    std::vector<uint32_t> masks;
    for (const KvPageRef& page : kv.pages()) {
      uint32_t mask = 0;
      for (int32_t i = 0; i < page.n_tokens / 8; ++i) mask |= random_() % one_in == 0 ? 1u << i : 0u;
      masks.push_back(mask);
    }
    return masks;
  }
};

TEST_P(AttentionGranulesTest, HeadSizesAndGroups) {
  uint32_t group = 0;
  for (const KvType type : {KvType::f32, KvType::f16, KvType::int8}) {
    for (const uint32_t dim : {1u, 3u, 16u, 63u, 64u, 65u, 80u, 96u, 128u, 256u}) {
      for (const uint32_t n : {32u, 64u, 416u, 1600u}) {
        group = group % 9 + 1;
        const PagedKv kv({type, 2, dim, 32}, n, random_);
        check(kv, group, random_masks(kv, 1 + group % 4));
      }
    }
  }
}

TEST_P(AttentionGranulesTest, PageSizes) {
  for (const uint32_t page_tokens : {16u, 32u, 48u, 64u, 256u}) {
    for (uint32_t group = 1; group <= 17; group = group < 9 ? group + 1 : group + 8) {
      const PagedKv kv({KvType::f16, 1, 64, page_tokens}, page_tokens * 7, random_);
      check(kv, group, random_masks(kv, 2));
      check(kv, group, random_masks(kv, 1));
    }
  }
}

// A granule alone in a strip, in a page whose other tokens are poisoned, and in any order.
TEST_P(AttentionGranulesTest, FewGranulesInAnyOrder) {
  const PagedKv kv({KvType::f16, 1, 64, 32}, 320, random_);
  for (uint32_t granule = 0; granule < 4; ++granule) check(kv, 3, {1u << granule, 0, 0, 0});
  check(kv, 3, {0, 9, 0, 6, 0, 0, 2, 15, 1, 8}, {7, 1, 9, 8, 6, 0, 3});
  const PagedKv cut({KvType::f16, 1, 64, 32}, 72, random_);
  check(cut, 3, {4, 10, 1});
}

TEST_P(AttentionGranulesTest, ExtremeScores) {
  for (const float magnitude : {10.0f, 1000.0f}) {
    const PagedKv kv({KvType::f32, 1, 64, 32}, 640, random_, 20);
    check(kv, 3, random_masks(kv, 2), {}, magnitude);
  }
}

TEST_P(AttentionGranulesTest, NothingListedIsAnEmptyPart) {
  const PagedKv kv({KvType::f16, 1, 64, 32}, 64, random_);
  ExactBuffer<float> q(2 * 64);
  fill(q, -1, 1);
  const size_t partial = attention_partial_floats(64);
  const KvGranules none[] = {{kv.pages()[0].data, 0}, {kv.pages()[1].data, 0}};
  for (const uint32_t n : {0u, 2u}) {
    ExactBuffer<float> partials(2 * partial);
    table().attention_granules({kv.layout(), 2, 1, q.data(), none, n}, 0, partials.data());
    for (uint32_t g = 0; g < 2; ++g) {
      EXPECT_EQ(partials[g * partial + kPartialMaximum], -std::numeric_limits<float>::infinity());
      EXPECT_EQ(partials[g * partial + kPartialSum], 0.0f);
      for (uint32_t c = 0; c < 64; ++c) EXPECT_EQ(partials[g * partial + kPartialOutput + c], 0.0f);
    }
  }
}

TEST_P(AttentionGranulesTest, CompactPages) {
  uint32_t group = 0;
  for (const Codecs& codecs : all_codecs()) {
    for (const uint32_t dim : {1u, 3u, 16u, 40u, 63u, 64u, 65u, 80u, 96u, 128u, 256u, 300u}) {
      for (const uint32_t n : {32u, 64u, 416u, 1600u}) {
        group = group % 9 + 1;
        const PagedKv kv({KvType::f16, 2, dim, 32}, n, random_, codecs);
        check(kv, group, random_masks(kv, 1 + group % 4));
      }
    }
    for (const uint32_t page_tokens : {16u, 48u, 128u}) {
      const PagedKv kv({KvType::f32, 1, 64, page_tokens}, page_tokens * 15, random_, codecs);
      check(kv, 3, random_masks(kv, 2));
    }
    const PagedKv kv({KvType::f16, 1, 64, 32}, 320, random_, codecs);
    for (uint32_t granule = 0; granule < 4; ++granule) check(kv, 3, {1u << granule, 0, 0, 0});
    check(kv, 3, {0, 9, 0, 6, 0, 0, 2, 15, 1, 8}, {7, 1, 9, 8, 6, 0, 3});
    const PagedKv wide({KvType::f16, 1, 1100, 32}, 64, random_, codecs);
    check(wide, 2, {5, 15});
  }
}

class AttentionGranulesBytesTest : public AttentionGranulesTest {
 protected:
  void check_bytes(const Codecs& codecs, KvType type) {
    uint32_t group = 0;
    for (const uint32_t page_tokens : {16u, 32u, 48u, 64u}) {
      for (const uint32_t dim : {1u, 63u, 64u, 65u, 80u, 128u, 256u}) {
        group = group % 9 + 1;
        const PagedKv kv({type, 2, dim, page_tokens}, page_tokens * 29, random_, codecs);
        const uint32_t n_heads = 2 * group;
        ExactBuffer<float> q(size_t{n_heads} * dim);
        fill(q, -1, 1);
        std::vector<KvGranules> granules;
        for (const KvPageRef& page : kv.pages())
          granules.push_back({page.data, (1u << page_tokens / 8) - 1, page.codec});
        const size_t floats = group * attention_partial_floats(dim);
        ExactBuffer<float> decoded(floats), partials(floats);
        const auto n = static_cast<uint32_t>(granules.size());
        table().attention_decode({kv.layout(), n_heads, 0.125f, q.data(), 1 << 20, 0, kv.pages().data(), n},
                                 1, 0, n, decoded.data());
        table().attention_granules({kv.layout(), n_heads, 0.125f, q.data(), granules.data(), n}, 1,
                                   partials.data());
        ASSERT_EQ(std::memcmp(decoded.data(), partials.data(), floats * sizeof(float)), 0)
            << "head_dim " << dim << " group " << group << " page " << page_tokens;
      }
    }
  }
};

TEST_P(AttentionGranulesBytesTest, AllGranulesInOrderGiveTheBytesOfDecode) {
  for (const KvType type : {KvType::f32, KvType::f16, KvType::int8}) check_bytes({PageCodec::plain}, type);
  for (const Codecs& codecs : all_codecs()) check_bytes(codecs, KvType::f16);
}

LEOAM_KERNEL_SUITE(AttentionGranulesTest);
LEOAM_KERNEL_SUITE(AttentionGranulesBytesTest);

}  // namespace
}  // namespace leoam::kernels
