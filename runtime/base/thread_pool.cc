#include "runtime/base/thread_pool.h"

#include <pthread.h>

#include <chrono>
#include <memory>
#include <system_error>

namespace leoam {
namespace {

using Clock = std::chrono::steady_clock;

// Long enough to bridge the gap between two regions of a step, short enough to cost nothing when idle.
constexpr auto kSpin = std::chrono::microseconds(50);

inline void cpu_relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Spins until `done`, then yields: a preempted sibling must not be waited for with a burning core.
template <class Done>
void wait_for(const Done& done) {
  for (int i = 0; i < 4096; ++i) {
    if (done()) return;
    cpu_relax();
  }
  while (!done()) std::this_thread::yield();
}

}  // namespace

Result<std::unique_ptr<ThreadPool>> ThreadPool::create(int n_threads) {
  if (n_threads < 1 || n_threads > 1024)
    return error(ErrorKind::invalid_argument, "n_threads: expected 1 to 1024, found {}", n_threads);
  std::unique_ptr<ThreadPool> pool(new ThreadPool(n_threads));
  try {
    for (int thread = 1; thread < n_threads; ++thread) {
      pool->workers_.emplace_back([raw = pool.get(), thread] { raw->worker(thread); });
      pthread_setname_np(pool->workers_.back().native_handle(), fmt::format("leoam-{}", thread).c_str());
    }
  } catch (const std::system_error& failure) {
    return error(ErrorKind::out_of_memory, "cannot start thread {} of {}: {}", pool->workers_.size() + 1,
                 n_threads, failure.what());
  }
  return pool;
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard<std::mutex> lock(sleep_mutex_);
    stop_.store(true);
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run_erased(Erased task, const void* context) {
  std::lock_guard<std::mutex> region_lock(region_mutex_);
  for (Counter& counter : items_) counter.next.store(0, std::memory_order_relaxed);
  if (n_threads_ == 1) {
    task(context, 0);
    return;
  }
  task_ = task;
  context_ = context;
  n_running_.store(n_threads_ - 1, std::memory_order_relaxed);
  // Sequentially consistent with the sleeper's announcement: either it sees the new region, or we see it
  // sleep.
  region_.fetch_add(1, std::memory_order_seq_cst);
  if (n_sleeping_.load(std::memory_order_seq_cst) > 0) {
    std::lock_guard<std::mutex> lock(sleep_mutex_);
    wake_.notify_all();
  }
  task(context, 0);
  wait_for([&] { return n_running_.load(std::memory_order_acquire) == 0; });
}

void ThreadPool::barrier() {
  if (n_threads_ == 1) return;
  const uint32_t phase = barrier_phase_.load(std::memory_order_relaxed);
  if (n_arrived_.fetch_add(1, std::memory_order_acq_rel) == n_threads_ - 1) {
    n_arrived_.store(0, std::memory_order_relaxed);
    barrier_phase_.store(phase + 1, std::memory_order_release);
    return;
  }
  wait_for([&] { return barrier_phase_.load(std::memory_order_acquire) != phase; });
}

void ThreadPool::worker(int thread) {
  uint64_t seen = 0;
  for (;;) {
    const auto has_work = [&] {
      return region_.load(std::memory_order_acquire) != seen || stop_.load(std::memory_order_relaxed);
    };
    const auto spin_end = Clock::now() + kSpin;
    while (!has_work() && Clock::now() < spin_end)
      for (int i = 0; i < 64 && !has_work(); ++i) cpu_relax();
    if (!has_work()) {
      std::unique_lock<std::mutex> lock(sleep_mutex_);
      n_sleeping_.fetch_add(1, std::memory_order_seq_cst);
      wake_.wait(lock, [&] { return region_.load(std::memory_order_seq_cst) != seen || stop_.load(); });
      n_sleeping_.fetch_sub(1, std::memory_order_relaxed);
    }
    if (region_.load(std::memory_order_acquire) == seen) return;  // stopped, and no region pending
    ++seen;
    task_(context_, thread);
    n_running_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace leoam
