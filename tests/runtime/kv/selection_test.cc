// What policies claim of their selections, against the attention of all tokens.
#include <algorithm>

#include "runtime/kv/policy/chunk_search.h"
#include "tests/runtime/kv/selection_check.h"
#include "tests/support/sanitized.h"

namespace leoam {
namespace {

using testing::SelectionCheck;

constexpr kernels::KvLayout kLayout = {kernels::KvType::f16, 2, 16, 16};

enum class Data { independent, clustered, outliers };

uint32_t below(std::mt19937& random, uint32_t n) {
  return static_cast<uint32_t>(random() % n);
}

void fill(SelectionCheck& check, Data data, uint32_t n_pages, std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> centre(kLayout.n_kv_heads * kLayout.head_dim);
  for (uint32_t page = 0; page < n_pages; ++page)
    check.add_page([&](uint32_t token, uint32_t head, uint32_t channel) {
      float& middle = centre[head * kLayout.head_dim + channel];
      if (token % 48 == 0 || page == 0) middle = normal(random);
      switch (data) {
        case Data::independent:
          return 1.5f * normal(random);
        case Data::clustered:
          return 2 * middle + 0.1f * normal(random);
        default:
          return below(random, 50) == 0 ? 20 * normal(random) : 0.3f * normal(random);
      }
    });
  check.summarize();
}

std::vector<float> query(const SelectionCheck& check, uint32_t n_tokens, std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> q(size_t{check.n_heads()} * kLayout.head_dim);
  // Some heads are flat, some look for one token.
  for (uint32_t head = 0; head < check.n_heads(); ++head) {
    const uint32_t token = below(random, n_tokens);
    const float weight = static_cast<float>(below(random, 5));
    for (uint32_t c = 0; c < kLayout.head_dim; ++c)
      q[head * kLayout.head_dim + c] =
          weight * check.key(token, head / SelectionCheck::kGroup, c) + normal(random);
  }
  return q;
}

void set_masses(SelectionCheck& check, std::mt19937& random) {
  for (uint32_t head = 0; head < kLayout.n_kv_heads; ++head)
    for (uint32_t token = 0; token < check.n_tokens(); ++token)
      check.mass(head, token) = static_cast<float>(below(random, 100));
}

std::unique_ptr<Policy> make(SelectionCheck& check, std::string_view name, double breadth = 12) {
  PolicyOptions options;
  options.name = name;
  options.breadth = breadth;
  return std::move(create_policy(options, check.means())).value();
}

// A selection for each head of each call.
constexpr uint64_t kSelections = testing::kSanitized ? 100'000 : 1'000'000;

TEST(Selection, CoverageNeverExceedsTheTruth) {
  std::mt19937 random(1);
  uint64_t n = 0;
  uint64_t n_useful = 0;
  while (n < kSelections) {
    for (const Data data : {Data::independent, Data::clustered, Data::outliers}) {
      SelectionCheck check(kLayout, 1 + below(random, 16));
      const uint32_t n_pages = 3 + below(random, 40);
      fill(check, data, n_pages, random);
      std::vector<std::unique_ptr<Policy>> policies;
      for (const std::string_view name : policy_names())
        if (name != "exact") policies.push_back(make(check, name, 0.5 + below(random, 8)));
      for (int round = 0; round < 60; ++round) {
        check.ask(query(check, n_pages * kLayout.page_tokens, random));
        for (int budget = 0; budget < 10; ++budget) {
          if (budget % 4 == 0) set_masses(check, random);
          for (const auto& policy : policies) {
            const double floor = budget % 3 == 0 ? 0.1 * below(random, 10) : 0;
            check.select(*policy, below(random, n_pages * kLayout.page_tokens), floor);
            for (uint32_t head = 0; head < check.n_heads(); ++head) {
              ASSERT_LE(check.coverage(head), check.true_share(head) * (1 + 1e-6));
              ASSERT_GE(check.coverage(head), floor - 1e-6);
              n_useful += check.coverage(head) > 0.5 ? 1 : 0;
            }
            n += check.n_heads();
          }
        }
      }
    }
  }
  // It says something too.
  EXPECT_GT(n_useful, n / 10);
}

TEST(Selection, AFloorNearOneSelectsEverything) {
  std::mt19937 random(2);
  SelectionCheck check(kLayout);
  fill(check, Data::independent, 30, random);
  check.ask(query(check, 480, random));
  const auto policy = make(check, "leoam");
  check.select(*policy, 64, 0.999999);
  for (const Selection::Head& head : check.selection().heads) EXPECT_EQ(head.granules.size(), 28u);
}

// Of all chunks that were not opened no token weighs more than any of those that were opened: the same pages
// as from looking at each, by fewer bounds.
TEST(Selection, TheSearchOpensWhatLookingAtAllChunksWould) {
  std::mt19937 random(3);
  for (int round = 0; round < 20; ++round) {
    for (const Data data : {Data::independent, Data::clustered}) {
      SelectionCheck check(kLayout);
      const uint32_t n_pages = 100 + below(random, 300);
      fill(check, data, n_pages, random);
      const std::vector<float> q = query(check, n_pages * kLayout.page_tokens, random);
      const std::vector<float> maximum(check.n_heads(), 0), sum(check.n_heads(), 1);
      SelectionQuery query;
      query.n_heads = check.n_heads();
      query.fixed = {q.data(), maximum.data(), sum.data()};
      query.first_page = 1 + below(random, 3);
      query.end_page = n_pages - below(random, 5);
      PassHolds holds;
      AbstractReader reader(check.tiers(), check.abstracts(), &holds, nullptr);
      for (uint32_t leaf = 0; leaf < 3; ++leaf) {
        ChunkSearch search;
        search.begin(query, check.abstracts(), 0, q.data(), leaf, 24);
        while (!search.advance(check.kernels(), reader))
          ASSERT_TRUE(reader.hold(AbstractPart::records, search.needed()).ok());
        uint32_t n_found = 0;
        float least_open = INFINITY;
        for (const ChunkSearch::Found& found : search.open()) {
          least_open = std::min(least_open, found.most);
          n_found += found.chunk.n_pages();
          EXPECT_LE(found.chunk.level, leaf);
        }
        EXPECT_GE(n_found, 24u);
        for (const ChunkSearch::Found& found : search.closed()) {
          EXPECT_LE(found.most, least_open);
          n_found += found.chunk.n_pages();
        }
        EXPECT_EQ(n_found, query.end_page - query.first_page);
        EXPECT_LT(static_cast<double>(search.n_evaluated()), (leaf == 0 ? 1.4 : 0.5) * n_found);
      }
    }
  }
}

TEST(LayerAbstractsTest, GoThroughBytesAndBack) {
  std::mt19937 random(4);
  SelectionCheck check(kLayout, 7);
  fill(check, Data::independent, 16 * 5 + 3, random);
  const LayerAbstracts& all = check.abstracts();
  const std::vector<uint8_t> bytes = all.encode();
  const auto blocks = [&] {
    std::array<std::vector<PageHandle>, kAbstractParts> out;
    for (const AbstractPart part : {AbstractPart::records, AbstractPart::codes})
      out[static_cast<size_t>(part)].assign(all.blocks(part).begin(), all.blocks(part).end());
    return out;
  };
  LayerAbstracts back = check.make_abstracts();
  ASSERT_TRUE(back.adopt(bytes, 83, {}, blocks()).ok());
  EXPECT_EQ(back.n_pages(), 83u);
  const size_t record_bytes = all.chunk_layout().record_bytes();
  for (uint32_t level = 0; level <= 3; ++level)
    for (uint32_t i = 0; i < 83u >> (2 * level); ++i)
      for (uint32_t head = 0; head < 2; ++head)
        ASSERT_EQ(std::memcmp(all.record({level, i}, head), back.record({level, i}, head), record_bytes), 0)
            << level << ' ' << i;
  for (uint32_t head = 0; head < 2; ++head)
    EXPECT_TRUE(std::ranges::equal(all.channels(head), back.channels(head)));

  // What does not fit is refused, and changes nothing.
  LayerAbstracts other = check.make_abstracts();
  EXPECT_EQ(other.adopt(bytes, 82, {}, blocks()).kind(), ErrorKind::corrupt);
  for (size_t n = 0; n < bytes.size(); n += 1 + n / 3)
    EXPECT_EQ(other.adopt(std::span(bytes).first(n), 83, {}, blocks()).kind(), ErrorKind::corrupt) << n;
  auto fewer = blocks();
  fewer[1].pop_back();
  EXPECT_EQ(other.adopt(bytes, 83, {}, std::move(fewer)).kind(), ErrorKind::corrupt);
  // Its head, and the channels with codes.
  for (size_t i = 0; i < 20 + 2 * 7 * sizeof(uint32_t); ++i) {
    std::vector<uint8_t> wrong = bytes;
    wrong[i] ^= 0x40;
    EXPECT_EQ(other.adopt(wrong, 1000, {}, blocks()).kind(), ErrorKind::corrupt) << i;
  }
  EXPECT_EQ(other.n_pages(), 0u);
}

TEST(LayerAbstractsTest, ACopyAndACutKeepTheirOwn) {
  std::mt19937 random(5);
  SelectionCheck check(kLayout);
  fill(check, Data::independent, 70, random);
  LayerAbstracts copy = check.abstracts();
  check.abstracts().truncate(37);
  EXPECT_EQ(check.abstracts().n_pages(), 37u);
  check.summarize();
  EXPECT_EQ(copy.n_pages(), 70u);
  EXPECT_TRUE(std::ranges::equal(copy.channels(1), check.abstracts().channels(1)));
  const size_t record_bytes = copy.chunk_layout().record_bytes();
  for (uint32_t level = 0; level <= 3; ++level)
    for (uint32_t i = 0; i < 70u >> (2 * level); ++i)
      ASSERT_EQ(
          std::memcmp(copy.record({level, i}, 1), check.abstracts().record({level, i}, 1), record_bytes), 0);
  check.abstracts().truncate(9);
  EXPECT_EQ(check.abstracts().n_pages(), 9u);
}

}  // namespace
}  // namespace leoam
