#include "runtime/kv/policy/granule_budget.h"

#include <algorithm>
#include <bit>

namespace leoam {

size_t GranuleBudget::class_of(float mass) {
  constexpr auto kLowest = static_cast<uint32_t>(127 + kLowest_log2) << 5;
  const uint32_t number = std::bit_cast<uint32_t>(mass) >> 18;
  return std::min<size_t>(number > kLowest ? number - kLowest : 0, kClasses - 1);
}

void GranuleBudget::divide(std::span<const GranuleMasses> heads, uint64_t n_granules, double rest) {
  heads_.resize(heads.size());
  std::array<double, kClasses> sum;
  for (size_t h = 0; h < heads.size(); ++h) {
    Head& head = heads_[h];
    head.count.fill(0);
    sum.fill(0);
    for (const float mass : heads[h].mass) {
      if (!(mass > 0)) continue;
      const size_t at = class_of(mass);
      ++head.count[at];
      sum[at] += static_cast<double>(mass);
    }
    double taken = static_cast<double>(heads[h].fixed);
    head.lowest = kClasses;
    while (head.lowest > 0 && (rest <= 0 || taken < 1 - rest)) taken += sum[--head.lowest];
  }
  edge_ = kClasses;
  uint64_t n_at_edge = UINT64_MAX;
  while (edge_ > 0) {
    --edge_;
    uint64_t n = 0;
    for (const Head& head : heads_)
      if (edge_ >= head.lowest) n += head.count[edge_];
    if (n > n_granules) {
      n_at_edge = n_granules;
      break;
    }
    n_granules -= n;
  }
  for (Head& head : heads_) {
    head.n_at_edge = edge_ >= head.lowest ? std::min<uint64_t>(head.count[edge_], n_at_edge) : 0;
    n_at_edge -= head.n_at_edge;
  }
}

bool GranuleBudget::takes(size_t index, float mass) {
  if (!(mass > 0)) return false;
  Head& head = heads_[index];
  const size_t at = class_of(mass);
  if (at < head.lowest || at < edge_) return false;
  if (at > edge_) return true;
  if (head.n_at_edge == 0) return false;
  --head.n_at_edge;
  return true;
}

}  // namespace leoam
