// How much memory the process uses, as Linux counts it.
#pragma once

#include <cstdint>

namespace leoam::testing {

// The highest resident size since the object was made, above the size then. One object at a time.
class PeakMemory {
 public:
  PeakMemory();
  int64_t extra_bytes() const;

 private:
  int64_t start_bytes_;
};

}  // namespace leoam::testing
