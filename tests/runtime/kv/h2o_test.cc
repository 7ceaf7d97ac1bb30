// The policy h2o, with known masses, and the masses that it keeps its tokens by.
#include <algorithm>
#include <set>

#include "tests/runtime/kv/selection_check.h"

namespace leoam {
namespace {

using testing::SelectionCheck;

constexpr kernels::KvLayout kLayout = {kernels::KvType::f16, 2, 16, 16};
constexpr uint32_t kPage = kLayout.page_tokens;

class H2oTest : public ::testing::Test {
 protected:
  H2oTest() {
    PolicyOptions options;
    options.name = "h2o";
    policy_ = std::move(create_policy(options, check_.means())).value();
  }
  void add_pages(uint32_t n) {
    std::normal_distribution<float> normal;
    for (uint32_t i = 0; i < n; ++i)
      check_.add_page([&](uint32_t, uint32_t, uint32_t) { return normal(random_); });
    check_.summarize();
    std::vector<float> q(size_t{check_.n_heads()} * kLayout.head_dim);
    for (float& x : q) x = normal(random_);
    check_.ask(std::move(q));
  }
  // Other masses for all that were not evicted; those of equal masses differ by token alone.
  void set_masses() {
    for (uint32_t head = 0; head < kLayout.n_kv_heads; ++head)
      for (uint32_t token = 0; token < check_.n_tokens(); ++token)
        if (check_.mass(head, token) >= 0)
          check_.mass(head, token) =
              static_cast<float>(random_() % 1000) + 0.001f * static_cast<float>(token);
  }
  // What a head has to keep of the candidates, first and last page being fixed.
  std::vector<bool> expected(uint32_t head, uint32_t budget) {
    const uint32_t end = check_.n_tokens() - kPage;
    const uint32_t n_recent = budget / 2 - kPage;
    std::vector<std::pair<float, uint32_t>> rest;
    std::vector<bool> kept(check_.n_tokens());
    for (uint32_t token = kPage; token < end; ++token) {
      if (!(check_.mass(head, token) >= 0)) continue;
      if (token >= end - n_recent)
        kept[token] = true;
      else
        rest.emplace_back(check_.mass(head, token), token);
    }
    const auto n_recent_kept = static_cast<size_t>(std::ranges::count(kept, true));
    std::ranges::sort(rest, std::greater());
    for (size_t i = 0; i < std::min(rest.size(), budget - 2 * kPage - n_recent_kept); ++i)
      kept[rest[i].second] = true;
    return kept;
  }

  std::mt19937 random_{7};
  SelectionCheck check_{kLayout};
  std::unique_ptr<Policy> policy_;
};

TEST_F(H2oTest, HalfAreTheNewestAndHalfThoseWithTheMostMass) {
  for (const uint32_t budget : {40u, 64u, 96u, 97u, 200u, 300u}) {
    if (check_.n_pages() == 0) add_pages(20);
    check_.forget_masses();
    add_pages(1);
    set_masses();
    const std::vector<bool> sets[] = {expected(0, budget), expected(1, budget)};
    check_.select(*policy_, budget);
    for (uint32_t head = 0; head < 2; ++head) {
      EXPECT_EQ(check_.selected(head), sets[head]) << budget;
      for (uint32_t token = kPage; token < check_.n_tokens() - kPage; ++token)
        EXPECT_EQ(check_.mass(head, token) >= 0, sets[head][token]) << token;
    }
  }
}

TEST_F(H2oTest, WithEqualMassesTheNewestStay) {
  add_pages(20);
  check_.select(*policy_, 100);
  const uint32_t end = check_.n_tokens() - kPage;
  for (uint32_t token = kPage; token < end; ++token)
    EXPECT_EQ(check_.selected(1)[token], token >= end - (100 - 2 * kPage)) << token;
}

TEST_F(H2oTest, ABudgetBelowTheFixedPagesKeepsNothingElse) {
  add_pages(10);
  check_.select(*policy_, 20);
  EXPECT_EQ(check_.selection().heads[0].granules.size(), 0u);
  check_.select(*policy_, 150);
  EXPECT_EQ(check_.selection().heads[0].n_tokens, 0u);
}

// While the context and the budget grow and masses change.
TEST_F(H2oTest, WhatWasEvictedNeverComesBack) {
  add_pages(20);
  std::set<uint32_t> gone[2];
  for (uint32_t round = 0; round < 30; ++round) {
    set_masses();
    const uint32_t budget = 100 + 4 * round;
    const std::vector<bool> sets[] = {expected(0, budget), expected(1, budget)};
    check_.select(*policy_, budget);
    for (uint32_t head = 0; head < 2; ++head) {
      const std::vector<bool> selected = check_.selected(head);
      EXPECT_EQ(selected, sets[head]) << round;
      EXPECT_EQ(static_cast<uint32_t>(std::ranges::count(selected, true)), budget - 2 * kPage);
      for (uint32_t token = kPage; token < check_.n_tokens() - kPage; ++token) {
        if (!selected[token]) gone[head].insert(token);
        EXPECT_FALSE(selected[token] && gone[head].contains(token)) << round << ' ' << token;
      }
    }
    add_pages(1);
  }
  EXPECT_NE(gone[0], gone[1]);
}

TEST_F(H2oTest, AFloorAttendsToEvictedTokensForOneStep) {
  add_pages(20);
  set_masses();
  check_.select(*policy_, 80);
  const std::vector<bool> before = check_.selected(0);
  check_.select(*policy_, 80, 0.999999);
  const std::vector<bool> wide = check_.selected(0);
  EXPECT_EQ(std::ranges::count(wide, true), 18 * kPage);
  check_.select(*policy_, 80);
  EXPECT_EQ(check_.selected(0), before);
}

TEST_F(H2oTest, MassesAreForgottenWithTheirTokens) {
  LayerMasses masses(check_.tiers(), kLayout);
  const auto mass = [](LayerMasses& of, uint32_t head, uint32_t token) -> float& {
    return of.of_page(head, token / kPage)[token % kPage];
  };
  constexpr uint32_t kTokens = 3 * LayerMasses::kBlock_tokens - 5;
  ASSERT_TRUE(masses.grow(kTokens, {}).ok());
  for (uint32_t token = 0; token < kTokens; ++token)
    for (uint32_t head = 0; head < 2; ++head)
      mass(masses, head, token) = static_cast<float>(2 * token + head);
  auto copy = masses.copy();
  ASSERT_TRUE(copy.ok());
  for (const uint32_t cut : {2 * LayerMasses::kBlock_tokens + 100, LayerMasses::kBlock_tokens, 77u, 1u, 0u}) {
    masses.truncate(cut);
    ASSERT_TRUE(masses.grow(kTokens, {}).ok());
    for (uint32_t token = 0; token < kTokens; ++token)
      for (uint32_t head = 0; head < 2; ++head)
        ASSERT_EQ(mass(masses, head, token), token < cut ? static_cast<float>(2 * token + head) : 0.0f);
  }
  for (uint32_t token = 0; token < kTokens; ++token)
    for (uint32_t head = 0; head < 2; ++head)
      ASSERT_EQ(mass(**copy, head, token), static_cast<float>(2 * token + head));
}

}  // namespace
}  // namespace leoam
