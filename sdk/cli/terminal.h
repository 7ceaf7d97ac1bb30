// Terminal: a progress bar on standard error while that is a terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

namespace leoam::cli {

class ProgressBar {
 public:
  // `unit` follows the numbers: "MiB", "tokens".
  ProgressBar(std::string title, std::string unit, uint64_t unit_size = 1);
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  // Wipes the bar.
  ~ProgressBar() { clear(); }
  void update(uint64_t done, uint64_t total);
  void clear();
  // Updates this bar, which outlives it, and asks to go on.
  std::function<bool(uint64_t done, uint64_t total)> follower() {
    return [this](uint64_t done, uint64_t total) {
      update(done, total);
      return true;
    };
  }

 private:
  std::string title_;
  std::string unit_;
  uint64_t unit_size_;
  bool terminal_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point last_;
};

// "21.7 MiB"
std::string human_bytes(uint64_t bytes);

}  // namespace leoam::cli
