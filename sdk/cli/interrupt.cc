#include "interrupt.h"

#include <atomic>

namespace leoam::cli {
namespace {

std::atomic<leoam_cancel_flag*> current_flag{nullptr};
std::atomic<leoam_request*> current_request{nullptr};

void on_interrupt(int) {
  if (leoam_cancel_flag* flag = current_flag.load()) leoam_cancel_flag_set(flag);
  if (leoam_request* request = current_request.load()) leoam_request_cancel(request);
  std::signal(SIGINT, SIG_DFL);
}

}  // namespace

Interrupt::Interrupt(CancelFlag* flag, Request* request)
    : outer_flag_(current_flag.exchange(flag ? flag->get() : nullptr)),
      outer_request_(current_request.exchange(request ? request->get() : nullptr)),
      outer_handler_(std::signal(SIGINT, on_interrupt)) {}

Interrupt::~Interrupt() {
  std::signal(SIGINT, outer_handler_);
  current_flag = outer_flag_;
  current_request = outer_request_;
}

}  // namespace leoam::cli
