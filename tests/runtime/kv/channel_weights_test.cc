#include "runtime/kv/channel_weights.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace leoam {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(ChannelWeights, TheHeaviestAreListedInTheirOrder) {
  const std::vector<float> weights = {3, 0, 5, 3, 1, 5};
  const auto heaviest = [&](size_t n) {
    std::vector<uint32_t> channels(n);
    list_heaviest(weights, channels);
    return channels;
  };
  EXPECT_EQ(heaviest(0), std::vector<uint32_t>());
  EXPECT_EQ(heaviest(1), (std::vector<uint32_t>{2}));
  EXPECT_EQ(heaviest(3), (std::vector<uint32_t>{0, 2, 5}));
  EXPECT_EQ(heaviest(6), (std::vector<uint32_t>{0, 1, 2, 3, 4, 5}));
}

TEST(ChannelWeights, QueriesOfAGroupAddUpAndWhatIsNotFiniteDoesNot) {
  // Two tokens, four heads on two KV heads, three channels.
  std::vector<float> q(2 * 4 * 3, 1.0f);
  q[0] = -4;
  q[1] = kNan;
  q[3 * 3 + 2] = -kInfinity;
  std::vector<float> sums(2 * 3, 0.5f);
  add_queries(q.data(), 2, 4, 2, 3, sums);
  EXPECT_EQ(sums, (std::vector<float>{7.5f, 3.5f, 4.5f, 4.5f, 4.5f, 3.5f}));
}

TEST(ChannelWeights, AFileHasThemAndNothingElsePassesForThem) {
  ChannelWeights weights(5, 4, 96);
  weights.set(1, {1, 2, 3, 4});
  weights.set(4, {0, 0, 1e30f, 0});
  const std::vector<uint8_t> bytes = weights.encode();
  const Result<ChannelWeights> back = ChannelWeights::decode(bytes, 5, 4, 96);
  ASSERT_TRUE(back.ok()) << back.status().message();
  EXPECT_EQ(back->end_token(), 96u);
  for (uint32_t layer = 0; layer < 5; ++layer)
    EXPECT_TRUE(std::ranges::equal(back->of(layer), weights.of(layer))) << layer;

  const auto kind = [](std::span<const uint8_t> some, uint32_t n_layers, uint32_t width, uint64_t n_tokens) {
    return ChannelWeights::decode(some, n_layers, width, n_tokens).status().kind();
  };
  EXPECT_EQ(kind(bytes, 5, 4, 95), ErrorKind::corrupt);
  EXPECT_EQ(kind(bytes, 4, 4, 96), ErrorKind::corrupt);
  EXPECT_EQ(kind(bytes, 5, 8, 96), ErrorKind::corrupt);
  for (size_t n = 0; n < bytes.size(); ++n)
    EXPECT_EQ(kind(std::span(bytes).first(n), 5, 4, 96), ErrorKind::corrupt) << n;
  // Versions, counts and widths; the number of a layer; a sign.
  for (const size_t i : {0u, 4u, 8u, 24u, 27u, 31u}) {
    std::vector<uint8_t> wrong = bytes;
    wrong[i] ^= 0x80;
    EXPECT_EQ(kind(wrong, 5, 4, 96), ErrorKind::corrupt) << i;
  }
  std::vector<uint8_t> wrong = bytes;
  std::memcpy(wrong.data() + 28, &kNan, sizeof kNan);
  EXPECT_EQ(kind(wrong, 5, 4, 96), ErrorKind::corrupt);
}

}  // namespace
}  // namespace leoam
