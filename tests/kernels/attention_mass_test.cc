#include "tests/kernels/attention_fixture.h"

namespace leoam::kernels {
namespace {

class AttentionMassTest : public KernelTest {
 protected:
  struct Masses {
    explicit Masses(const PagedKv& kv) : stride(kv.n_tokens() + 3), all(stride * kv.layout().n_kv_heads) {}
    size_t stride;
    ExactBuffer<float> all;
  };

  // The last n_queries tokens of `kv` are queries; pages of `skipped` are not given.
  AttentionMassParams params(const PagedKv& kv, uint32_t group, uint32_t n_queries, Masses& masses,
                             const std::vector<bool>& skipped = {}) {
    AttentionMassParams params;
    params.layout = kv.layout();
    params.n_heads = group * kv.layout().n_kv_heads;
    params.scale = 1 / std::sqrt(static_cast<float>(kv.layout().head_dim));
    params.q_stride = size_t{params.n_heads} * kv.layout().head_dim + 5;
    params.n_tokens = n_queries;
    params.first_position = static_cast<int32_t>(kv.n_tokens() - n_queries);
    params.mass_stride = masses.stride;
    q_ = std::make_unique<ExactBuffer<float>>(params.q_stride * n_queries);
    log_sums_ = std::make_unique<ExactBuffer<float>>(size_t{n_queries} * params.n_heads);
    fill(*q_, -1, 1);
    params.q = q_->data();
    for (uint32_t t = 0; t < n_queries; ++t)
      for (uint32_t h = 0; h < params.n_heads; ++h)
        (*log_sums_)[size_t{t} * params.n_heads + h] = static_cast<float>(
            kv.attend(query(params, t, h), h / group, params.scale, position(params, t), 0).log_sum);
    params.log_sums = log_sums_->data();
    pages_.clear();
    for (size_t p = 0; p < kv.pages().size(); ++p)
      if (p >= skipped.size() || !skipped[p])
        pages_.push_back({kv.pages()[p], masses.all.data() + kv.pages()[p].first_position});
    params.pages = pages_.data();
    return params;
  }
  static const float* query(const AttentionMassParams& params, uint32_t t, uint32_t h) {
    return params.q + t * params.q_stride + size_t{h} * params.layout.head_dim;
  }
  static int32_t position(const AttentionMassParams& params, uint32_t t) {
    return params.first_position + static_cast<int32_t>(t);
  }
  void run(const AttentionMassParams& params, uint32_t page_begin, uint32_t page_end) {
    ExactBuffer<uint8_t> scratch(
        attention_prefill_scratch_bytes(params.layout, params.n_heads, kPrefillTile_tokens));
    for (uint32_t head = 0; head < params.layout.n_kv_heads; ++head)
      table().attention_mass(params, head, page_begin, page_end, scratch.data());
  }

  // less: by so much the log sums are below those of all tokens.
  void check(const PagedKv& kv, uint32_t group, uint32_t n_queries, const std::vector<bool>& skipped = {},
             float less = 0) {
    Masses masses(kv);
    const AttentionMassParams params = this->params(kv, group, n_queries, masses, skipped);
    for (size_t i = 0; i < log_sums_->size(); ++i) (*log_sums_)[i] -= less;
    std::vector<float> before(masses.all.size());
    // Some evicted, here and there a whole strip.
    for (size_t i = 0; i < before.size(); ++i)
      before[i] = masses.all[i] = random_() % 4 == 0 || i / 16 % 3 == 1 ? -1.0f : uniform(0, 2);
    run(params, 0, static_cast<uint32_t>(pages_.size()));
    for (uint32_t head = 0; head < kv.layout().n_kv_heads; ++head) {
      for (const AttentionMassPage& page : pages_) {
        for (int32_t slot = 0; slot < page.page.n_tokens; ++slot) {
          const int32_t token = page.page.first_position + slot;
          const size_t at = head * masses.stride + static_cast<size_t>(token);
          if (before[at] < 0) {
            ASSERT_EQ(masses.all[at], before[at]);
            continue;
          }
          double expected = double{before[at]};
          double tolerance = expected * 2 * kEpsilon;
          for (uint32_t t = 0; t < n_queries; ++t) {
            if (position(params, t) < token) continue;
            for (uint32_t h = head * group; h < (head + 1) * group; ++h) {
              const PagedKv::Score score = kv.score(query(params, t, h), head, params.scale, token);
              const double log_sum = double{params.log_sums[size_t{t} * params.n_heads + h]};
              const double share = std::min(1.0, std::exp(score.value - log_sum));
              expected += share / group;
              // A score is as in attention, its difference from the sum has two roundings of each; shares are
              // added one by one.
              const double exponent =
                  ((params.layout.head_dim + 8) * score.size + 4 * std::fabs(log_sum)) * kEpsilon;
              tolerance += share / group * (std::expm1(exponent) + (group * n_queries + 12) * kEpsilon);
            }
          }
          ASSERT_NEAR(masses.all[at], expected, tolerance + 1e-37)
              << "head_dim " << kv.layout().head_dim << " group " << group << " queries " << n_queries
              << " token " << token << " of " << kv.n_tokens() << " page " << kv.layout().page_tokens;
        }
      }
    }
    // What lies between is not touched.
    for (size_t i = 0; i < before.size(); ++i) {
      const size_t token = i % masses.stride;
      const bool given =
          token < kv.n_tokens() && (skipped.empty() || !skipped[token / kv.layout().page_tokens]);
      if (!given) {
        ASSERT_EQ(masses.all[i], before[i]) << i;
      }
    }
  }

  std::unique_ptr<ExactBuffer<float>> q_;
  std::unique_ptr<ExactBuffer<float>> log_sums_;
  std::vector<AttentionMassPage> pages_;
};

TEST_P(AttentionMassTest, HeadSizesAndGroups) {
  uint32_t group = 0;
  for (const KvType type : {KvType::f32, KvType::f16, KvType::int8}) {
    for (const uint32_t dim : {1u, 3u, 63u, 64u, 65u, 80u, 128u, 256u, 320u}) {
      for (const uint32_t n : {5u, 32u, 100u, 200u}) {
        group = group % 9 + 1;
        const PagedKv kv({type, 2, dim, 32}, n, random_);
        check(kv, group, 1);
        check(kv, group, n < 37 ? n : 37);
      }
    }
  }
}

TEST_P(AttentionMassTest, PageSizesAndLargeGroups) {
  for (const uint32_t page_tokens : {16u, 48u, 64u, 128u}) {
    for (const uint32_t group : {1u, 5u, 12u, 17u}) {
      const PagedKv kv({KvType::f16, 1, 64, page_tokens}, page_tokens * 5 - 3, random_);
      check(kv, group, 40);
    }
  }
}

TEST_P(AttentionMassTest, CompactPages) {
  uint32_t group = 0;
  for (const Codecs& codecs : all_codecs()) {
    for (const uint32_t dim : {3u, 40u, 63u, 64u, 65u, 128u, 256u}) {
      group = group % 9 + 1;
      const PagedKv kv({KvType::f16, 2, dim, 32}, 200, random_, codecs);
      check(kv, group, 1);
      check(kv, group, 37);
    }
    for (const uint32_t page_tokens : {16u, 48u, 128u}) {
      const PagedKv kv({KvType::f32, 1, 64, page_tokens}, page_tokens * 5 - 3, random_, codecs);
      check(kv, 3, 40);
    }
  }
}

TEST_P(AttentionMassTest, SomePagesAlone) {
  for (const KvType type : {KvType::f16, KvType::int8}) {
    const PagedKv kv({type, 2, 64, 32}, 1000, random_);
    std::vector<bool> skipped(32);
    for (size_t p = 1; p < skipped.size() - 1; ++p) skipped[p] = random_() % 3 != 0;
    check(kv, 3, 1, skipped);
    check(kv, 3, 50, skipped);
  }
}

// Of tokens that a query has not attended to a share may come out above 1.
TEST_P(AttentionMassTest, NoShareIsAboveOne) {
  for (const float less : {4.0f, 30.0f, 1000.0f}) {
    const PagedKv kv({KvType::f16, 2, 64, 32}, 200, random_);
    check(kv, 3, 20, {}, less);
  }
}

TEST_P(AttentionMassTest, AnySplitOfThePagesGivesTheSameBytes) {
  const PagedKv kv({KvType::f16, 2, 64, 32}, 900, random_);
  Masses masses(kv);
  const AttentionMassParams params = this->params(kv, 3, 90, masses);
  const auto n_pages = static_cast<uint32_t>(pages_.size());
  std::memset(masses.all.data(), 0, masses.all.size() * sizeof(float));
  run(params, 0, n_pages);
  std::vector<float> whole(masses.all.data(), masses.all.data() + masses.all.size());
  for (const uint32_t step : {1u, 3u, 8u, 16u}) {
    std::memset(masses.all.data(), 0, masses.all.size() * sizeof(float));
    for (uint32_t p = 0; p < n_pages; p += step) run(params, p, std::min(p + step, n_pages));
    ASSERT_EQ(std::memcmp(whole.data(), masses.all.data(), whole.size() * sizeof(float)), 0) << step;
  }
}

LEOAM_KERNEL_SUITE(AttentionMassTest);

}  // namespace
}  // namespace leoam::kernels
