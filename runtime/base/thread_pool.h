// ThreadPool: the one pool of an instance. A region runs one function on every thread at once; inside a
// region the threads meet at barriers and take work items from shared counters.
//
// Between regions the workers spin for some tens of microseconds, so that the regions of one step start
// without a system call, then sleep; an idle pool uses no CPU.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/base/status.h"

namespace leoam {

class ThreadPool {
 public:
  // The caller of `run` is one of the n_threads >= 1; n_threads - 1 workers are started, named "leoam-N".
  // Fails with out_of_memory when the system refuses a thread.
  static Result<std::unique_ptr<ThreadPool>> create(int n_threads);
  ~ThreadPool();

  int n_threads() const { return n_threads_; }

  // Calls task(thread) once on every thread, 0 <= thread < n_threads, the caller being thread 0, and returns
  // when all are done. One region at a time: regions from several threads queue up at a mutex. `task` must
  // not throw and must not call `run`.
  template <class Task>
  void run(const Task& task) {
    run_erased([](const void* context, int thread) { (*static_cast<const Task*>(context))(thread); }, &task);
  }

  // Inside a region: returns when all threads have called it. Memory written before it is seen after it.
  void barrier();

  // Inside a region: hands out 0, 1, 2, ... across the threads, so that a slow thread takes fewer work items.
  // Each loop of a region uses its own counter `loop`, 0 <= loop < kLoops; all counters are 0 when a region
  // starts.
  static constexpr int kLoops = 8;
  int64_t next_item(int loop) { return items_[loop].next.fetch_add(1, std::memory_order_relaxed); }

 private:
  using Erased = void (*)(const void* context, int thread);
  explicit ThreadPool(int n_threads) : n_threads_(n_threads) {}
  void run_erased(Erased task, const void* context);
  void worker(int thread);

  const int n_threads_;
  std::vector<std::thread> workers_;
  std::mutex region_mutex_;

  std::mutex sleep_mutex_;
  std::condition_variable wake_;
  std::atomic<int> n_sleeping_{0};
  std::atomic<bool> stop_{false};

  alignas(64) std::atomic<uint64_t> region_{0};  // counts regions started
  Erased task_ = nullptr;
  const void* context_ = nullptr;
  alignas(64) std::atomic<int> n_running_{0};
  alignas(64) std::atomic<int> n_arrived_{0};
  alignas(64) std::atomic<uint32_t> barrier_phase_{0};
  struct alignas(64) Counter {
    std::atomic<int64_t> next{0};
  };
  Counter items_[kLoops];
};

}  // namespace leoam
