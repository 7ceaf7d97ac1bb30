// What the benches of an engine share: they end at the first failure, time a piece of work, make up tokens.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <vector>

#include "runtime/base/status.h"

namespace leoam::bench {

inline void check(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.message().c_str());
  std::exit(1);
}

inline double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

inline std::vector<int32_t> tokens(size_t n) {
  std::vector<int32_t> out(n);
  uint32_t seed = 1;
  for (int32_t& token : out)
    token = static_cast<int32_t>((seed = seed * 1664525u + 1013904223u) >> 8) % 30000;
  return out;
}

}  // namespace leoam::bench
