#include "runtime/store/disk_account.h"

namespace leoam {

namespace {

// Adds to `sum` unless it would pass `limit`; then `available` says what could be added.
bool add_within(std::atomic<uint64_t>* sum, uint64_t bytes, uint64_t limit, uint64_t* available) {
  uint64_t now = sum->load(std::memory_order_relaxed);
  do {
    *available = limit > now ? limit - now : 0;
    if (bytes > *available) return false;
  } while (!sum->compare_exchange_weak(now, now + bytes, std::memory_order_relaxed));
  return true;
}

}  // namespace

Status DiskAccount::reserve(uint64_t bytes) {
  uint64_t available = 0;
  if (add_within(&used_bytes_, bytes, budget_bytes(), &available)) return {};
  return Status::no_space(
      fmt::format("disk budget: {} bytes needed, {} of {} available", bytes, available, budget_bytes()),
      bytes, available);
}

Status DiskAccount::count_written(uint64_t bytes) {
  uint64_t available = 0;
  if (add_within(&written_bytes_, bytes, write_cap_bytes(), &available)) return {};
  return Status::no_space(
      fmt::format("cap on bytes written: {} needed, {} of {} available", bytes, available, write_cap_bytes()),
      bytes, available);
}

}  // namespace leoam
