#include "runtime/base/thread_pool.h"

#include <pthread.h>

#include <chrono>
#include <memory>
#include <system_error>

#include "runtime/base/signals_blocked.h"

namespace leoam {
namespace {

using Clock = std::chrono::steady_clock;

// Long enough to bridge the gap between two regions of a step, short enough to cost nothing when idle.
constexpr auto kSpin = std::chrono::microseconds(50);

constexpr int kUnknown = -1;

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
  const SignalsBlocked blocked;
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
  n_expected_.store(kUnknown, std::memory_order_relaxed);
  n_arrived_.store(0, std::memory_order_relaxed);
  const uint64_t region = door_.load(std::memory_order_relaxed) / kRegion + 1;
  // Sequentially consistent with the sleeper's announcement: either it sees the new region, or we see it
  // sleep.
  door_.store(region * kRegion, std::memory_order_seq_cst);
  if (n_sleeping_.load(std::memory_order_seq_cst) > 0) {
    std::lock_guard<std::mutex> lock(sleep_mutex_);
    wake_.notify_all();
  }
  task(context, 0);
  close();
  wait_for([&] { return (door_.load(std::memory_order_acquire) & kInside) == 0; });
}

int ThreadPool::close() {
  return static_cast<int>(door_.fetch_or(kClosed, std::memory_order_acq_rel) & kInside);
}

void ThreadPool::barrier(int thread) {
  if (n_threads_ == 1) return;
  const uint32_t phase = barrier_phase_.load(std::memory_order_relaxed);
  if (thread == 0 && n_expected_.load(std::memory_order_relaxed) == kUnknown)
    n_expected_.store(close() + 1, std::memory_order_relaxed);
  // Whoever comes last has met the caller here, directly or through others, and knows how many are expected.
  if (n_arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == n_expected_.load(std::memory_order_relaxed)) {
    n_arrived_.store(0, std::memory_order_relaxed);
    barrier_phase_.store(phase + 1, std::memory_order_release);
    return;
  }
  wait_for([&] { return barrier_phase_.load(std::memory_order_acquire) != phase; });
}

bool ThreadPool::enter(uint64_t* seen) {
  uint64_t door = door_.load(std::memory_order_acquire);
  while (door / kRegion != *seen && (door & kClosed) == 0) {
    if (!door_.compare_exchange_weak(door, door + 1, std::memory_order_acq_rel, std::memory_order_acquire))
      continue;
    *seen = door / kRegion;
    return true;
  }
  *seen = door / kRegion;
  return false;
}

void ThreadPool::worker(int thread) {
  uint64_t seen = 0;  // the newest region that it was in, or came too late for
  for (;;) {
    const auto has_work = [&](std::memory_order order) { return door_.load(order) / kRegion != seen; };
    const auto is_awaited = [&] {
      return has_work(std::memory_order_acquire) || stop_.load(std::memory_order_relaxed);
    };
    const auto spin_end = Clock::now() + kSpin;
    while (!is_awaited() && Clock::now() < spin_end)
      for (int i = 0; i < 64 && !is_awaited(); ++i) cpu_relax();
    if (!is_awaited()) {
      std::unique_lock<std::mutex> lock(sleep_mutex_);
      n_sleeping_.fetch_add(1, std::memory_order_seq_cst);
      wake_.wait(lock, [&] { return has_work(std::memory_order_seq_cst) || stop_.load(); });
      n_sleeping_.fetch_sub(1, std::memory_order_relaxed);
    }
    if (enter(&seen)) {
      task_(context_, thread);
      door_.fetch_sub(1, std::memory_order_release);
    } else if (stop_.load()) {
      return;
    }
  }
}

}  // namespace leoam
