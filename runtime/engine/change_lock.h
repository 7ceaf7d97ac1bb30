// ChangeLock: held while a session's KV changes. What one thread begins another may end (a pass that a caller
// steps), so it is no std::mutex.
#pragma once

#include <condition_variable>
#include <mutex>

namespace leoam {

// For std::unique_lock and std::lock_guard. Thread rule: all calls are thread-safe; any thread may unlock.
class ChangeLock {
 public:
  void lock() {
    std::unique_lock<std::mutex> guard(mutex_);
    free_.wait(guard, [this] { return !held_; });
    held_ = true;
  }
  bool try_lock() {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (held_) return false;
    held_ = true;
    return true;
  }
  void unlock() {
    const std::lock_guard<std::mutex> guard(mutex_);
    held_ = false;
    free_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable free_;
  bool held_ = false;
};

}  // namespace leoam
