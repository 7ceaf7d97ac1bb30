// Which tokens of a page a query may look at.
#pragma once

#include "kernels/kv_layout.h"

namespace leoam::kernels {

// Positions [first, last], both included; the visible ones of a query at `position`.
struct PositionRange {
  int32_t first;
  int32_t last;
};

[[maybe_unused]] static inline PositionRange visible_positions(int32_t position, int32_t window) {
  return {window > 0 && position >= window ? position - window + 1 : 0, position};
}

// Slots [begin, end) of a page; begin == end when nothing is visible.
struct SlotRange {
  uint32_t begin;
  uint32_t end;
};

[[maybe_unused]] static inline SlotRange visible_slots(const KvPageRef& page, PositionRange visible) {
  const int64_t begin = int64_t{visible.first} - page.first_position;
  const int64_t end = int64_t{visible.last} - page.first_position + 1;
  const int64_t from = begin > 0 ? begin : 0;
  const int64_t to = end < page.n_tokens ? end : page.n_tokens;
  if (from >= to) return {0, 0};
  return {static_cast<uint32_t>(from), static_cast<uint32_t>(to)};
}

}  // namespace leoam::kernels
