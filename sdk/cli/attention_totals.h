// AttentionTotals: what the heads of a model attended to, and what of their attention that was, over many
// steps.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common.h"

namespace leoam::cli {

class AttentionTotals {
 public:
  // Of one step, [n_layers][n_heads].
  void add(std::span<const leoam_head_attention> step, uint32_t n_layers);
  // {"captured_mass", "worst_layer": {"layer", "captured_mass"}, "heads": {"captured", "attended_share",
  // "coverage"}}: means over steps, each of heads [n_layers][n_heads]; null where no layer selected, captured
  // ones also where no step was audited.
  Json json() const;

 private:
  struct Head {
    double captured = 0, attended_share = 0, coverage = 0;
  };
  struct Layer {
    uint64_t n_selected = 0;  // steps
    uint64_t n_audited = 0;   // of them
    std::vector<Head> heads;
  };
  std::vector<Layer> layers_;
};

}  // namespace leoam::cli
