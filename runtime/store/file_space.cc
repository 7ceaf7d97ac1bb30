#include "runtime/store/file_space.h"

#include <algorithm>
#include <vector>

namespace leoam {

namespace {

// A file grows by an eighth, so that it is resized rarely and is never much larger than what it holds.
constexpr uint64_t kLeastGrowth_bytes = uint64_t{1} << 20;
constexpr uint64_t kMostGrowth_bytes = uint64_t{64} << 20;

uint64_t growth_bytes(uint64_t file_bytes) {
  const uint64_t step = std::clamp(file_bytes / 8, kLeastGrowth_bytes, kMostGrowth_bytes);
  return step / kIoBlock_bytes * kIoBlock_bytes;
}

}  // namespace

Status FileSpace::reserve_head(uint64_t bytes) {
  LEOAM_RETURN_IF_ERROR(account_->reserve(bytes));
  reserved_bytes_ += bytes;
  return {};
}

Status FileSpace::adopt(std::span<const Extent> used, uint64_t file_bytes) {
  std::vector<Extent> sorted(used.begin(), used.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const Extent& a, const Extent& b) { return a.offset_bytes < b.offset_bytes; });
  const std::lock_guard lock(mutex_);
  uint64_t free_from = end_bytes_;
  for (const Extent& extent : sorted) {
    if (extent.offset_bytes < free_from)
      return error(ErrorKind::corrupt, "two records claim byte {} of the file", extent.offset_bytes);
    if (extent.offset_bytes > file_bytes || extent.bytes > file_bytes - extent.offset_bytes)
      return error(ErrorKind::corrupt, "a record at byte {} with {} bytes is outside the file of {} bytes",
                   extent.offset_bytes, extent.bytes, file_bytes);
    free_.add({free_from, extent.offset_bytes - free_from});
    free_from = extent.end_bytes();
  }
  const uint64_t whole_blocks = file_bytes / kIoBlock_bytes * kIoBlock_bytes;
  if (whole_blocks > free_from) free_.add({free_from, whole_blocks - free_from});
  const uint64_t end_bytes = std::max(free_from, whole_blocks);
  LEOAM_RETURN_IF_ERROR(account_->reserve(end_bytes - end_bytes_));
  reserved_bytes_ += end_bytes - end_bytes_;
  end_bytes_ = end_bytes;
  return {};
}

Result<uint64_t> FileSpace::allocate(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  std::optional<uint64_t> offset_bytes = free_.take(bytes);
  if (!offset_bytes) {
    LEOAM_RETURN_IF_ERROR(grow(bytes));
    offset_bytes = free_.take(bytes);
    if (!offset_bytes) return Status(ErrorKind::internal, "the file grew and has no room");
  }
  if (reuse_ == Reuse::after_commit) fresh_.add({*offset_bytes, bytes});
  return *offset_bytes;
}

Status FileSpace::grow(uint64_t bytes) {
  const uint64_t missing = bytes - free_.ending_at(end_bytes_).bytes;
  const uint64_t step = grows_exactly_ ? 0 : growth_bytes(end_bytes_);
  // A step first; where budget or disk refuse that, what is needed and no more.
  if (step > missing && resize(end_bytes_ + step).ok()) return {};
  return resize(end_bytes_ + missing);
}

Status FileSpace::resize(uint64_t end_bytes) {
  LEOAM_RETURN_IF_ERROR(account_->reserve(end_bytes - end_bytes_));
  if (Status status = file_->resize(end_bytes); !status.ok()) {
    account_->release(end_bytes - end_bytes_);
    return status;
  }
  reserved_bytes_ += end_bytes - end_bytes_;
  free_.add({end_bytes_, end_bytes - end_bytes_});
  end_bytes_ = end_bytes;
  return {};
}

void FileSpace::free(Extent extent) {
  const std::lock_guard lock(mutex_);
  if (reuse_ == Reuse::at_once) {
    free_.add(extent);
    shrink();
    return;
  }
  // The last commit knows nothing of what was taken after it.
  uint64_t rest_from = extent.offset_bytes;
  fresh_.remove_within(extent, [&](Extent part) {
    held_.add({rest_from, part.offset_bytes - rest_from});
    free_.add(part);
    rest_from = part.end_bytes();
  });
  held_.add({rest_from, extent.end_bytes() - rest_from});
}

// A scratch file gives the disk back what a cancelled or shortened context no longer needs.
void FileSpace::shrink() {
  const Extent tail = free_.ending_at(end_bytes_);
  if (tail.bytes < 2 * growth_bytes(end_bytes_) || tail.bytes < end_bytes_ / 2) return;
  const uint64_t end_bytes = tail.offset_bytes + growth_bytes(tail.offset_bytes);
  if (!file_->resize(end_bytes).ok()) return;
  free_.remove({end_bytes, end_bytes_ - end_bytes});
  account_->release(end_bytes_ - end_bytes);
  reserved_bytes_ -= end_bytes_ - end_bytes;
  end_bytes_ = end_bytes;
}

void FileSpace::grow_exactly() {
  const std::lock_guard lock(mutex_);
  grows_exactly_ = true;
}

void FileSpace::commit() {
  const std::lock_guard lock(mutex_);
  fresh_.clear();
  held_.for_each([this](Extent extent) { free_.add(extent); });
  held_.clear();
}

uint64_t FileSpace::used_bytes() const {
  const std::lock_guard lock(mutex_);
  return end_bytes_ - begin_bytes_ - free_.bytes();
}

uint64_t FileSpace::file_bytes() const {
  const std::lock_guard lock(mutex_);
  return end_bytes_;
}

}  // namespace leoam
