#include "runtime/kv/policy/granule_budget.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

namespace leoam {
namespace {

using Masses = std::vector<std::vector<float>>;

// What is taken: [head][granule].
std::vector<std::vector<bool>> taken(GranuleBudget& budget, const Masses& masses, uint64_t n) {
  budget.begin(masses.size());
  for (size_t h = 0; h < masses.size(); ++h) budget.count(h, masses[h]);
  std::vector<std::vector<bool>> out;
  for (size_t h = 0; h < masses.size(); ++h) {
    out.emplace_back();
    GranuleShare share = budget.share(h, n);
    for (size_t i = 0; i < masses[h].size(); i += 4) {
      const std::span<const float> page(&masses[h][i], std::min<size_t>(4, masses[h].size() - i));
      const uint32_t mask = share.take(page);
      for (size_t k = 0; k < page.size(); ++k) out.back().push_back((mask >> k & 1) != 0);
    }
  }
  return out;
}

size_t count(const std::vector<std::vector<bool>>& all) {
  size_t n = 0;
  for (const auto& head : all) n += static_cast<size_t>(std::count(head.begin(), head.end(), true));
  return n;
}

TEST(GranuleBudget, TakesTheMostMassOfAllHeads) {
  std::mt19937 random(1);
  GranuleBudget budget;
  for (int round = 0; round < 200; ++round) {
    Masses masses(1 + random() % 5);
    std::vector<float> all;
    for (auto& head : masses) {
      head.resize(random() % 300);
      // From very skewed to flat.
      const double power = std::uniform_real_distribution<double>(0, 30)(random);
      for (float& mass : head)
        mass = static_cast<float>(std::pow(std::uniform_real_distribution<double>(0, 1)(random), power));
      const float sum = std::accumulate(head.begin(), head.end(), 0.0f);
      for (float& mass : head) all.push_back(mass /= std::max(sum, 1e-20f));
    }
    const uint64_t n = random() % (all.size() + 2);
    const auto chosen = taken(budget, masses, n);
    const size_t n_positive =
        static_cast<size_t>(std::count_if(all.begin(), all.end(), [](float mass) { return mass > 0; }));
    ASSERT_EQ(count(chosen), std::min<size_t>(n, n_positive));
    // As much as the best choice has, up to the width of a class.
    double mass = 0;
    for (size_t h = 0; h < masses.size(); ++h)
      for (size_t i = 0; i < masses[h].size(); ++i)
        if (chosen[h][i]) mass += static_cast<double>(masses[h][i]);
    std::sort(all.begin(), all.end(), std::greater<>());
    double best = 0;
    for (size_t i = 0; i < std::min<size_t>(n, all.size()); ++i) best += static_cast<double>(all[i]);
    ASSERT_GE(mass, best * 31 / 32);
  }
}

TEST(GranuleBudget, OfEqualsTheFirstAreTaken) {
  GranuleBudget budget;
  const Masses masses = {std::vector<float>(8, 0.125f), std::vector<float>(8, 0.125f)};
  const auto chosen = taken(budget, masses, 10);
  EXPECT_EQ(count({chosen[0]}), 8u);
  EXPECT_EQ(chosen[1], std::vector<bool>({true, true, false, false, false, false, false, false}));
}

TEST(GranuleBudget, NothingAndNonsenseAreTakenByNobody) {
  GranuleBudget budget;
  EXPECT_EQ(count(taken(budget, {}, 5)), 0u);
  EXPECT_EQ(count(taken(budget, {{0, 0}, {}}, 5)), 0u);
  EXPECT_EQ(count(taken(budget, {{std::nanf(""), -1.0f, 1e-30f}}, 5)), 1u);
  EXPECT_EQ(count(taken(budget, {{0.5f, 0.5f}}, 0)), 0u);
}

}  // namespace
}  // namespace leoam
