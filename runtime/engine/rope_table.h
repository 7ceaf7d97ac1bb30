// RopeTable: the angles of rotary position embedding for the tokens of a step.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/model/model_config.h"

namespace leoam {

// Thread rule: immutable; fill is safe from any thread.
class RopeTable {
 public:
  explicit RopeTable(const RopeConfig& config);

  uint32_t n_pairs() const { return static_cast<uint32_t>(frequencies_.size()); }
  // cos, sin: [n_pairs] for one position, with the attention factor of YaRN in them.
  void fill(int32_t position, float* cos, float* sin) const;

 private:
  std::vector<double> frequencies_;  // radians a token, scaling applied
  double magnitude_ = 1.0;
};

}  // namespace leoam
