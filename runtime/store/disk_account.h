// DiskAccount: the disk tier's budget and what was written.
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/base/status.h"

namespace leoam {

// One for an engine; files count in it. Thread rule: all calls are thread-safe.
class DiskAccount {
 public:
  explicit DiskAccount(uint64_t budget_bytes, uint64_t write_cap_bytes = UINT64_MAX)
      : budget_bytes_(budget_bytes), write_cap_bytes_(write_cap_bytes) {}

  // Takes room in the budget. Fails with no_space.
  Status reserve(uint64_t bytes);
  void release(uint64_t bytes) { used_bytes_.fetch_sub(bytes, std::memory_order_relaxed); }
  // Counts bytes that are about to be written. Fails with no_space when the cap would be passed; then nothing
  // is counted.
  Status count_written(uint64_t bytes);

  uint64_t budget_bytes() const { return budget_bytes_.load(std::memory_order_relaxed); }
  uint64_t used_bytes() const { return used_bytes_.load(std::memory_order_relaxed); }
  uint64_t written_bytes() const { return written_bytes_.load(std::memory_order_relaxed); }
  uint64_t write_cap_bytes() const { return write_cap_bytes_.load(std::memory_order_relaxed); }
  // A budget below what is used stops growth and drops nothing.
  void set_budget(uint64_t bytes) { budget_bytes_.store(bytes, std::memory_order_relaxed); }
  void set_write_cap(uint64_t bytes) { write_cap_bytes_.store(bytes, std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> budget_bytes_;
  std::atomic<uint64_t> write_cap_bytes_;
  std::atomic<uint64_t> used_bytes_{0};
  std::atomic<uint64_t> written_bytes_{0};
};

}  // namespace leoam
