// Ctrl-C: the first one cancels what is running, the second one ends the program.
#pragma once

#include <leoam/leoam.hpp>

namespace leoam::cli {

// While it lives, SIGINT sets the flag, cancels the request, or both.
class Interrupt {
 public:
  explicit Interrupt(CancelFlag* flag, Request* request = nullptr);
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
};

}  // namespace leoam::cli
