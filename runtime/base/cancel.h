// CancelFlag: one bit that any thread may set and long work looks at. Setting it is async-signal-safe.
#pragma once

#include <atomic>

namespace leoam {

class CancelFlag {
 public:
  void cancel() { flag_.store(true, std::memory_order_relaxed); }
  void reset() { flag_.store(false, std::memory_order_relaxed); }
  bool cancelled() const { return flag_.load(std::memory_order_relaxed); }

 private:
  // Relaxed is enough: the flag carries no data, only a wish.
  std::atomic<bool> flag_{false};
};

}  // namespace leoam
