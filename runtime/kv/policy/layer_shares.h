// LayerShares: divides the granules of a step among the layers that select, as GranuleBudget does among the
// KV heads of one: those with the most mass are taken, whatever layer they are of.
//
// What the granules of later layers weigh is not known when a layer chooses. So it takes those from an edge
// on, the mass from which on earlier steps would have kept to their budgets; a step with flat attention takes
// more than one with skewed, and on average it is the budget. Edges are found every few tokens and kept with
// their positions: what a step takes follows from the tokens before it alone, whether they were computed just
// now, again after a cut, or by an earlier process.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "runtime/kv/policy/granule_budget.h"

namespace leoam {

// Of one sequence. Thread rule: one thread at a time; copies are independent of each other.
class LayerShares {
 public:
  // A step with the token at `position`, in which n_layers select, one after the other.
  void begin_step(uint64_t position, uint32_t n_layers);
  // How many granules the next layer takes, where equal parts were n_granules for all heads together. All
  // layers of a step together take at most half as much again as that.
  uint64_t share(const GranuleBudget& layer, uint64_t n_granules) const;
  // The layer has chosen so many.
  void take(const GranuleBudget& layer, uint64_t n_granules, uint64_t n_taken);
  // The step came to its end; without it, it leaves nothing behind.
  void end_step();
  // What tokens from n_tokens on have left behind is forgotten.
  void truncate(uint64_t n_tokens);

  bool empty() const { return edges_.empty(); }

  // For a session file (FORMAT.md, "Streams").
  std::vector<uint8_t> encode() const;
  // Of a file with KV of n_tokens, which may know of more; false, and nothing is changed: it is not what
  // encode has written.
  bool decode(std::span<const uint8_t> bytes, uint64_t n_tokens);

 private:
  struct Edge {
    uint64_t position = 0;    // of the step that it was found in
    uint64_t n_granules = 0;  // the budget of that step
    uint32_t mass_class = 0;  // of GranuleBudget
  };

  std::vector<Edge> edges_;  // ascending positions
  // Of the step.
  std::optional<Edge> edge_;  // none: equal parts
  uint64_t position_ = 0;
  uint32_t n_layers_ = 0;
  uint32_t n_done_ = 0;
  uint64_t n_granules_ = 0;  // budgets of the layers that have chosen
  uint64_t n_taken_ = 0;
  std::vector<uint32_t> counts_;  // [kClasses] of their granules; empty: the step finds no edge
};

}  // namespace leoam
