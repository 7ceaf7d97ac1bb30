// Budget: what one rendering may spend. Every evaluated node, loop turn and 256 bytes of handled text cost a
// step; every string and list that the template makes is charged while it lives.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "runtime/base/status.h"

namespace leoam::chat {

// Thread rule: one rendering owns it.
class Budget {
 public:
  Budget(uint64_t steps, uint64_t memory_bytes, uint32_t depth)
      : steps_(steps), steps_left_(steps), memory_bytes_(memory_bytes), depth_(depth) {}
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  // Fails with no_space.
  Status spend(uint64_t steps) {
    if (steps <= steps_left_) {
      steps_left_ -= steps;
      return {};
    }
    return out_of_steps();
  }
  Status spend_on_bytes(uint64_t bytes) { return spend(bytes / 256); }

  // Fails with no_space; what was reserved must be released.
  Status reserve(uint64_t bytes) {
    if (bytes > memory_bytes_ - live_bytes_) return out_of_memory(bytes);
    live_bytes_ += bytes;
    return {};
  }
  void release(uint64_t bytes) { live_bytes_ -= bytes; }
  uint64_t available_bytes() const { return memory_bytes_ - live_bytes_; }

  // How deeply values may be nested in each other.
  uint32_t depth() const { return depth_; }

 private:
  Status out_of_steps();
  Status out_of_memory(uint64_t bytes) const;

  uint64_t steps_;
  uint64_t steps_left_;
  uint64_t memory_bytes_;
  uint64_t live_bytes_ = 0;
  uint32_t depth_;
};

// Bytes reserved from a budget, given back at the end of its life. Without a budget it stands for nothing.
class Charge {
 public:
  Charge() = default;
  Charge(Charge&& other) noexcept
      : budget_(std::exchange(other.budget_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Charge& operator=(Charge&& other) noexcept {
    std::swap(budget_, other.budget_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Charge() {
    if (budget_ != nullptr) budget_->release(bytes_);
  }

  // Reserves until the charge is at least `bytes`.
  Status raise_to(Budget& budget, uint64_t bytes) {
    if (bytes <= bytes_) return {};
    LEOAM_RETURN_IF_ERROR(budget.reserve(bytes - bytes_));
    budget_ = &budget;
    bytes_ = bytes;
    return {};
  }
  // As raise_to, for something that grows bit by bit: reserves ahead as far as the budget has room.
  Status grow(Budget& budget, uint64_t bytes) {
    if (bytes <= bytes_) return {};
    const uint64_t ahead = bytes_ + std::min(bytes_, budget.available_bytes());
    return raise_to(budget, std::max(bytes, ahead));
  }
  uint64_t bytes() const { return bytes_; }

 private:
  Budget* budget_ = nullptr;
  uint64_t bytes_ = 0;
};

}  // namespace leoam::chat
