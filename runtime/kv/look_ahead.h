// LookAhead: brings in what a sequence reads next, in the order in which it will, while it computes: of
// layers that are read from end to end everything, of layers that select what they needed in the step before
// and what they are expected to need. A wrong guess costs bandwidth, and changes no result.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "runtime/kv/tiers.h"

namespace leoam {

// Of one sequence. Thread rule: one thread at a time.
class LookAhead {
 public:
  struct Layers {
    // All pages of a layer, in the order of use; they may change only behind `stop`, or at their end.
    std::function<std::span<const PageHandle>(uint32_t layer)> pages;
    // Whether a pass like this one selects in a layer.
    std::function<bool(uint32_t layer)> selects;
  };

  LookAhead(uint32_t n_layers, Layers layers) : layers_(std::move(layers)), guesses_(n_layers) {}
  LookAhead(const LookAhead&) = delete;
  LookAhead& operator=(const LookAhead&) = delete;

  // The reader stands before page `page` (index) of `layer`, which may be one behind the last: starts
  // bringing in what comes next, over the following layers and back to the first, half a round at most, as
  // far as tiers.ahead_bytes() reach.
  void look(Tiers& tiers, uint32_t layer, size_t page);
  // A pass has ended: layers begin anew.
  void next_pass() { ++pass_; }
  // Nothing is wanted any more. Guesses stay.
  void stop(Tiers& tiers);

  // The layer, whose turn comes later in this pass, will probably need these too.
  void expect(Tiers& tiers, uint32_t layer, std::span<const PageHandle> pages);
  // A layer has selected, and needed these pages. Returns how many of them had been guessed.
  uint64_t selected(Tiers& tiers, uint32_t layer, std::span<const PageHandle> pages);
  void forget_guesses(Tiers& tiers);
  // Another page with the same tokens takes the place of a page of the layer.
  void replace(uint32_t layer, const Page& page, const PageHandle& by);

 private:
  // Pages that were asked for, in the order of use. Layers are counted over passes.
  struct Run {
    uint64_t layer;
    bool guessed;  // pages of its guess, else of all
    size_t begin;
    size_t end;
    uint64_t bytes;  // that had to be brought in
  };
  struct Guess {
    std::vector<PageHandle> pages;
    std::vector<uint64_t> ids;  // of these, sorted
  };
  // The reader is past what lies before `page` of `layer`.
  void pass(Tiers& tiers, uint64_t layer, size_t page);
  void unwant(Tiers& tiers, const Run& run) const;
  std::span<const PageHandle> pages_of(uint64_t layer, bool guessed) const;

  const Layers layers_;
  std::vector<Guess> guesses_;  // [n_layers]
  std::vector<Run> runs_;
  uint64_t bytes_ = 0;
  uint64_t pass_ = 0;
  uint64_t seen_given_up_ = 0;
};

}  // namespace leoam
