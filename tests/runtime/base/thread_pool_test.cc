#include "runtime/base/thread_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

namespace leoam {
namespace {

using std::chrono::duration;
using std::chrono::milliseconds;

std::unique_ptr<ThreadPool> make_pool(int n_threads) {
  Result<std::unique_ptr<ThreadPool>> pool = ThreadPool::create(n_threads);
  EXPECT_TRUE(pool.ok());
  return std::move(pool).value();
}

// Processor time of this process, all threads, in seconds.
double cpu_seconds() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class ThreadPoolSizes : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolSizes, testing::Values(1, 2, 3, 8, 33));

TEST_P(ThreadPoolSizes, RunsTheTaskOncePerThread) {
  const auto pool = make_pool(GetParam());
  ASSERT_EQ(pool->n_threads(), GetParam());
  // Not atomic on purpose: the end of a region must publish what its threads wrote.
  std::vector<int> calls(static_cast<size_t>(GetParam()), 0);
  constexpr int kRegions = 300;
  for (int region = 0; region < kRegions; ++region) {
    pool->run([&](int thread) { ++calls[static_cast<size_t>(thread)]; });
    ASSERT_EQ(std::accumulate(calls.begin(), calls.end(), 0), (region + 1) * GetParam());
  }
  for (const int count : calls) EXPECT_EQ(count, kRegions);
}

TEST_P(ThreadPoolSizes, TheCallerIsThreadZero) {
  const auto pool = make_pool(GetParam());
  const std::thread::id caller = std::this_thread::get_id();
  std::atomic<int> on_caller{0};
  pool->run([&](int thread) {
    if ((std::this_thread::get_id() == caller) != (thread == 0)) on_caller = -1000;
    if (thread == 0) ++on_caller;
  });
  EXPECT_EQ(on_caller, 1);
}

// Each thread writes its slot, meets the others, then reads a neighbour's slot. Plain memory: a barrier that
// lets one thread through early fails here, and under ThreadSanitizer.
TEST_P(ThreadPoolSizes, BarriersOrderMemoryBetweenPhases) {
  const int n_threads = GetParam();
  const auto pool = make_pool(n_threads);
  std::vector<int64_t> slots(static_cast<size_t>(n_threads), -1);
  std::atomic<int> wrong{0};
  constexpr int kPhases = 200;
  pool->run([&](int thread) {
    for (int phase = 0; phase < kPhases; ++phase) {
      slots[static_cast<size_t>(thread)] = phase;
      pool->barrier();
      const int neighbour = (thread + phase) % n_threads;
      if (slots[static_cast<size_t>(neighbour)] != phase) ++wrong;
      pool->barrier();
    }
  });
  EXPECT_EQ(wrong, 0);
}

TEST_P(ThreadPoolSizes, EveryLoopHandsOutEachItemOnce) {
  const auto pool = make_pool(GetParam());
  constexpr int64_t kItems = 997;
  std::vector<std::atomic<int>> taken(kItems);
  // No barrier between the loops: each has its own counter.
  pool->run([&](int) {
    for (int loop = 0; loop < ThreadPool::kLoops; ++loop)
      for (int64_t item = pool->next_item(loop); item < kItems; item = pool->next_item(loop))
        taken[static_cast<size_t>(item)].fetch_add(1);
  });
  for (const std::atomic<int>& count : taken) ASSERT_EQ(count, ThreadPool::kLoops);
}

TEST_P(ThreadPoolSizes, ARegionStartsWithFreshCounters) {
  const auto pool = make_pool(GetParam());
  for (int region = 0; region < 50; ++region) {
    std::atomic<int64_t> sum{0};
    pool->run([&](int) {
      for (int64_t item = pool->next_item(3); item < 100; item = pool->next_item(3)) sum += item;
    });
    ASSERT_EQ(sum, 4950);
  }
}

TEST(ThreadPool, RefusesSillySizes) {
  for (const int n_threads : {0, -1, 1025}) {
    const auto pool = ThreadPool::create(n_threads);
    ASSERT_FALSE(pool.ok());
    EXPECT_EQ(pool.status().kind(), ErrorKind::invalid_argument);
    EXPECT_NE(pool.status().message().find("n_threads"), std::string::npos);
  }
}

TEST(ThreadPool, RegionsOfSeveralCallersQueueUp) {
  const auto pool = make_pool(3);
  std::atomic<int> inside{0};
  std::atomic<bool> overlapped{false};
  int64_t total = 0;
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller)
    callers.emplace_back([&] {
      for (int region = 0; region < 200; ++region)
        pool->run([&](int thread) {
          if (thread != 0) return;
          if (inside.fetch_add(1) != 0) overlapped = true;
          ++total;
          inside.fetch_sub(1);
        });
    });
  for (std::thread& caller : callers) caller.join();
  EXPECT_FALSE(overlapped);
  EXPECT_EQ(total, 800);
}

// Regions that begin while the workers are about to sleep, asleep, or still spinning: none may be missed.
TEST(ThreadPool, SleepingWorkersAreWoken) {
  const auto pool = make_pool(4);
  std::atomic<int> calls{0};
  for (int region = 0; region < 200; ++region) {
    std::this_thread::sleep_for(std::chrono::microseconds(region % 2 == 0 ? region : 500));
    pool->run([&](int) { ++calls; });
  }
  EXPECT_EQ(calls, 800);
}

TEST(ThreadPool, ComesAndGoesQuickly) {
  for (int i = 0; i < 100; ++i) {
    const auto pool = make_pool(4);
    if (i % 3 == 0) continue;  // never used
    std::atomic<int> calls{0};
    pool->run([&](int) { ++calls; });
    ASSERT_EQ(calls, 4);
  }
}

TEST(ThreadPool, AnIdlePoolUsesNoProcessorTime) {
  const auto pool = make_pool(4);
  pool->run([](int) {});
  std::this_thread::sleep_for(milliseconds(50));
  const double before = cpu_seconds();
  std::this_thread::sleep_for(milliseconds(400));
  EXPECT_LT(cpu_seconds() - before, 0.02);
}

TEST(ThreadPool, WorkersCarryTheLibrarysName) {
  const auto pool = make_pool(3);
  std::vector<std::string> names(3);
  pool->run([&](int thread) {
    std::ifstream comm("/proc/thread-self/comm");
    std::getline(comm, names[static_cast<size_t>(thread)]);
  });
  EXPECT_EQ(names[1], "leoam-1");
  EXPECT_EQ(names[2], "leoam-2");
}

}  // namespace
}  // namespace leoam
