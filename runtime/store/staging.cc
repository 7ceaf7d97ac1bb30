#include "runtime/store/staging.h"

#include <algorithm>

namespace leoam {

Result<Staging> Staging::create(uint64_t bytes) {
  Staging staging;
  LEOAM_ASSIGN_OR_RETURN(staging.buffer_, AlignedBuffer::allocate(bytes + kIoBlock_bytes));
  const uint64_t address = reinterpret_cast<uintptr_t>(staging.buffer_.data());
  staging.base_ = staging.buffer_.data() + (kIoBlock_bytes - address % kIoBlock_bytes) % kIoBlock_bytes;
  staging.bytes_ = bytes;
  staging.used_.resize(bytes / kIoBlock_bytes);
  return staging;
}

uint8_t* Staging::take(uint64_t bytes) {
  const size_t n = bytes / kIoBlock_bytes;
  // From where the last run ended, then from the start: transfers end roughly in the order they began.
  for (const size_t begin : {search_from_, size_t{0}}) {
    size_t n_free = 0;
    for (size_t block = begin; block < used_.size(); ++block) {
      n_free = used_[block] ? 0 : n_free + 1;
      if (n_free < n) continue;
      const size_t first = block + 1 - n;
      std::fill_n(used_.begin() + static_cast<std::ptrdiff_t>(first), n, true);
      search_from_ = block + 1;
      return base_ + first * kIoBlock_bytes;
    }
  }
  return nullptr;
}

void Staging::give_back(uint8_t* data, uint64_t bytes) {
  const auto first = (data - base_) / static_cast<std::ptrdiff_t>(kIoBlock_bytes);
  std::fill_n(used_.begin() + first, bytes / kIoBlock_bytes, false);
}

}  // namespace leoam
