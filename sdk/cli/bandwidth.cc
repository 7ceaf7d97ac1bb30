#include "bandwidth.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>

namespace leoam::cli {
namespace {

constexpr size_t kBlock_bytes = size_t{512} << 20;

uint64_t sum(const uint64_t* begin, const uint64_t* end) {
  // Independent sums, so that additions never wait for each other.
  std::array<uint64_t, 32> lanes{};
  for (; begin + lanes.size() <= end; begin += lanes.size())
    for (size_t i = 0; i < lanes.size(); ++i) lanes[i] += begin[i];
  return std::accumulate(lanes.begin(), lanes.end(), uint64_t{0});
}

}  // namespace

MemoryBandwidth::MemoryBandwidth(uint32_t n_threads)
    : n_threads_(std::max(1u, n_threads)), block_(kBlock_bytes / sizeof(uint64_t), 1) {}

double MemoryBandwidth::measure() {
  std::vector<std::thread> threads;
  std::atomic<uint64_t> total{0};
  const auto start = std::chrono::steady_clock::now();
  const size_t part = block_.size() / n_threads_;
  for (uint32_t t = 0; t < n_threads_; ++t)
    threads.emplace_back([&, t] { total += sum(block_.data() + t * part, block_.data() + (t + 1) * part); });
  for (std::thread& thread : threads) thread.join();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  sink_ += total;
  return static_cast<double>(part * n_threads_ * sizeof(uint64_t)) / seconds.count();
}

}  // namespace leoam::cli
