#include "tests/kernels/attention_fixture.h"

namespace leoam::kernels {
namespace {

class AttentionTokensTest : public KernelTest {
 protected:
  // Attends to the tokens of `counts` alone; all others are poisoned.
  void check(PagedKv& kv, uint32_t group, const std::vector<bool>& counts) {
    const KvLayout& layout = kv.layout();
    const uint32_t dim = layout.head_dim;
    const uint32_t n_heads = group * layout.n_kv_heads;
    const uint32_t page_granules = layout.page_tokens / kGranule_tokens;
    const float scale = 1 / std::sqrt(static_cast<float>(dim));
    ExactBuffer<float> q(size_t{n_heads} * dim);
    fill(q, -1, 1);
    std::vector<KvGranules> granules;
    ExactBuffer<uint8_t> token_masks(kv.pages().size() * page_granules);
    std::vector<int32_t> tokens;
    for (uint32_t p = 0; p < kv.pages().size(); ++p) {
      granules.push_back({kv.pages()[p].data, 0, kv.pages()[p].codec});
      for (uint32_t i = 0; i < page_granules; ++i) {
        uint32_t byte = 0;
        for (uint32_t t = 0; t < kGranule_tokens; ++t) {
          const uint32_t token = p * layout.page_tokens + i * kGranule_tokens + t;
          if (counts[token]) {
            byte |= 1u << t;
            tokens.push_back(static_cast<int32_t>(token));
          } else {
            kv.poison(token);
          }
        }
        // A granule may be named without any token.
        if (byte != 0 || random_() % 2 == 0) granules.back().mask |= 1u << i;
        token_masks[p * page_granules + i] = static_cast<uint8_t>(byte);
      }
    }
    AttentionGranulesParams params{layout,   n_heads,         scale,
                                   q.data(), granules.data(), static_cast<uint32_t>(granules.size())};
    params.token_masks = token_masks.data();
    const size_t partial = attention_partial_floats(dim);
    ExactBuffer<float> partials(group * partial), out(dim);
    for (uint32_t kv_head = 0; kv_head < layout.n_kv_heads; ++kv_head) {
      table().attention_tokens(params, kv_head, partials.data());
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
  std::vector<bool> random_tokens(const PagedKv& kv, uint32_t one_in) {
    std::vector<bool> counts(kv.n_tokens());
    for (size_t t = 0; t < counts.size(); ++t) counts[t] = random_() % one_in == 0;
    return counts;
  }
};

TEST_P(AttentionTokensTest, HeadSizesAndGroups) {
  uint32_t group = 0;
  for (const KvType type : {KvType::f32, KvType::f16, KvType::int8}) {
    for (const uint32_t dim : {1u, 3u, 16u, 63u, 64u, 65u, 80u, 96u, 128u, 256u}) {
      for (const uint32_t n : {32u, 64u, 416u, 1600u}) {
        group = group % 9 + 1;
        PagedKv kv({type, 2, dim, 32}, n, random_);
        check(kv, group, random_tokens(kv, 1 + (n + dim) % 10));
      }
    }
  }
}

TEST_P(AttentionTokensTest, PageSizes) {
  for (const uint32_t page_tokens : {16u, 32u, 48u, 64u, 256u}) {
    for (uint32_t group = 1; group <= 17; group = group < 9 ? group + 1 : group + 8) {
      PagedKv kv({KvType::f16, 1, 64, page_tokens}, page_tokens * 7, random_);
      check(kv, group, random_tokens(kv, group % 2 == 0 ? 2 : 20));
    }
  }
}

TEST_P(AttentionTokensTest, CompactPages) {
  uint32_t group = 0;
  for (const Codecs& codecs : all_codecs()) {
    for (const uint32_t dim : {3u, 40u, 63u, 64u, 65u, 80u, 128u, 256u}) {
      for (const uint32_t n : {32u, 416u, 1600u}) {
        group = group % 9 + 1;
        PagedKv kv({KvType::f16, 2, dim, 32}, n, random_, codecs);
        check(kv, group, random_tokens(kv, 1 + (n + dim) % 10));
      }
    }
    for (const uint32_t page_tokens : {16u, 48u, 128u}) {
      PagedKv kv({KvType::f32, 1, 64, page_tokens}, page_tokens * 15, random_, codecs);
      check(kv, 3, random_tokens(kv, 2));
    }
    PagedKv wide({KvType::f16, 1, 1100, 32}, 64, random_, codecs);
    check(wide, 2, random_tokens(wide, 3));
  }
}

TEST_P(AttentionTokensTest, OneTokenAndNone) {
  for (const uint32_t token : {0u, 7u, 8u, 15u, 21u, 63u}) {
    PagedKv kv({KvType::int8, 1, 64, 32}, 64, random_);
    std::vector<bool> counts(64);
    counts[token] = true;
    check(kv, 3, counts);
  }
  PagedKv kv({KvType::f16, 1, 64, 32}, 64, random_);
  check(kv, 3, std::vector<bool>(64));
}

TEST_P(AttentionTokensTest, AllTokensGiveTheBytesOfGranules) {
  std::vector<std::pair<KvType, Codecs>> kinds;
  for (const KvType type : {KvType::f32, KvType::f16, KvType::int8})
    kinds.push_back({type, {PageCodec::plain}});
  for (const Codecs& codecs : all_codecs()) kinds.push_back({KvType::f16, codecs});
  for (const auto& [type, codecs] : kinds) {
    for (uint32_t group = 1; group < 9; ++group) {
      const PagedKv kv({type, 1, 64, 32}, 32 * 29, random_, codecs);
      ExactBuffer<float> q(size_t{group} * 64);
      fill(q, -1, 1);
      std::vector<KvGranules> granules;
      for (const KvPageRef& page : kv.pages())
        granules.push_back({page.data, static_cast<uint32_t>(random_() % 16), page.codec});
      const std::vector<uint8_t> token_masks(granules.size() * 4, 0xff);
      AttentionGranulesParams params{kv.layout(), group,           0.125f,
                                     q.data(),    granules.data(), static_cast<uint32_t>(granules.size())};
      params.token_masks = token_masks.data();
      const size_t floats = group * attention_partial_floats(64);
      ExactBuffer<float> whole(floats), tokens(floats);
      table().attention_granules(params, 0, whole.data());
      table().attention_tokens(params, 0, tokens.data());
      ASSERT_EQ(std::memcmp(whole.data(), tokens.data(), floats * sizeof(float)), 0) << group;
    }
  }
}

LEOAM_KERNEL_SUITE(AttentionTokensTest);

}  // namespace
}  // namespace leoam::kernels
