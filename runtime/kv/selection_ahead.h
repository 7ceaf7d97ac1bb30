// SelectionAhead: brings in what the next layers will probably select, while this one computes: what they
// selected in the step before. A wrong guess costs bandwidth, and changes no result.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/kv/tiers.h"

namespace leoam {

// Of one sequence. A copy has no guesses. Thread rule: one thread at a time.
class SelectionAhead {
 public:
  SelectionAhead() = default;
  SelectionAhead(const SelectionAhead&) {}
  SelectionAhead& operator=(const SelectionAhead&) = delete;

  // A layer has selected: the pages that it has brought in, none where everything was in place. Returns how
  // many of them had been guessed.
  uint64_t selected(Tiers& tiers, uint32_t layer, std::span<const PageHandle> pages);
  // Looks some layers ahead, as far as tiers.ahead_bytes() reach.
  void look(Tiers& tiers, uint32_t layer);
  // Forgets everything.
  void stop(Tiers& tiers);

 private:
  struct Guess {
    std::vector<PageHandle> pages;
    std::vector<uint64_t> ids;  // of these, sorted
    size_t n_wanted = 0;        // the first of these
    uint64_t bytes = 0;         // that had to be brought in for them
  };
  void give_up(Tiers& tiers, Guess* guess);

  std::vector<Guess> layers_;
  uint64_t ahead_bytes_ = 0;
};

}  // namespace leoam
