// The steady clock as a number.
#pragma once

#include <chrono>
#include <cstdint>

namespace leoam {

inline uint64_t steady_us() {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                   std::chrono::steady_clock::now().time_since_epoch())
                                   .count());
}

}  // namespace leoam
