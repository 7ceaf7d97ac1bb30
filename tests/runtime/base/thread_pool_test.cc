#include "runtime/base/thread_pool.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
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

// Inside a region, by every thread of it: returns when all the pool's threads have come.
class Gathering {
 public:
  explicit Gathering(int n_threads) : n_threads_(n_threads) {}
  void wait() {
    for (++n_here_; n_here_ < n_threads_;) std::this_thread::yield();
  }

 private:
  const int n_threads_;
  std::atomic<int> n_here_{0};
};

TEST_P(ThreadPoolSizes, RunsTheTaskOncePerThread) {
  const auto pool = make_pool(GetParam());
  ASSERT_EQ(pool->n_threads(), GetParam());
  // Not atomic on purpose: the end of a region must publish what its threads wrote.
  std::vector<int> calls(static_cast<size_t>(GetParam()), 0);
  constexpr int kRegions = 300;
  for (int region = 0; region < kRegions; ++region) {
    Gathering gathering(GetParam());
    pool->run([&](int thread) {
      ++calls[static_cast<size_t>(thread)];
      gathering.wait();
    });
    ASSERT_EQ(std::accumulate(calls.begin(), calls.end(), 0), (region + 1) * GetParam());
  }
  for (const int count : calls) EXPECT_EQ(count, kRegions);
}

// Whoever comes late stays out, at most once in: the caller alone does what there is to do.
TEST_P(ThreadPoolSizes, NoThreadRunsTheTaskTwice) {
  const auto pool = make_pool(GetParam());
  std::vector<int> calls(static_cast<size_t>(GetParam()), 0);
  for (int region = 0; region < 2000; ++region) {
    std::fill(calls.begin(), calls.end(), 0);
    pool->run([&](int thread) { ++calls[static_cast<size_t>(thread)]; });
    ASSERT_EQ(calls[0], 1);
    for (const int count : calls) ASSERT_LE(count, 1);
  }
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
  Gathering gathering(n_threads);
  pool->run([&](int thread) {
    gathering.wait();
    for (int phase = 0; phase < kPhases; ++phase) {
      slots[static_cast<size_t>(thread)] = phase;
      pool->barrier(thread);
      const int neighbour = (thread + phase) % n_threads;
      if (slots[static_cast<size_t>(neighbour)] != phase) ++wrong;
      pool->barrier(thread);
    }
  });
  EXPECT_EQ(wrong, 0);
}

// Whoever is in the region at its first barrier is in all of it, nobody else is in any later part.
TEST_P(ThreadPoolSizes, NobodyJoinsBehindABarrier) {
  const int n_threads = GetParam();
  const auto pool = make_pool(n_threads);
  for (int region = 0; region < 500; ++region) {
    std::vector<int> came(static_cast<size_t>(n_threads), 0);
    std::vector<int> seen(static_cast<size_t>(n_threads), 0);
    std::atomic<int64_t> sum{0};
    pool->run([&](int thread) {
      came[static_cast<size_t>(thread)] = 1;
      pool->barrier(thread);
      seen[static_cast<size_t>(thread)] = std::accumulate(came.begin(), came.end(), 0);
      for (int64_t item = pool->next_item(0); item < 10; item = pool->next_item(0)) sum += item;
      pool->barrier(thread);
    });
    const int n_came = std::accumulate(came.begin(), came.end(), 0);
    ASSERT_EQ(came[0], 1);
    ASSERT_EQ(sum, 45);
    for (size_t thread = 0; thread < came.size(); ++thread) ASSERT_EQ(seen[thread], came[thread] * n_came);
  }
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
  for (int region = 0; region < 200; ++region) {
    std::this_thread::sleep_for(std::chrono::microseconds(region % 2 == 0 ? region : 500));
    Gathering gathering(4);
    pool->run([&](int) { gathering.wait(); });
  }
}

TEST(ThreadPool, ComesAndGoesQuickly) {
  for (int i = 0; i < 100; ++i) {
    const auto pool = make_pool(4);
    if (i % 3 == 0) continue;  // never used
    Gathering gathering(4);
    pool->run([&](int) {
      if (i % 3 == 1) gathering.wait();
    });
  }
}

// A worker that gets next to no processor time, as beside other programs: it shares one processor with the
// caller and with a thread that never rests, and both go first. Regions must not wait for its turn.
TEST(ThreadPool, RegionsDoNotWaitForWorkersThatDoNotCome) {
  std::atomic<pid_t> worker{0};
  const auto pool = make_pool(2);
  Gathering gathering(2);
  pool->run([&](int thread) {
    if (thread == 1) worker = gettid();
    gathering.wait();
  });
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  const sched_param none = {};
  ASSERT_EQ(sched_setaffinity(worker, sizeof one, &one), 0);
  ASSERT_EQ(sched_setscheduler(worker, SCHED_IDLE, &none), 0);
  std::atomic<bool> stop{false};
  std::thread restless([&] {
    ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    while (!stop) {
    }
  });
  std::thread caller([&] {
    ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    const auto begin = std::chrono::steady_clock::now();
    for (int region = 0; region < 500; ++region) {
      std::atomic<int64_t> sum{0};
      pool->run([&](int index) {
        for (int64_t item = pool->next_item(0); item < 20; item = pool->next_item(0)) sum += item;
        pool->barrier(index);
        for (int64_t item = pool->next_item(1); item < 20; item = pool->next_item(1)) sum += item;
      });
      ASSERT_EQ(sum, 380);
    }
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  });
  caller.join();
  stop = true;
  restless.join();
}

TEST(ThreadPool, AnIdlePoolUsesNoProcessorTime) {
  const auto pool = make_pool(4);
  pool->run([](int) {});
  std::this_thread::sleep_for(milliseconds(50));
  const double before = cpu_seconds();
  std::this_thread::sleep_for(milliseconds(400));
  EXPECT_LT(cpu_seconds() - before, 0.02);
}

// A signal to the process is for the host's own threads; a fault is for its crash handler.
TEST(ThreadPool, WorkersLeaveSignalsToTheHost) {
  sigset_t before, after;
  pthread_sigmask(SIG_BLOCK, nullptr, &before);
  const auto pool = make_pool(2);
  pthread_sigmask(SIG_BLOCK, nullptr, &after);
  sigset_t masks[2];
  Gathering gathering(2);
  pool->run([&](int thread) {
    gathering.wait();
    pthread_sigmask(SIG_BLOCK, nullptr, &masks[thread]);
  });
  for (const int sent : {SIGINT, SIGTERM, SIGALRM, SIGCHLD, SIGUSR1, SIGPROF}) {
    EXPECT_EQ(sigismember(&masks[1], sent), 1) << sent;
    EXPECT_EQ(sigismember(&after, sent), sigismember(&before, sent)) << sent;
  }
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE}) EXPECT_EQ(sigismember(&masks[1], fault), 0) << fault;
}

TEST(ThreadPool, WorkersCarryTheLibrarysName) {
  const auto pool = make_pool(3);
  std::vector<std::string> names(3);
  Gathering gathering(3);
  pool->run([&](int thread) {
    gathering.wait();
    std::ifstream comm("/proc/thread-self/comm");
    std::getline(comm, names[static_cast<size_t>(thread)]);
  });
  EXPECT_EQ(names[1], "leoam-1");
  EXPECT_EQ(names[2], "leoam-2");
}

}  // namespace
}  // namespace leoam
