#include "terminal.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>

namespace leoam::cli {
namespace {

constexpr int kWidth = 30;
constexpr auto kRedraw = std::chrono::milliseconds(50);

}  // namespace

ProgressBar::ProgressBar(std::string title, std::string unit, uint64_t unit_size)
    : title_(std::move(title)),
      unit_(std::move(unit)),
      unit_size_(unit_size),
      terminal_(isatty(STDERR_FILENO) == 1) {}

void ProgressBar::update(uint64_t done, uint64_t total) {
  const auto now = std::chrono::steady_clock::now();
  if (!terminal_ || total == 0 || (drawn_ && done < total && now - last_ < kRedraw)) return;
  last_ = now;
  drawn_ = true;
  const int filled = static_cast<int>(std::min<uint64_t>(kWidth, done * kWidth / total));
  std::string bar(static_cast<size_t>(filled), '#');
  bar.resize(kWidth, '.');
  std::fprintf(stderr, "\r%s [%s] %llu/%llu %s ", title_.c_str(), bar.c_str(),
               static_cast<unsigned long long>(done / unit_size_),
               static_cast<unsigned long long>(total / unit_size_), unit_.c_str());
  std::fflush(stderr);
}

void ProgressBar::clear() {
  if (!drawn_) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  drawn_ = false;
}

std::string human_bytes(uint64_t bytes) {
  static constexpr std::array<const char*, 4> kUnits = {"B", "KiB", "MiB", "GiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text.data();
}

}  // namespace leoam::cli
