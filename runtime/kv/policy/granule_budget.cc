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

void GranuleBudget::count(size_t index, std::span<const float> masses) {
  Head& head = heads_[index];
  head.count.fill(0);
  head.end = 0;
  for (const float mass : masses) {
    if (!(mass > 0)) continue;
    const size_t at = class_of(mass);
    ++head.count[at];
    head.end = std::max(head.end, at + 1);
  }
}

uint64_t GranuleBudget::n_from(size_t least) const {
  uint64_t n = 0;
  for (const Head& head : heads_)
    for (size_t at = least; at < head.end; ++at) n += head.count[at];
  return n;
}

void GranuleBudget::add_to(std::span<uint32_t> counts) const {
  for (const Head& head : heads_)
    for (size_t at = 0; at < head.end; ++at) counts[at] += head.count[at];
}

GranuleShare GranuleBudget::share(size_t index, uint64_t n_granules) const {
  size_t edge = 0;
  for (const Head& head : heads_) edge = std::max(edge, head.end);
  uint64_t n_at_edge = UINT64_MAX;
  while (edge > 0) {
    --edge;
    uint64_t n = 0;
    for (const Head& head : heads_) n += head.count[edge];
    if (n > n_granules) {
      n_at_edge = n_granules;
      break;
    }
    n_granules -= n;
  }
  GranuleShare share;
  share.edge_ = least_of(edge);
  share.certain_ = least_of(edge + 1);
  for (size_t h = 0; h <= index; ++h) {
    share.n_at_edge_ = std::min<uint64_t>(heads_[h].count[edge], n_at_edge);
    n_at_edge -= share.n_at_edge_;
  }
  return share;
}

}  // namespace leoam
