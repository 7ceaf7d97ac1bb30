// CancelFlag: one bit that any thread may set and long work looks at. Setting it is async-signal-safe.
#pragma once

#include <atomic>

#include "runtime/base/status.h"

namespace leoam {

class CancelFlag {
 public:
  CancelFlag() = default;
  // A flag that also counts as set while `parent` is; the parent outlives it.
  explicit CancelFlag(const CancelFlag* parent) : parent_(parent) {}

  void cancel() { flag_.store(true, std::memory_order_relaxed); }
  void reset() { flag_.store(false, std::memory_order_relaxed); }
  bool cancelled() const {
    return flag_.load(std::memory_order_relaxed) || (parent_ && parent_->cancelled());
  }

 private:
  // Relaxed is enough: the flag carries no data, only a wish.
  std::atomic<bool> flag_{false};
  const CancelFlag* parent_ = nullptr;
};

// The failure `cancelled` once the flag is set. nullptr: never.
inline Status check_cancelled(const CancelFlag* flag) {
  return flag && flag->cancelled() ? Status(ErrorKind::cancelled, "cancelled by the caller") : Status();
}

}  // namespace leoam
