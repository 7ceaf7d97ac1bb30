#include "tests/support/process_memory.h"

#include <fstream>
#include <string>

#include "tests/support/sanitized.h"

namespace leoam::testing {
namespace {

int64_t status_bytes(const std::string& field) {
  std::ifstream in("/proc/self/status");
  std::string word;
  while (in >> word)
    if (word == field + ":") {
      int64_t kib = 0;
      in >> kib;
      return kib << 10;
    }
  return 0;
}

}  // namespace

PeakMemory::PeakMemory() {
  // Brings the high-water mark down to the present size.
  std::ofstream("/proc/self/clear_refs") << "5";
  start_bytes_ = status_bytes("VmRSS");
}

int64_t PeakMemory::extra_bytes() const {
  return kSanitized ? 0 : status_bytes("VmHWM") - start_bytes_;
}

}  // namespace leoam::testing
