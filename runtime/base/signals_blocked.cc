#include "runtime/base/signals_blocked.h"

namespace leoam {

SignalsBlocked::SignalsBlocked() {
  sigset_t sent;
  sigfillset(&sent);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT}) sigdelset(&sent, fault);
  pthread_sigmask(SIG_SETMASK, &sent, &before_);
}

SignalsBlocked::~SignalsBlocked() {
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace leoam
