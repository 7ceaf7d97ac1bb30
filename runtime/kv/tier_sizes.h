// How a budget of RAM is divided between pages at rest, pages that come in, and the memory of transfers.
#pragma once

#include <algorithm>
#include <cstdint>

#include "runtime/base/aligned_buffer.h"
#include "runtime/store/page_file.h"

namespace leoam {

// What transfers cannot do without.
inline uint64_t least_staging_bytes_of(uint64_t page_bytes) {
  return 4 * PageFile::stored_bytes(page_bytes);
}

// What passes read: layers from end to end, or pages that were chosen.
enum class Reads : uint8_t { whole, chosen };

// Memory of transfers: a disk needs some megabytes on their way to be fast, on huge pages where there are
// such. Where there is little RAM, pages that a pass holds need it more; where pages are chosen, reads are
// few and small, and what stays in RAM saves more of them.
inline uint64_t staging_bytes_of(uint64_t budget_bytes, uint64_t page_bytes, Reads reads) {
  constexpr uint64_t kMost_bytes = uint64_t{8} << 20;
  constexpr uint64_t kLittle_bytes = uint64_t{4} << 20;
  const bool little = budget_bytes < kLittle_bytes;
  const uint64_t unit = little ? kIoBlock_bytes : kHugePage_bytes;
  const uint64_t share_bytes =
      little ? budget_bytes / 8 : budget_bytes / (reads == Reads::whole ? 3 : 8) + unit / 2;
  return std::max(least_staging_bytes_of(page_bytes), std::min(share_bytes / unit * unit, kMost_bytes));
}

// Pages brought in before their use. Where pages are chosen, those of the step before are the better guess.
inline uint64_t ahead_bytes_of(uint64_t budget_bytes, Reads reads) {
  constexpr uint64_t kMost_bytes = uint64_t{16} << 20;
  return std::min(budget_bytes / (reads == Reads::whole ? 3 : 12), kMost_bytes);
}

}  // namespace leoam
