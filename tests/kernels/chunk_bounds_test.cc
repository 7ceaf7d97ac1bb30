#include "kernels/chunk_bounds/chunk_bounds.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>

#include "tests/kernels/page_fixture.h"

namespace leoam::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

ChunkHeader header_of(const uint8_t* record) {
  ChunkHeader header;
  std::memcpy(&header, record, sizeof header);
  return header;
}
// Products of 8 and 24 bits are exact in double.
double mean_key(const ChunkLayout& layout, const uint8_t* record, uint32_t c) {
  return double{header_of(record).key_scale} * static_cast<int8_t>(record[layout.mean_key_offset() + c]);
}
double mean_value(const ChunkLayout& layout, const uint8_t* record, uint32_t c) {
  return double{header_of(record).value_scale} * static_cast<int8_t>(record[layout.mean_value_offset() + c]);
}
double above(const ChunkLayout& layout, const uint8_t* record, uint32_t c) {
  return double{chunk_spread(header_of(record).spread_base, record[layout.above_offset() + c])};
}
double below(const ChunkLayout& layout, const uint8_t* record, uint32_t c) {
  return double{chunk_spread(header_of(record).spread_base, record[layout.below_offset() + c])};
}

class ChunkBoundsTest : public KernelTest {
 protected:
  using Record = std::unique_ptr<ExactBuffer<uint8_t>>;

  Record record_of(const Page& page, uint32_t head) {
    const ChunkLayout layout{page.layout().head_dim};
    Record record = std::make_unique<ExactBuffer<uint8_t>>(layout.record_bytes());
    ExactBuffer<uint8_t> expected(layout.record_bytes());
    table().chunk_of_page(page.layout(), page.data(), head, record->data());
    chunk_of_page_scalar(page.layout(), page.data(), head, expected.data());
    EXPECT_EQ(std::memcmp(record->data(), expected.data(), expected.size()), 0)
        << "head_dim " << layout.head_dim << " page_tokens " << page.layout().page_tokens;
    return record;
  }
  Record merged(const ChunkLayout& layout, const std::vector<const uint8_t*>& children) {
    Record record = std::make_unique<ExactBuffer<uint8_t>>(layout.record_bytes());
    table().chunk_merge(layout, children.data(), static_cast<uint32_t>(children.size()), record->data());
    return record;
  }
  static void expect_holds(const uint8_t* record, const Page& page, uint32_t head) {
    const ChunkLayout layout{page.layout().head_dim};
    for (uint32_t c = 0; c < layout.head_dim; ++c) {
      for (uint32_t t = 0; t < page.layout().page_tokens; ++t) {
        // A difference of floats in double is exact to 2^-53 of itself, a spread's margin is 2^-22.
        const double distance = double{page.key(head, c, t)} - mean_key(layout, record, c);
        ASSERT_LE(distance, above(layout, record, c)) << "channel " << c << " token " << t;
        ASSERT_LE(-distance, below(layout, record, c)) << "channel " << c << " token " << t;
      }
    }
  }
  // Scores every key of the page with the attention kernel itself, one by one.
  std::vector<float> attention_scores(const Page& page, uint32_t head, const float* q, float scale) {
    const KvLayout& layout = page.layout();
    ExactBuffer<float> queries(size_t{layout.n_kv_heads} * layout.head_dim);
    for (size_t i = 0; i < queries.size(); ++i) queries[i] = q[i % layout.head_dim];
    ExactBuffer<float> partial(attention_partial_floats(layout.head_dim));
    const KvPageRef ref{page.data(), 0, static_cast<int32_t>(layout.page_tokens)};
    std::vector<float> scores;
    for (uint32_t t = 0; t < layout.page_tokens; ++t) {
      const AttentionDecodeParams params{
          layout, layout.n_kv_heads, scale, queries.data(), static_cast<int32_t>(t), 1, &ref, 1};
      table().attention_decode(params, head, 0, 1, partial.data());
      scores.push_back(partial[kPartialMaximum]);
    }
    return scores;
  }
  // Every key's exact score and the one that attention computes are within the bounds.
  void expect_bounds(const uint8_t* record, const Page& page, uint32_t head, uint32_t group, float size) {
    const uint32_t dim = page.layout().head_dim;
    const float scale = 1 / std::sqrt(static_cast<float>(dim));
    ExactBuffer<float> raw(size_t{group} * dim), q(size_t{group} * dim);
    fill(raw, -size, size);
    if (dim > 4) raw[3] = 0;
    for (size_t i = 0; i < q.size(); ++i) q[i] = raw[i] * scale;
    ExactBuffer<float> upper(group), lower(group);
    table().chunk_score({{dim}, group, q.data(), &record, 1, upper.data(), lower.data()});
    for (uint32_t g = 0; g < group; ++g) {
      const std::vector<float> scores = attention_scores(page, head, raw.data() + size_t{g} * dim, scale);
      for (uint32_t t = 0; t < page.layout().page_tokens; ++t) {
        double exact = 0;
        double scaled = 0;
        for (uint32_t c = 0; c < dim; ++c) {
          exact += double{q[g * dim + c]} * double{page.key(head, c, t)};
          scaled += double{raw[g * dim + c]} * double{page.key(head, c, t)} * double{scale};
        }
        ASSERT_LE(exact, double{upper[g]});
        ASSERT_GE(exact, double{lower[g]});
        ASSERT_LE(scaled, double{upper[g]});
        ASSERT_GE(scaled, double{lower[g]});
        ASSERT_LE(scores[t], upper[g]);
        ASSERT_GE(scores[t], lower[g]);
      }
    }
  }
};

// Values where rounding has most to go wrong.
float adversarial(std::mt19937& random, int kind) {
  std::uniform_real_distribution<float> uniform(-1, 1);
  const float x = uniform(random);
  switch (kind) {
    case 0:
      return x;
    case 1:  // large middle, small width
      return 1000 + x;
    case 2:  // all sizes
      return std::ldexp(x, static_cast<int>(random() % 30) - 20);
    case 3:  // the ends of f16, subnormal numbers
      return random() % 3 == 0 ? 65504.0f * (x > 0 ? 1.0f : -1.0f)
                               : x * 6e-8f * static_cast<float>(random() % 5);
    case 4:  // just beside powers of two
      return std::nextafter(std::ldexp(x > 0 ? 1.0f : -1.0f, static_cast<int>(random() % 8)), x * 1e9f);
    case 5:  // constant
      return 0.1f;
    case 6:  // two values
      return random() % 2 == 0 ? 3.14159f : -2.71828f;
    default:
      return 0;
  }
}
constexpr int kKinds = 8;

TEST_P(ChunkBoundsTest, EveryKeyIsWithinTheBoundsOfItsPage) {
  for (const KvType type : {KvType::f16, KvType::f32, KvType::int8}) {
    for (const uint32_t page_tokens : {16u, 32u, 48u, 128u}) {
      for (const uint32_t dim : {1u, 5u, 16u, 63u, 64u, 80u, 128u, 256u}) {
        Page page({type, 2, dim, page_tokens});
        for (int round = 0; round < kKinds + 2; ++round) {
          for (uint32_t head = 0; head < 2; ++head) {
            for (uint32_t c = 0; c < dim; ++c) {
              const int kind = round < kKinds ? round : static_cast<int>(random_() % kKinds);
              for (uint32_t t = 0; t < page_tokens; ++t) {
                page.set_key(head, c, t, adversarial(random_, kind));
                page.set_value(head, c, t, adversarial(random_, kind));
              }
            }
          }
          for (uint32_t head = 0; head < 2; ++head) {
            const Record record = record_of(page, head);
            EXPECT_EQ(header_of(record->data()).n_tokens, page_tokens);
            expect_holds(record->data(), page, head);
            if (HasFatalFailure()) return;
          }
        }
      }
    }
  }
}

TEST_P(ChunkBoundsTest, BoundsAreCloseAndMeansAreMeans) {
  for (const uint32_t dim : {64u, 80u}) {
    Page page({KvType::f16, 1, dim, 32});
    fill_page(page, random_);
    const Record record = record_of(page, 0);
    const ChunkLayout layout{dim};
    const ChunkHeader header = header_of(record->data());
    // The least spread that the base allows.
    const double floor = double{chunk_spread(header.spread_base, 0)};
    for (uint32_t c = 0; c < dim; ++c) {
      double least = 1e30, greatest = -1e30, key = 0, value = 0;
      for (uint32_t t = 0; t < 32; ++t) {
        const double x = double{page.key(0, c, t)};
        least = std::min(least, x);
        greatest = std::max(greatest, x);
        key += x / 32;
        value += double{page.value(0, c, t)} / 32;
      }
      EXPECT_NEAR(mean_key(layout, record->data(), c), key, 0.501 * double{header.key_scale});
      EXPECT_NEAR(mean_value(layout, record->data(), c), value, 0.501 * double{header.value_scale});
      // 4 bits of mantissa: at most 1/16 more; and the margin of roundings.
      const double mean = mean_key(layout, record->data(), c);
      EXPECT_LE(above(layout, record->data(), c), (greatest - mean) * (1 + 1.0 / 16) + 1e-4 + floor);
      EXPECT_LE(below(layout, record->data(), c), (mean - least) * (1 + 1.0 / 16) + 1e-4 + floor);
    }
  }
}

TEST_P(ChunkBoundsTest, ParentsHoldWhatTheirChildrenHold) {
  for (const uint32_t dim : {5u, 64u, 80u, 128u}) {
    const ChunkLayout layout{dim};
    std::vector<std::unique_ptr<Page>> pages;
    std::vector<Record> records;
    std::vector<std::pair<size_t, size_t>> covers;  // pages [first, end) of a record
    for (size_t p = 0; p < 13; ++p) {
      pages.push_back(std::make_unique<Page>(KvLayout{p % 2 == 0 ? KvType::f16 : KvType::f32, 1, dim, 32}));
      for (uint32_t c = 0; c < dim; ++c) {
        for (uint32_t t = 0; t < 32; ++t) {
          pages[p]->set_key(0, c, t, adversarial(random_, static_cast<int>(p) % 7));
          pages[p]->set_value(0, c, t, static_cast<float>(p) + uniform(-1, 1));
        }
      }
      records.push_back(record_of(*pages[p], 0));
      covers.emplace_back(p, p + 1);
    }
    size_t begin = 0;
    for (const size_t fan : {2u, 3u, 4u}) {
      const size_t end = records.size();
      for (size_t i = begin; i < end; i += fan) {
        std::vector<const uint8_t*> children;
        for (size_t k = i; k < std::min(i + fan, end); ++k) children.push_back(records[k]->data());
        const size_t last = std::min(i + fan, end) - 1;
        records.push_back(merged(layout, children));
        covers.emplace_back(covers[i].first, covers[last].second);
      }
      begin = end;
    }
    for (size_t i = 0; i < records.size(); ++i) {
      const auto [first, last] = covers[i];
      const ChunkHeader header = header_of(records[i]->data());
      EXPECT_EQ(header.n_tokens, (last - first) * 32);
      for (size_t p = first; p < last; ++p) {
        expect_holds(records[i]->data(), *pages[p], 0);
        expect_bounds(records[i]->data(), *pages[p], 0, 3, 2);
        if (HasFatalFailure()) return;
      }
      for (uint32_t c = 0; c < dim; ++c) {
        double value = 0;
        for (size_t p = first; p < last; ++p) {
          for (uint32_t t = 0; t < 32; ++t) {
            value += double{pages[p]->value(0, c, t)} / (32.0 * static_cast<double>(last - first));
          }
        }
        // Half a unit of each of at most four levels; a parent's unit is not above its children's greatest.
        EXPECT_NEAR(mean_value(layout, records[i]->data(), c), value, 4 * 0.51 * 14.0 / 127);
      }
    }
  }
}

TEST_P(ChunkBoundsTest, MergingAgreesWithTheReference) {
  for (const uint32_t dim : {1u, 63u, 64u, 256u}) {
    const ChunkLayout layout{dim};
    std::vector<Record> records;
    std::vector<const uint8_t*> children;
    for (int p = 0; p < 5; ++p) {
      Page page({KvType::f16, 1, dim, 16});
      fill_page(page, random_, 1 + static_cast<float>(p));
      records.push_back(record_of(page, 0));
      children.push_back(records.back()->data());
    }
    for (uint32_t n = 1; n <= 5; ++n) {
      ExactBuffer<uint8_t> record(layout.record_bytes()), expected(layout.record_bytes());
      table().chunk_merge(layout, children.data(), n, record.data());
      chunk_merge_scalar(layout, children.data(), n, expected.data());
      EXPECT_EQ(std::memcmp(record.data(), expected.data(), record.size()), 0)
          << "dim " << dim << " of " << n;
    }
  }
}

TEST_P(ChunkBoundsTest, ScoresOfEveryKeyAreWithinTheBounds) {
  uint32_t group = 0;
  for (const KvType type : {KvType::f16, KvType::f32, KvType::int8}) {
    for (const uint32_t dim : {1u, 5u, 16u, 63u, 64u, 80u, 128u, 256u}) {
      for (int kind = 0; kind < kKinds; ++kind) {
        group = group % 9 + 1;
        Page page({type, 1, dim, 16});
        for (uint32_t c = 0; c < dim; ++c) {
          for (uint32_t t = 0; t < 16; ++t) {
            page.set_key(0, c, t, adversarial(random_, kind));
            page.set_value(0, c, t, 0);
          }
        }
        const Record record = record_of(page, 0);
        for (const float size : {1e-20f, 1.0f, 1000.0f}) expect_bounds(record->data(), page, 0, group, size);
        if (HasFatalFailure()) return;
      }
    }
  }
}

// Equal keys, whose bounds are as close as can be, and queries whose sum is rounded in one direction at every
// step.
TEST_P(ChunkBoundsTest, ScoresAreWithinTheBoundsHoweverTheyRound) {
  for (const uint32_t dim : {64u, 256u, 1024u}) {
    for (const float part : {0.55f, 0.75f, 1.25f, 1.45f}) {
      for (const float sign : {1.0f, -1.0f}) {
        Page page({KvType::f32, 1, dim, 16});
        ExactBuffer<float> q(dim);
        for (uint32_t c = 0; c < dim; ++c) {
          q[c] = sign * (c == 0 ? 1.0f : part * 0x1p-23f);
          for (uint32_t t = 0; t < 16; ++t) {
            page.set_key(0, c, t, 1);
            page.set_value(0, c, t, 0);
          }
        }
        const Record record = record_of(page, 0);
        const uint8_t* list = record->data();
        float upper, lower;
        table().chunk_score({{dim}, 1, q.data(), &list, 1, &upper, &lower});
        double exact = 0;
        for (uint32_t c = 0; c < dim; ++c) exact += double{q[c]};
        EXPECT_LE(exact, double{upper}) << dim << " " << part;
        EXPECT_GE(exact, double{lower}) << dim << " " << part;
        const float score = attention_scores(page, 0, q.data(), 1)[0];
        EXPECT_LE(score, upper) << dim << " " << part;
        EXPECT_GE(score, lower) << dim << " " << part;
      }
    }
  }
}

TEST_P(ChunkBoundsTest, ScoresAgreeWithTheReference) {
  for (const uint32_t dim : {1u, 5u, 63u, 64u, 65u, 128u, 256u}) {
    for (const uint32_t group : {1u, 2u, 3u, 4u, 7u, 8u, 9u}) {
      std::vector<Record> records;
      std::vector<const uint8_t*> list;
      for (int i = 0; i < 5; ++i) {
        Page page({KvType::f16, 1, dim, 16});
        fill_page(page, random_, 1 + static_cast<float>(i));
        records.push_back(record_of(page, 0));
        list.push_back(records.back()->data());
      }
      ExactBuffer<float> q(size_t{group} * dim), upper(5 * group), lower(5 * group);
      ExactBuffer<float> upper2(5 * group), lower2(5 * group);
      fill(q, -0.5f, 0.5f);
      const ChunkLayout layout{dim};
      table().chunk_score({layout, group, q.data(), list.data(), 5, upper.data(), lower.data()});
      chunk_score_scalar({layout, group, q.data(), list.data(), 5, upper2.data(), lower2.data()});
      for (uint32_t i = 0; i < 5 * group; ++i) {
        const uint8_t* record = list[i / group];
        double size = 0;
        for (uint32_t c = 0; c < dim; ++c) {
          size +=
              double{std::fabs(q[i % group * dim + c])} *
              (std::fabs(mean_key(layout, record, c)) + above(layout, record, c) + below(layout, record, c));
        }
        // Two chains of head_dim roundings each.
        const double tolerance = 2 * (2 * dim + 8) * kEpsilon * size;
        ASSERT_NEAR(upper[i], upper2[i], tolerance);
        ASSERT_NEAR(lower[i], lower2[i], tolerance);
      }
      ExactBuffer<float> alone(5 * group);
      table().chunk_score({layout, group, q.data(), list.data(), 5, alone.data()});
      for (uint32_t i = 0; i < 5 * group; ++i) ASSERT_EQ(alone[i], upper[i]);
    }
  }
}

TEST_P(ChunkBoundsTest, KeysThatAreNotFiniteHaveNoBounds) {
  const ChunkLayout layout{64};
  for (const float bad : {kInfinity, -kInfinity, std::nanf(""), 2e30f}) {
    Page page({KvType::f32, 1, 64, 32}), good({KvType::f32, 1, 64, 32});
    fill_page(page, random_);
    fill_page(good, random_);
    page.set_key(0, 17, 5, bad);
    const Record record = record_of(page, 0);
    const Record fine = record_of(good, 0);
    const Record parent = merged(layout, {fine->data(), record->data()});
    EXPECT_EQ(header_of(record->data()).spread_base, kUnboundedChunk);
    EXPECT_EQ(header_of(parent->data()).spread_base, kUnboundedChunk);
    EXPECT_NE(header_of(fine->data()).spread_base, kUnboundedChunk);
    ExactBuffer<float> q(2 * 64), upper(4), lower(4);
    fill(q, -1, 1);
    const uint8_t* list[] = {record->data(), parent->data()};
    table().chunk_score({layout, 2, q.data(), list, 2, upper.data(), lower.data()});
    for (uint32_t i = 0; i < 4; ++i) {
      EXPECT_EQ(upper[i], kInfinity);
      EXPECT_EQ(lower[i], -kInfinity);
    }
  }
}

TEST_P(ChunkBoundsTest, ValuesThatAreNotFiniteChangeTheirOwnChannelAlone) {
  Page page({KvType::f16, 1, 64, 32});
  fill_page(page, random_);
  for (uint32_t t = 0; t < 32; ++t) page.set_value(0, 11, t, 0.01f);
  const Record before = record_of(page, 0);
  page.set_value(0, 11, 3, std::nanf(""));
  page.set_value(0, 11, 4, kInfinity);
  const Record after = record_of(page, 0);
  EXPECT_EQ(std::memcmp(before->data(), after->data(), before->size()), 0);
}

LEOAM_KERNEL_SUITE(ChunkBoundsTest);

}  // namespace
}  // namespace leoam::kernels
