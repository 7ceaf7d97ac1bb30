#include "runtime/store/space.h"

#include <algorithm>
#include <iterator>

namespace leoam {

void Space::insert(Extent extent) {
  by_offset_.emplace(extent.offset_bytes, extent.bytes);
  by_bytes_.emplace(extent.bytes, extent.offset_bytes);
  bytes_ += extent.bytes;
}

void Space::erase(ByOffset::iterator at) {
  bytes_ -= at->second;
  by_bytes_.erase({at->second, at->first});
  by_offset_.erase(at);
}

bool Space::add(Extent extent) {
  if (extent.bytes == 0) return true;
  const auto next = by_offset_.lower_bound(extent.offset_bytes);
  if (next != by_offset_.end() && next->first < extent.end_bytes()) return false;
  if (next != by_offset_.begin()) {
    const auto previous = std::prev(next);
    const uint64_t previous_end = previous->first + previous->second;
    if (previous_end > extent.offset_bytes) return false;
    if (previous_end == extent.offset_bytes) {
      extent = {previous->first, previous->second + extent.bytes};
      erase(previous);
    }
  }
  if (next != by_offset_.end() && next->first == extent.end_bytes()) {
    extent.bytes += next->second;
    erase(next);
  }
  insert(extent);
  return true;
}

bool Space::remove(Extent extent) {
  if (extent.bytes == 0) return true;
  auto at = by_offset_.upper_bound(extent.offset_bytes);
  if (at == by_offset_.begin()) return false;
  --at;
  const Extent whole{at->first, at->second};
  if (whole.end_bytes() < extent.end_bytes()) return false;
  erase(at);
  if (whole.offset_bytes < extent.offset_bytes)
    insert({whole.offset_bytes, extent.offset_bytes - whole.offset_bytes});
  if (extent.end_bytes() < whole.end_bytes())
    insert({extent.end_bytes(), whole.end_bytes() - extent.end_bytes()});
  return true;
}

std::optional<Extent> Space::first_within(Extent extent) const {
  auto at = by_offset_.upper_bound(extent.offset_bytes);
  if (at != by_offset_.begin() && std::prev(at)->first + std::prev(at)->second > extent.offset_bytes) --at;
  if (at == by_offset_.end() || at->first >= extent.end_bytes()) return std::nullopt;
  const uint64_t begin = std::max(at->first, extent.offset_bytes);
  const uint64_t end = std::min(at->first + at->second, extent.end_bytes());
  return Extent{begin, end - begin};
}

std::optional<uint64_t> Space::take(uint64_t bytes) {
  const auto fit = by_bytes_.lower_bound({bytes, 0});
  if (fit == by_bytes_.end()) return std::nullopt;
  const uint64_t offset_bytes = fit->second;
  remove({offset_bytes, bytes});
  return offset_bytes;
}

Extent Space::ending_at(uint64_t end_bytes) const {
  const auto next = by_offset_.lower_bound(end_bytes);
  if (next == by_offset_.begin()) return {end_bytes, 0};
  const auto last = std::prev(next);
  if (last->first + last->second != end_bytes) return {end_bytes, 0};
  return {last->first, last->second};
}

void Space::clear() {
  by_offset_.clear();
  by_bytes_.clear();
  bytes_ = 0;
}

}  // namespace leoam
