// How much memory the process uses, as Linux counts it.
#pragma once

#include <cstdint>

namespace leoam::testing {

// The highest resident size since the object was made, above the size then; 0 under a sanitizer, which holds
// released memory back and keeps books of its own. One object at a time.
class PeakMemory {
 public:
  PeakMemory();
  int64_t extra_bytes() const;

 private:
  int64_t start_bytes_;
};

}  // namespace leoam::testing
