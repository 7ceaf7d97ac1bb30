#include "tests/kernels/attention_fixture.h"

namespace leoam::kernels {
namespace {

class AttentionPrefillTest : public KernelTest {
 protected:
  struct Piece {
    uint32_t first_token;  // of all queries, and so its position
    uint32_t n_tokens;
    uint32_t tile_tokens;
    uint32_t first_page;
    uint32_t end_page = UINT32_MAX;
    float* state = nullptr;  // between calls with some of the pages each
  };

  // Queries of all positions of `kv`, for its last `n_queries` tokens.
  struct Queries {
    Queries(AttentionPrefillTest& test, const PagedKv& kv, uint32_t group, uint32_t n_queries)
        : n_heads(group * kv.layout().n_kv_heads),
          row(size_t{n_heads} * kv.layout().head_dim),
          first_position(static_cast<int32_t>(kv.n_tokens() - n_queries)),
          q((n_queries - 1) * (row + 5) + row) {
      test.fill(q, -1, 1);
    }
    uint32_t n_heads;
    size_t row;
    int32_t first_position;
    ExactBuffer<float> q;
  };

  static float scale_of(const PagedKv& kv) { return 1 / std::sqrt(static_cast<float>(kv.layout().head_dim)); }

  // out: rows of n_heads * head_dim + 1 floats, one a query.
  void run(const PagedKv& kv, const Queries& queries, int32_t window, const Piece& piece, float* out,
           float* log_sums = nullptr) {
    const uint32_t n_pages = static_cast<uint32_t>(kv.pages().size());
    AttentionPrefillParams params;
    params.layout = kv.layout();
    params.n_heads = queries.n_heads;
    params.scale = scale_of(kv);
    params.q = queries.q.data() + piece.first_token * (queries.row + 5);
    params.q_stride = queries.row + 5;
    params.n_tokens = piece.n_tokens;
    params.first_position = queries.first_position + static_cast<int32_t>(piece.first_token);
    params.window = window;
    params.pages = kv.pages().data() + piece.first_page;
    params.n_pages = std::min(piece.end_page, n_pages) - piece.first_page;
    params.state = piece.state;
    params.resume = piece.state && piece.first_page > 0;
    params.suspend = piece.state && piece.end_page < n_pages;
    params.out = out + piece.first_token * (queries.row + 1);
    params.out_stride = queries.row + 1;
    params.log_sums = log_sums;
    ExactBuffer<uint8_t> scratch(attention_prefill_scratch_bytes(
        kv.layout(), queries.n_heads, std::min(piece.tile_tokens, piece.n_tokens)));
    for (uint32_t head = 0; head < kv.layout().n_kv_heads; ++head) {
      for (uint32_t t = 0; t < piece.n_tokens; t += piece.tile_tokens) {
        table().attention_prefill(params, head, t, std::min(t + piece.tile_tokens, piece.n_tokens),
                                  scratch.data());
      }
    }
  }

  void check(const PagedKv& kv, uint32_t group, uint32_t n_queries, int32_t window) {
    const uint32_t dim = kv.layout().head_dim;
    const Queries queries(*this, kv, group, n_queries);
    ExactBuffer<float> out((n_queries - 1) * (queries.row + 1) + queries.row);
    ExactBuffer<float> log_sums(size_t{n_queries} * queries.n_heads);
    run(kv, queries, window, {0, n_queries, kPrefillTile_tokens, 0}, out.data(), log_sums.data());
    for (uint32_t t = 0; t < n_queries; ++t) {
      for (uint32_t head = 0; head < queries.n_heads; ++head) {
        const PagedKv::Expected expected =
            kv.attend(queries.q.data() + t * (queries.row + 5) + size_t{head} * dim, head / group,
                      scale_of(kv), queries.first_position + static_cast<int32_t>(t), window);
        ASSERT_NEAR(log_sums[size_t{t} * queries.n_heads + head], expected.log_sum,
                    expected.log_sum_tolerance);
        for (uint32_t c = 0; c < dim; ++c) {
          ASSERT_NEAR(out[t * (queries.row + 1) + size_t{head} * dim + c], expected.output[c],
                      expected.tolerance)
              << "head_dim " << dim << " group " << group << " head " << head << " channel " << c << " query "
              << t << " of " << n_queries << " tokens " << kv.n_tokens() << " window " << window << " page "
              << kv.layout().page_tokens;
        }
      }
    }
  }
};

TEST_P(AttentionPrefillTest, LengthsAndHeadSizes) {
  uint32_t group = 0;
  for (const KvType type : {KvType::f32, KvType::f16, KvType::int8}) {
    for (const uint32_t dim : {1u, 3u, 16u, 63u, 64u, 65u, 80u, 96u, 128u, 256u, 300u}) {
      for (const uint32_t n_queries : {1u, 3u, 31u, 32u, 33u, 65u}) {
        for (const uint32_t depth : {0u, 1u, 31u, 230u}) {
          if ((depth + n_queries + dim) % 3 != 0) continue;
          group = group % 9 + 1;
          const PagedKv kv({type, 1 + group % 2, dim, 32}, depth + n_queries, random_);
          check(kv, group, n_queries, 0);
        }
      }
    }
  }
}

TEST_P(AttentionPrefillTest, WindowsAndPageSizes) {
  for (const uint32_t page_tokens : {16u, 32u, 48u, 64u}) {
    for (const int32_t window : {1, 5, 40, 300}) {
      const PagedKv kv({KvType::f16, 1, 64, page_tokens}, 431, random_);
      check(kv, 3, 70, window);
      check(kv, 1, 331, window);
    }
  }
}

TEST_P(AttentionPrefillTest, PagesThatAreNotFull) {
  for (const int short_page : {0, 2, 4}) {
    const PagedKv kv({KvType::f16, 1, 64, 32}, 170, random_, 1, short_page);
    check(kv, 3, 60, 0);
    check(kv, 2, 165, 20);
  }
}

TEST_P(AttentionPrefillTest, CompactPages) {
  uint32_t group = 0;
  for (const Codecs& codecs : all_codecs()) {
    for (const uint32_t dim : {1u, 3u, 16u, 40u, 63u, 64u, 65u, 80u, 128u, 256u, 300u}) {
      group = group % 9 + 1;
      const PagedKv kv({dim % 2 == 0 ? KvType::f16 : KvType::f32, 1 + group % 2, dim, 32}, 270, random_,
                       codecs);
      check(kv, group, 1, 0);
      if (GetParam() != CpuLevel::scalar || dim <= 64) check(kv, group, 33, 0);
    }
    for (const uint32_t page_tokens : {16u, 48u, 64u}) {
      const PagedKv kv({KvType::f16, 1, 64, page_tokens}, 331, random_, codecs);
      check(kv, 3, 70, 0);
      check(kv, 1, 231, 40);
    }
  }
}

TEST_P(AttentionPrefillTest, ExtremeScores) {
  const PagedKv kv({KvType::f32, 1, 64, 32}, 300, random_, 1000);
  check(kv, 3, 40, 0);
}

TEST_P(AttentionPrefillTest, ManyRowsAtOnce) {
  const PagedKv kv({KvType::f16, 1, 64, 32}, 120, random_);
  check(kv, 20, 33, 0);
}

TEST_P(AttentionPrefillTest, SameBytesForAnyCut) {
  for (const auto& [dim, codecs] :
       std::initializer_list<std::pair<uint32_t, Codecs>>{{64, {PageCodec::plain}},
                                                          {64, all_codecs().back()},
                                                          {80, {PageCodec::plain}},
                                                          {256, {PageCodec::plain}}}) {
    if (GetParam() == CpuLevel::scalar && dim > 64) break;
    for (const int32_t window : {0, 40, 300}) {
      const PagedKv kv({KvType::f16, 1, dim, 32}, 600, random_, codecs);
      const Queries queries(*this, kv, 3, 97);
      const size_t n = 96 * (queries.row + 1) + queries.row;
      ExactBuffer<float> whole(n), pieces(n);
      run(kv, queries, window, {0, 97, 32, 0}, whole.data());
      for (const auto& [piece, tile] : {std::pair<uint32_t, uint32_t>{97, 64}, {33, 32}, {1, 32}, {50, 7}}) {
        for (uint32_t t = 0; t < 97; t += piece) {
          // What a window has left behind need not be there.
          const int32_t first_seen =
              window == 0 ? 0 : std::max(0, 503 + static_cast<int32_t>(t) - window + 1);
          run(kv, queries, window, {t, std::min(piece, 97 - t), tile, static_cast<uint32_t>(first_seen) / 32},
              pieces.data());
        }
        ASSERT_EQ(0, std::memcmp(whole.data(), pieces.data(), n * sizeof(float)))
            << "head_dim " << dim << " window " << window << " piece " << piece << " tile " << tile;
      }
    }
  }
}

TEST_P(AttentionPrefillTest, PagesInSeveralCalls) {
  std::vector<std::pair<KvType, Codecs>> kinds;
  for (const KvType type : {KvType::f16, KvType::f32, KvType::int8})
    kinds.push_back({type, {PageCodec::plain}});
  for (const Codecs& codecs : all_codecs()) kinds.push_back({KvType::f16, codecs});
  for (const auto& [type, codecs] : kinds) {
    for (const uint32_t dim : {64u, 80u, 256u}) {
      if (GetParam() == CpuLevel::scalar && dim > 64) break;
      for (const int32_t window : {0, 700}) {
        const PagedKv kv({type, 2, dim, 32}, 1100, random_, codecs);
        const Queries queries(*this, kv, 3, 75);
        const size_t n = 74 * (queries.row + 1) + queries.row;
        ExactBuffer<float> whole(n), parts(n);
        run(kv, queries, window, {0, 75, 32, 0}, whole.data());
        const uint32_t n_pages = static_cast<uint32_t>(kv.pages().size());
        ExactBuffer<float> state(75 * queries.n_heads * attention_partial_floats(dim));
        for (uint32_t page = 0; page < n_pages; page += kAttentionCut_tokens / 32)
          run(kv, queries, window,
              {0, 75, 32, page, std::min(page + kAttentionCut_tokens / 32, n_pages), state.data()},
              parts.data());
        ASSERT_EQ(0, std::memcmp(whole.data(), parts.data(), n * sizeof(float)))
            << "head_dim " << dim << " window " << window;
      }
    }
  }
}

TEST_P(AttentionPrefillTest, AgreesWithDecode) {
  for (const int32_t window : {0, 40}) {
    const PagedKv kv({KvType::f16, 1, 64, 32}, 500, random_);
    const Queries queries(*this, kv, 3, 1);
    ExactBuffer<float> out(queries.row + 1), decoded(64);
    run(kv, queries, window, {0, 1, 32, 0}, out.data());
    ExactBuffer<float> q(queries.row);
    std::memcpy(q.data(), queries.q.data(), queries.row * sizeof(float));
    const size_t partial = attention_partial_floats(64);
    ExactBuffer<float> partials(3 * partial);
    const uint32_t n_pages = static_cast<uint32_t>(kv.pages().size());
    table().attention_decode(
        {kv.layout(), 3, scale_of(kv), q.data(), 499, window, kv.pages().data(), n_pages}, 0, 0, n_pages,
        partials.data());
    for (uint32_t head = 0; head < 3; ++head) {
      const double tolerance = 2 * kv.attend(q.data() + head * 64, 0, scale_of(kv), 499, window).tolerance;
      table().attention_merge(partials.data() + head * partial, 1, partial, 64, decoded.data());
      for (uint32_t c = 0; c < 64; ++c) EXPECT_NEAR(out[head * 64 + c], decoded[c], tolerance);
    }
  }
}

LEOAM_KERNEL_SUITE(AttentionPrefillTest);

}  // namespace
}  // namespace leoam::kernels
