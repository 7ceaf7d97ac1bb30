#include "runtime/kv/policy/granule_budget.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace leoam {

size_t GranuleBudget::class_of(float mass) {
  const uint32_t number = std::bit_cast<uint32_t>(mass) >> 18;
  return std::min<size_t>(number > kLowest ? number - kLowest : 0, kClasses - 1);
}

float GranuleBudget::least_of(size_t at) {
  if (at == 0) return std::numeric_limits<float>::denorm_min();
  if (at >= kClasses) return std::numeric_limits<float>::infinity();
  return std::bit_cast<float>((kLowest + static_cast<uint32_t>(at)) << 18);
}

void GranuleBudget::begin(size_t n_heads, double rest) {
  heads_.resize(n_heads);
  rest_ = rest;
}

void GranuleBudget::count(size_t index, std::span<const float> masses, float fixed) {
  Head& head = heads_[index];
  head.count.fill(0);
  head.end = 0;
  for (const float mass : masses) {
    if (!(mass > 0)) continue;
    const size_t at = class_of(mass);
    ++head.count[at];
    head.end = std::max(head.end, at + 1);
  }
  head.lowest = 0;
  if (rest_ <= 0) return;
  std::array<double, kClasses> sum = {};
  for (const float mass : masses)
    if (mass > 0) sum[class_of(mass)] += static_cast<double>(mass);
  double taken = static_cast<double>(fixed);
  head.lowest = kClasses;
  while (head.lowest > 0 && taken < 1 - rest_) taken += sum[--head.lowest];
}

GranuleShare GranuleBudget::share(size_t index, uint64_t n_granules) const {
  size_t edge = 0;
  for (const Head& head : heads_) edge = std::max(edge, head.end);
  uint64_t n_at_edge = UINT64_MAX;
  while (edge > 0) {
    --edge;
    uint64_t n = 0;
    for (const Head& head : heads_)
      if (edge >= head.lowest) n += head.count[edge];
    if (n > n_granules) {
      n_at_edge = n_granules;
      break;
    }
    n_granules -= n;
  }
  GranuleShare share;
  for (size_t h = 0; h <= index; ++h) {
    const Head& head = heads_[h];
    const bool wants = edge >= head.lowest;
    share.edge_ = wants ? least_of(edge) : std::numeric_limits<float>::infinity();
    share.certain_ = least_of(std::max(edge + 1, head.lowest));
    share.n_at_edge_ = wants ? std::min<uint64_t>(head.count[edge], n_at_edge) : 0;
    n_at_edge -= share.n_at_edge_;
  }
  return share;
}

}  // namespace leoam
