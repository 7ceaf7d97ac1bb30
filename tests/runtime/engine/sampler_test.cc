#include "runtime/engine/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <random>

namespace leoam {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

Sampler make(const SamplerOptions& options, uint32_t n_vocab) {
  Result<Sampler> sampler = Sampler::create(options, n_vocab, kernels::cpu_table(kernels::best_cpu_level()));
  EXPECT_TRUE(sampler.ok()) << sampler.status().message();
  return std::move(sampler).value();
}

int32_t draw(Sampler& sampler, std::vector<float> logits, std::vector<int32_t> history = {}) {
  return sampler.sample(logits, history);
}

std::map<int32_t, int> draw_many(const SamplerOptions& options, const std::vector<float>& logits, int n) {
  Sampler sampler = make(options, static_cast<uint32_t>(logits.size()));
  std::map<int32_t, int> counts;
  for (int i = 0; i < n; ++i) ++counts[draw(sampler, logits)];
  return counts;
}

TEST(Sampler, GreedyTakesTheLowestOfEquals) {
  Sampler sampler = make({}, 5);
  EXPECT_EQ(draw(sampler, {0, 3, 1, 3, 2}), 1);
}

TEST(Sampler, NeverDrawsNan) {
  Sampler greedy = make({}, 4);
  EXPECT_EQ(draw(greedy, {kNan, 1, 2, kNan}), 2);
  EXPECT_EQ(draw(greedy, {kNan, kNan, kNan, kNan}), 0);
  EXPECT_EQ(draw(greedy, {-kInfinity, -kInfinity, -kInfinity, -kInfinity}), 0);
  for (const uint32_t top_k : {0u, 3u}) {
    SamplerOptions options;
    options.temperature = 1;
    options.top_k = top_k;
    const auto counts = draw_many(options, {kNan, 1, 2, kNan, -kInfinity}, 500);
    EXPECT_EQ(counts.count(0) + counts.count(3) + counts.count(4), 0u);
    EXPECT_EQ(counts.size(), 2u);
  }
}

TEST(Sampler, DrawsWithTheProbabilitiesOfTheSoftmax) {
  SamplerOptions options;
  options.temperature = 0.5f;
  const std::vector<float> logits = {0.0f, 0.5f, 1.0f, -1.0f};
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit / 0.5);
  constexpr int kDraws = 40000;
  const auto counts = draw_many(options, logits, kDraws);
  for (int32_t token = 0; token < 4; ++token) {
    const double expected = std::exp(logits[static_cast<size_t>(token)] / 0.5) / sum;
    const double deviation = std::sqrt(expected * (1 - expected) / kDraws);
    EXPECT_NEAR(counts.at(token) / static_cast<double>(kDraws), expected, 5 * deviation);
  }
}

TEST(Sampler, TheSameSeedGivesTheSameTokens) {
  std::minstd_rand random(3);
  std::vector<float> logits(5000);
  for (float& logit : logits) logit = static_cast<float>(random() % 1000) / 100;
  SamplerOptions options;
  options.temperature = 1;
  options.seed = 42;
  for (const float top_p : {1.0f, 0.9f}) {
    options.top_p = top_p;
    Sampler a = make(options, 5000);
    Sampler b = make(options, 5000);
    options.seed = 43;
    Sampler c = make(options, 5000);
    int differ = 0;
    for (int i = 0; i < 50; ++i) {
      const int32_t token = draw(a, logits);
      EXPECT_EQ(token, draw(b, logits));
      differ += token != draw(c, logits);
    }
    EXPECT_GT(differ, 0);
    options.seed = 42;
  }
}

TEST(Sampler, FiltersKeepExactlyTheirPrefix) {
  // Probabilities 0.5, 0.25, 0.125, 0.0625, 0.0625 of five tokens, shuffled.
  const std::vector<float> logits = {std::log(0.125f), std::log(0.5f), std::log(0.0625f), std::log(0.25f),
                                     std::log(0.0625f)};
  SamplerOptions options;
  options.temperature = 1;
  const auto kept = [&] {
    std::vector<int32_t> tokens;
    for (const auto& [token, count] : draw_many(options, logits, 3000)) tokens.push_back(token);
    return tokens;
  };
  options.top_k = 2;
  EXPECT_EQ(kept(), (std::vector<int32_t>{1, 3}));
  options.top_k = 4;  // the lower id of equals
  EXPECT_EQ(kept(), (std::vector<int32_t>{0, 1, 2, 3}));
  options.top_k = 0;
  options.top_p = 0.7f;
  EXPECT_EQ(kept(), (std::vector<int32_t>{1, 3}));
  options.top_p = 0.01f;
  EXPECT_EQ(kept(), (std::vector<int32_t>{1}));
  options.top_p = 1;
  options.min_p = 0.24f;
  EXPECT_EQ(kept(), (std::vector<int32_t>{0, 1, 3}));
  options.min_p = 1;
  EXPECT_EQ(kept(), (std::vector<int32_t>{1}));
  options.min_p = 0;
  options.top_k = 3;
  options.top_p = 0.8f;  // of the three's mass: 0.571 + 0.286 reaches it
  EXPECT_EQ(kept(), (std::vector<int32_t>{1, 3}));
}

TEST(Sampler, AFlatVocabularyIsSearchedToItsEnd) {
  std::vector<float> logits(20000, 1.0f);
  for (const bool top_k : {true, false}) {
    SamplerOptions options;
    options.temperature = 1;
    if (top_k)
      options.top_k = 15000;
    else
      options.top_p = 0.75f;
    const auto counts = draw_many(options, logits, 200);
    EXPECT_GT(counts.size(), 150u);
    EXPECT_LT(counts.rbegin()->first, 15002);
  }
}

TEST(Sampler, ThePenaltyLooksBackOverItsWindow) {
  SamplerOptions options;
  options.repetition_penalty = 2;
  options.repetition_window_tokens = 2;
  Sampler sampler = make(options, 3);
  EXPECT_EQ(draw(sampler, {4, 3, 1}, {0}), 1);
  EXPECT_EQ(draw(sampler, {4, 3, 1}, {0, 2, 2}), 0);
  EXPECT_EQ(draw(sampler, {-1, -1.5f, -9}, {0, 0}), 1);  // once for each token, not for each time
}

TEST(Sampler, RefusesWhatHasNoMeaning) {
  const auto kind = [](const SamplerOptions& options) {
    return Sampler::create(options, 10, kernels::cpu_table(kernels::CpuLevel::scalar)).status().kind();
  };
  for (const float bad : {-1.0f, kNan, kInfinity}) {
    SamplerOptions options;
    options.temperature = bad;
    EXPECT_EQ(kind(options), ErrorKind::invalid_argument);
  }
  for (const float bad : {-0.1f, 0.0f, 1.1f, kNan}) {
    SamplerOptions options;
    options.top_p = bad;
    EXPECT_EQ(kind(options), ErrorKind::invalid_argument);
  }
  for (const float bad : {-0.1f, 1.1f, kNan}) {
    SamplerOptions options;
    options.min_p = bad;
    EXPECT_EQ(kind(options), ErrorKind::invalid_argument);
  }
  for (const float bad : {-1.0f, 0.0f, kNan, kInfinity}) {
    SamplerOptions options;
    options.repetition_penalty = bad;
    EXPECT_EQ(kind(options), ErrorKind::invalid_argument);
  }
}

}  // namespace
}  // namespace leoam
