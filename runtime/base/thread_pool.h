// ThreadPool: the one pool of an instance. A region runs one function on several threads at once; inside a
// region the threads meet at barriers and take work items from shared counters.
//
// Between regions the workers spin for some tens of microseconds, so that the regions of one step start
// without a system call, then sleep; an idle pool uses no CPU. No region waits for a worker that has not come
// by the time its share is done: on a machine with other work the caller goes on alone.
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

  // Calls task(thread) once on the caller, which is thread 0, and on each worker, 0 < thread < n_threads,
  // that comes before the caller has ended its own call or reached a barrier; returns when all that came are
  // done. So all work is to be taken item by item. One region at a time: regions from several threads queue
  // up at a mutex. `task` must not throw and must not call `run`.
  template <class Task>
  void run(const Task& task) {
    run_erased([](const void* context, int thread) { (*static_cast<const Task*>(context))(thread); }, &task);
  }

  // Inside a region, by every thread of it: returns when all have called it, and nobody joins the region any
  // more. Memory written before it is seen after it.
  void barrier(int thread);

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
  // Whether the worker is in a region it has not seen; *seen is the newest one afterwards.
  bool enter(uint64_t* seen);

  const int n_threads_;
  std::vector<std::thread> workers_;
  std::mutex region_mutex_;

  std::mutex sleep_mutex_;
  std::condition_variable wake_;
  std::atomic<int> n_sleeping_{0};
  std::atomic<bool> stop_{false};

  // The newest region's number, kClosed when no worker may come any more, and how many workers are in it.
  static constexpr uint64_t kRegion = uint64_t{1} << 12;
  static constexpr uint64_t kClosed = kRegion >> 1;
  static constexpr uint64_t kInside = kClosed - 1;
  // By the caller: returns how many workers came.
  int close();

  alignas(64) std::atomic<uint64_t> door_{kClosed};
  Erased task_ = nullptr;
  const void* context_ = nullptr;
  alignas(64) std::atomic<int> n_expected_{0};  // at barriers; not known before the caller's first one
  alignas(64) std::atomic<int> n_arrived_{0};
  alignas(64) std::atomic<uint32_t> barrier_phase_{0};
  struct alignas(64) Counter {
    std::atomic<int64_t> next{0};
  };
  Counter items_[kLoops];
};

}  // namespace leoam
