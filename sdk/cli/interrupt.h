// Ctrl-C: the first one cancels what is running, the second one ends the program.
#pragma once

#include <csignal>
#include <leoam/leoam.hpp>

namespace leoam::cli {

// While it lives, SIGINT sets the flag, cancels the request, or both. One that lives inside another takes its
// place until it ends.
class Interrupt {
 public:
  explicit Interrupt(CancelFlag* flag, Request* request = nullptr);
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

 private:
  leoam_cancel_flag* outer_flag_;
  leoam_request* outer_request_;
  void (*outer_handler_)(int);
};

}  // namespace leoam::cli
