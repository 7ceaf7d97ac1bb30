// Space: which parts of a file are free.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace leoam {

// Bytes of a file. All that is here is a multiple of kIoBlock_bytes.
struct Extent {
  uint64_t offset_bytes = 0;
  uint64_t bytes = 0;
  uint64_t end_bytes() const { return offset_bytes + bytes; }
};

// Extents without overlaps or empty ones; neighbours are one. Cost: logarithmic in their number.
// Thread rule: one thread at a time.
class Space {
 public:
  // The extent joins; false, and nothing changes, when a part of it is here already.
  bool add(Extent extent);
  // Takes out what is here; false, and nothing changes, unless all of it is.
  bool remove(Extent extent);
  // Takes out the parts of `extent` that are here and gives them to `visit`.
  template <class Visit>
  void remove_within(Extent extent, const Visit& visit) {
    while (const std::optional<Extent> part = first_within(extent)) {
      remove(*part);
      visit(*part);
    }
  }
  // Takes out the smallest extent that is large enough, of equals the first; the rest of it stays.
  std::optional<uint64_t> take(uint64_t bytes);
  // The extent that ends at `end_bytes`; empty when none does.
  Extent ending_at(uint64_t end_bytes) const;

  uint64_t bytes() const { return bytes_; }
  void clear();
  template <class Visit>
  void for_each(const Visit& visit) const {
    for (const auto& [offset_bytes, bytes] : by_offset_) visit(Extent{offset_bytes, bytes});
  }

 private:
  using ByOffset = std::map<uint64_t, uint64_t>;
  void insert(Extent extent);
  void erase(ByOffset::iterator at);
  std::optional<Extent> first_within(Extent extent) const;

  ByOffset by_offset_;                                // offset -> bytes
  std::set<std::pair<uint64_t, uint64_t>> by_bytes_;  // (bytes, offset)
  uint64_t bytes_ = 0;
};

}  // namespace leoam
