#include "interrupt.h"

#include <atomic>
#include <csignal>

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

Interrupt::Interrupt(CancelFlag* flag, Request* request) {
  current_flag = flag ? flag->get() : nullptr;
  current_request = request ? request->get() : nullptr;
  std::signal(SIGINT, on_interrupt);
}

Interrupt::~Interrupt() {
  std::signal(SIGINT, SIG_DFL);
  current_flag = nullptr;
  current_request = nullptr;
}

}  // namespace leoam::cli
