#include "kernels/key_codes/key_codes.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>

#include "tests/kernels/page_fixture.h"

namespace leoam::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr uint8_t kUntouched = 0xa5;

float mean_scale_of(const KeyCodeLayout& layout, const uint8_t* head, uint32_t page) {
  float scale;
  std::memcpy(&scale, head + layout.mean_scale_offset() + 4 * page, 4);
  return scale;
}
double mean_of(const KeyCodeLayout& layout, const uint8_t* head, uint32_t page, uint32_t channel) {
  return double{mean_scale_of(layout, head, page)} *
         static_cast<int8_t>(head[layout.mean_offset(channel) + page]);
}
double value_of(const KeyCodeLayout& layout, const uint8_t* head, uint32_t page, uint32_t channel) {
  float scale;
  std::memcpy(&scale, head + layout.value_scale_offset() + 4 * page, 4);
  return double{scale} * static_cast<int8_t>(head[layout.mean_value_offset(page) + channel]);
}
// Below: of the coded-th channel with codes.
double step_of(const KeyCodeLayout& layout, const uint8_t* head, uint32_t page, uint32_t coded) {
  return double{key_code_scale(head[layout.scale_offset(coded) + page])};
}
uint32_t code_of(const KeyCodeLayout& layout, const uint8_t* head, uint32_t page, uint32_t coded,
                 uint32_t token) {
  return head[layout.code_offset(coded) + layout.code_byte(page, token)] >> layout.code_shift(token) & 3;
}
// A key read back, without its mean.
double deviation_of(const KeyCodeLayout& layout, const uint8_t* head, uint32_t page, uint32_t coded,
                    uint32_t token) {
  return step_of(layout, head, page, coded) *
         (code_of(layout, head, page, coded, token) - head[layout.offset_offset(coded) + page] / 85.0);
}

// Some n channels, ascending.
std::vector<uint32_t> some_channels(uint32_t head_dim, uint32_t n, std::mt19937& random) {
  std::vector<uint32_t> channels(head_dim);
  std::iota(channels.begin(), channels.end(), 0u);
  std::shuffle(channels.begin(), channels.end(), random);
  channels.resize(n);
  std::ranges::sort(channels);
  return channels;
}

// Pages and their codes, in blocks that are full but for some pages of the last.
struct Coded {
  Coded(const KvLayout& kv, uint32_t n_pages, uint32_t n_coded, const CpuTable& table, std::mt19937& random)
      : layout(key_code_layout(kv, n_coded)), channels(some_channels(kv.head_dim, n_coded, random)) {
    for (uint32_t p = 0; p < n_pages; ++p) {
      if (p % kCodeBlock_pages == 0) {
        memory.push_back(std::make_unique<ExactBuffer<uint8_t>>(layout.block_bytes()));
        blocks.push_back({memory.back()->data(), 0});
      }
      pages.push_back(std::make_unique<Page>(kv));
      fill_page(*pages.back(), random);
      const uint32_t slot = p % kCodeBlock_pages;
      blocks.back().pages |= 1u << slot;
      for (uint32_t head = 0; head < kv.n_kv_heads; ++head) {
        table.key_code_encode(
            {kv, pages.back()->data(), memory.back()->data(), slot, channels.data(), n_coded}, head);
      }
    }
  }
  KeyCodeLayout layout;
  std::vector<uint32_t> channels;  // of each head
  std::vector<std::unique_ptr<Page>> pages;
  std::vector<std::unique_ptr<ExactBuffer<uint8_t>>> memory;
  std::vector<KeyCodeBlockRef> blocks;
};

TEST(KeyCodeLayoutTest, EveryPageHasBytesOfItsOwn) {
  for (const KeyCodeLayout& layout :
       {KeyCodeLayout{2, 64, 32, 24}, {1, 3, 16, 3}, {1, 80, 64, 17}, {1, 5, 256, 4}, {1, 16, 32, 0}}) {
    std::vector<int> owner(layout.head_bytes(), -1);
    const auto take = [&](size_t at, size_t n, uint32_t page, bool shared) {
      for (size_t i = at; i < at + n; ++i) {
        ASSERT_LT(i, owner.size());
        ASSERT_TRUE(owner[i] == -1 || (shared && owner[i] == static_cast<int>(page)));
        owner[i] = static_cast<int>(page);
      }
    };
    for (uint32_t page = 0; page < kCodeBlock_pages; ++page) {
      take(layout.mean_scale_offset() + 4 * page, 4, page, false);
      take(layout.value_scale_offset() + 4 * page, 4, page, false);
      take(layout.mean_value_offset(page), layout.value_bytes(), page, false);
      for (uint32_t c = 0; c < layout.head_dim; ++c) {
        take(layout.mean_offset(c) + page, 1, page, false);
      }
      for (uint32_t i = 0; i < layout.n_coded; ++i) {
        take(layout.scale_offset(i) + page, 1, page, false);
        take(layout.offset_offset(i) + page, 1, page, false);
        for (uint32_t t = 0; t < layout.page_tokens; ++t) {
          take(layout.code_offset(i) + layout.code_byte(page, t), 1, page, true);
        }
      }
    }
    EXPECT_LT(std::count(owner.begin(), owner.end(), -1), 64);
  }
}

TEST(KeyCodeLayoutTest, BytesAgainstThoseOfKeysAndValues) {
  const KvLayout kv{KvType::f16, 3, 64, 32};
  const KeyCodeLayout layout = key_code_layout(kv, 32);
  const double all = 16.0 * static_cast<double>(kv.head_bytes());
  const double means = 16.0 * (2 * kv.head_dim + 4);
  EXPECT_LE(means, 0.0166 * all);
  EXPECT_LE(static_cast<double>(layout.head_bytes()) - means, 0.0397 * all);
}

class KeyCodesTest : public KernelTest {
 protected:
  // Within half a unit of 8 bits.
  static void check_means(const KeyCodeLayout& layout, const uint8_t* at, uint32_t slot, const Page& page,
                          uint32_t head) {
    std::vector<double> keys(layout.head_dim), values(layout.head_dim);
    double most_key = 0;
    double most_value = 0;
    for (uint32_t c = 0; c < layout.head_dim; ++c) {
      for (uint32_t t = 0; t < layout.page_tokens; ++t) {
        keys[c] += double{page.key(head, c, t)} / layout.page_tokens;
        values[c] += double{page.value(head, c, t)} / layout.page_tokens;
      }
      most_key = std::max(most_key, std::fabs(keys[c]));
      most_value = std::max(most_value, std::fabs(values[c]));
    }
    for (uint32_t c = 0; c < layout.head_dim; ++c) {
      ASSERT_NEAR(mean_of(layout, at, slot, c), keys[c], 0.501 / 127 * most_key + 1e-5);
      ASSERT_NEAR(value_of(layout, at, slot, c), values[c], 0.501 / 127 * most_value + 1e-5);
    }
  }
};

TEST_P(KeyCodesTest, CodesReadBackAsTheKeys) {
  for (const KvType type : {KvType::f16, KvType::f32, KvType::int8}) {
    for (const uint32_t page_tokens : {16u, 32u, 48u, 64u, 128u}) {
      for (const uint32_t dim : {1u, 5u, 16u, 63u, 64u, 65u, 128u, 256u}) {
        const KvLayout kv{type, 2, dim, page_tokens};
        const uint32_t n_coded = dim - dim / 3;
        const KeyCodeLayout layout = key_code_layout(kv, n_coded);
        ExactBuffer<uint8_t> block(layout.block_bytes()), expected(layout.block_bytes());
        std::memset(block.data(), kUntouched, block.size());
        std::memset(expected.data(), kUntouched, block.size());
        Page page(kv);
        for (const uint32_t slot : {7u, 0u, 15u}) {
          fill_page(page, random_, slot == 0 ? 1e-3f : 3.0f);
          const std::vector<uint32_t> channels = some_channels(dim, n_coded, random_);
          for (uint32_t head = 0; head < 2; ++head) {
            table().key_code_encode({kv, page.data(), block.data(), slot, channels.data(), n_coded}, head);
            key_code_encode_scalar({kv, page.data(), expected.data(), slot, channels.data(), n_coded}, head);
            const uint8_t* at = block.data() + layout.head_offset(head);
            for (uint32_t i = 0; i < n_coded; ++i) {
              const uint32_t c = channels[i];
              // Half a step, half a unit of the offset, what a step rounded down (by 1/16 at most) lacks at
              // both ends of the range, and the rounding of a mean that is an end of the range itself.
              const double step = step_of(layout, at, slot, i);
              const double tolerance =
                  step * (0.5 + 0.5 / 85 + 0.1) + 0.51 * double{mean_scale_of(layout, at, slot)} + 0x1p-14;
              for (uint32_t t = 0; t < page_tokens; ++t) {
                const double back = mean_of(layout, at, slot, c) + deviation_of(layout, at, slot, i, t);
                ASSERT_NEAR(back, double{page.key(head, c, t)}, tolerance)
                    << "dim " << dim << " page_tokens " << page_tokens << " channel " << c << " token " << t;
              }
            }
            check_means(layout, at, slot, page, head);
          }
        }
        // The same bytes as the reference, those of empty slots left alone in both.
        ASSERT_EQ(std::memcmp(block.data(), expected.data(), block.size()), 0)
            << "dim " << dim << " page_tokens " << page_tokens;
      }
    }
  }
}

TEST_P(KeyCodesTest, EqualKeysReadBackAsTheirMean) {
  const KvLayout kv{KvType::f16, 1, 64, 32};
  const KeyCodeLayout layout = key_code_layout(kv, 64);
  const std::vector<uint32_t> channels = some_channels(64, 64, random_);
  Page page(kv);
  for (uint32_t c = 0; c < 64; ++c) {
    for (uint32_t t = 0; t < 32; ++t) page.set_key(0, c, t, c == 3 ? 0 : static_cast<float>(c));
  }
  ExactBuffer<uint8_t> block(layout.block_bytes());
  table().key_code_encode({kv, page.data(), block.data(), 4, channels.data(), 64}, 0);
  for (uint32_t c = 0; c < 64; ++c) {
    for (uint32_t t = 0; t < 32; ++t) {
      EXPECT_NEAR(mean_of(layout, block.data(), 4, c) + deviation_of(layout, block.data(), 4, c, t),
                  c == 3 ? 0 : c, 0.51 * 63 / 127);
    }
  }
}

TEST_P(KeyCodesTest, KeysThatAreNotFiniteChangeTheirOwnChannelAlone) {
  // Of int8 a token has one scale for all channels.
  for (const KvType type : {KvType::f16, KvType::f32}) {
    const KvLayout kv{type, 1, 64, 32};
    const KeyCodeLayout layout = key_code_layout(kv, 64);
    const std::vector<uint32_t> channels = some_channels(64, 64, random_);
    Page page(kv);
    fill_page(page, random_);
    for (uint32_t t = 0; t < 32; ++t) {
      page.set_key(0, 9, t, 1e-3f * static_cast<float>(t));
      page.set_key(0, 20, t, 1e-3f);
    }
    ExactBuffer<uint8_t> before(layout.block_bytes()), after(layout.block_bytes()),
        expected(layout.block_bytes());
    table().key_code_encode({kv, page.data(), before.data(), 3, channels.data(), 64}, 0);
    page.set_key(0, 9, 1, kInfinity);
    page.set_key(0, 9, 6, -kInfinity);
    page.set_key(0, 9, 30, std::nanf(""));
    for (uint32_t t = 0; t < 32; ++t) page.set_key(0, 20, t, t % 2 == 0 ? kInfinity : std::nanf(""));
    page.set_value(0, 7, 2, kInfinity);
    page.set_value(0, 8, 3, std::nanf(""));
    table().key_code_encode({kv, page.data(), after.data(), 3, channels.data(), 64}, 0);
    key_code_encode_scalar({kv, page.data(), expected.data(), 3, channels.data(), 64}, 0);
    EXPECT_EQ(std::memcmp(after.data(), expected.data(), after.size()), 0);
    const auto code = [&](uint32_t c, uint32_t t) { return code_of(layout, after.data(), 3, c, t); };
    EXPECT_EQ(code(9, 1), 3);
    EXPECT_EQ(code(9, 6), 0);
    EXPECT_EQ(code(9, 30), 0);
    EXPECT_NEAR(mean_of(layout, after.data(), 3, 9), 0.0155, double{mean_scale_of(layout, after.data(), 3)});
    EXPECT_EQ(mean_of(layout, after.data(), 3, 20), 0);
    for (uint32_t c = 0; c < 64; ++c) EXPECT_TRUE(std::isfinite(value_of(layout, after.data(), 3, c)));
    EXPECT_EQ(step_of(layout, after.data(), 3, 20), 0x1p-16);
    EXPECT_EQ(mean_scale_of(layout, before.data(), 3), mean_scale_of(layout, after.data(), 3));
    for (uint32_t c = 0; c < 64; ++c) {
      if (c == 9 || c == 20) continue;
      EXPECT_EQ(before[layout.mean_offset(c) + 3], after[layout.mean_offset(c) + 3]);
      for (uint32_t t = 0; t < 32; ++t) {
        EXPECT_EQ(deviation_of(layout, before.data(), 3, c, t), deviation_of(layout, after.data(), 3, c, t));
      }
    }
  }
}

TEST_P(KeyCodesTest, KeysOfAnySize) {
  const KvLayout kv{KvType::f32, 1, 48, 32};
  const KeyCodeLayout layout = key_code_layout(kv, 30);
  const std::vector<uint32_t> channels = some_channels(48, 30, random_);
  ExactBuffer<uint8_t> block(layout.block_bytes()), expected(layout.block_bytes());
  Page page(kv);
  for (const float size : {3e38f, 1e20f, 1e-20f, 1e-44f, 0.0f}) {
    for (uint32_t c = 0; c < 48; ++c) {
      for (uint32_t t = 0; t < 32; ++t) page.set_key(0, c, t, size * uniform(-1, 1));
    }
    table().key_code_encode({kv, page.data(), block.data(), 0, channels.data(), 30}, 0);
    key_code_encode_scalar({kv, page.data(), expected.data(), 0, channels.data(), 30}, 0);
    EXPECT_EQ(std::memcmp(block.data(), expected.data(), block.size()), 0) << size;
    EXPECT_TRUE(std::isfinite(mean_scale_of(layout, block.data(), 0)));
  }
}

class KeyCodeScoreTest : public KernelTest {
 protected:
  void check(const KvLayout& kv, uint32_t group, uint32_t n_pages, uint32_t n_channels, uint32_t skipped) {
    Coded coded(kv, n_pages, n_channels, table(), random_);
    const KeyCodeLayout& layout = coded.layout;
    const std::vector<uint32_t>& channels = coded.channels;
    const uint32_t dim = kv.head_dim;
    const uint32_t n_blocks = static_cast<uint32_t>(coded.blocks.size());
    for (KeyCodeBlockRef& block : coded.blocks) block.pages &= ~skipped;
    ExactBuffer<float> q(size_t{group} * dim);
    fill(q, -0.3f, 0.3f);
    const size_t rows = size_t{n_blocks} * group;
    ExactBuffer<float> scores(rows * 16 * kv.page_tokens), means(rows * 16), maximum(rows);
    ExactBuffer<float> scores2(rows * 16 * kv.page_tokens), maximum2(rows);
    ExactBuffer<uint8_t> scratch(key_code_scratch_bytes(layout, group));
    KeyCodeScoreParams params{layout,        group,   q.data(),      channels.data(), coded.blocks.data(),
                              n_blocks,      nullptr, scores.data(), means.data(),    maximum.data(),
                              scratch.data()};
    for (uint32_t head = 0; head < kv.n_kv_heads; ++head) {
      std::memset(scores.data(), kUntouched, scores.size() * 4);
      std::memset(means.data(), kUntouched, means.size() * 4);
      table().key_code_score(params, head);
      KeyCodeScoreParams reference = params;
      reference.scores = scores2.data();
      reference.mean_scores = nullptr;
      reference.maximum = maximum2.data();
      key_code_score_scalar(reference, head);
      float untouched;
      std::memset(&untouched, kUntouched, 4);
      for (size_t row = 0; row < rows; ++row) {
        const KeyCodeBlockRef& block = coded.blocks[row / group];
        const uint8_t* at = block.block + layout.head_offset(head);
        const float* query = q.data() + row % group * dim;
        float greatest = -kInfinity;
        for (uint32_t page = 0; page < 16; ++page) {
          const float* got = scores.data() + (row * 16 + page) * kv.page_tokens;
          if ((block.pages >> page & 1) == 0) {
            for (uint32_t t = 0; t < kv.page_tokens; ++t) ASSERT_EQ(got[t], untouched);
            ASSERT_EQ(means[row * 16 + page], untouched);
            continue;
          }
          double mean = 0;
          double size = 0;
          for (uint32_t c = 0; c < dim; ++c) {
            mean += double{query[c]} * mean_of(layout, at, page, c);
            size += std::fabs(double{query[c]} * mean_of(layout, at, page, c));
          }
          double heaviest = 0;
          for (uint32_t i = 0; i < n_channels; ++i) {
            const double factor = std::fabs(double{query[channels[i]]} * step_of(layout, at, page, i));
            heaviest = std::max(heaviest, factor);
            size += 6 * factor;
          }
          // Chains of head_dim, and of n_channels offsets and of the products' sum.
          const double rounding = (dim + n_channels + 8) * kEpsilon * size;
          ASSERT_NEAR(means[row * 16 + page], mean, rounding);
          for (uint32_t t = 0; t < kv.page_tokens; ++t) {
            double score = mean;
            for (uint32_t i = 0; i < n_channels; ++i) {
              score += double{query[channels[i]]} * deviation_of(layout, at, page, i, t);
            }
            ASSERT_NEAR(got[t], score, 1.5 / 127 * n_channels * heaviest * 1.0001 + rounding);
            // The integers are the reference's own: what differs is rounding.
            const float expected = scores2[(row * 16 + page) * kv.page_tokens + t];
            ASSERT_NEAR(got[t], expected, 2 * rounding)
                << "dim " << dim << " group " << group << " r " << n_channels;
            greatest = std::max(greatest, got[t]);
          }
        }
        ASSERT_EQ(maximum[row], greatest);
      }
    }
  }
};

TEST_P(KeyCodeScoreTest, HeadSizesAndChannels) {
  uint32_t group = 0;
  for (const uint32_t dim : {1u, 5u, 16u, 63u, 64u, 80u, 128u, 256u}) {
    for (const uint32_t n_channels : {0u, 1u, dim / 4, dim / 3, dim}) {
      if (n_channels > dim) continue;
      group = group % 9 + 1;
      check({KvType::f16, 2, dim, 32}, group, 19, n_channels, 0);
    }
  }
}

TEST_P(KeyCodeScoreTest, PageSizesAndGroups) {
  for (const uint32_t page_tokens : {16u, 32u, 48u, 64u, 128u, 256u}) {
    for (const uint32_t group : {1u, 2u, 3u, 4u, 5u, 8u, 9u, 17u}) {
      check({KvType::f32, 1, 64, page_tokens}, group, 16, 16, 0x0420);
    }
  }
}

TEST_P(KeyCodeScoreTest, SomePagesOfSomeBlocks) {
  for (const uint32_t skipped : {0xffffu, 0xfffeu, 0x7fffu, 0x5555u, 0u}) {
    check({KvType::f16, 1, 64, 32}, 3, 35, 17, skipped);
  }
}

TEST_P(KeyCodeScoreTest, QueriesOfZerosScoreZero) {
  Coded coded({KvType::f16, 1, 64, 32}, 16, 4, table(), random_);
  ExactBuffer<float> q(64), scores(16 * 32), maximum(1);
  for (uint32_t c = 0; c < 64; ++c) q[c] = 0;
  ExactBuffer<uint8_t> scratch(key_code_scratch_bytes(coded.layout, 1));
  table().key_code_score({coded.layout, 1, q.data(), coded.channels.data(), coded.blocks.data(), 1, nullptr,
                          scores.data(), nullptr, maximum.data(), scratch.data()},
                         0);
  for (size_t i = 0; i < scores.size(); ++i) ASSERT_EQ(scores[i], 0.0f);
  EXPECT_EQ(maximum[0], 0.0f);
}

LEOAM_KERNEL_SUITE(KeyCodesTest);
LEOAM_KERNEL_SUITE(KeyCodeScoreTest);

}  // namespace
}  // namespace leoam::kernels
