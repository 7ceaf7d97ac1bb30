#include "runtime/io/signal_guard.h"

#include <cerrno>
#include <ctime>

namespace leoam {
namespace {

sigset_t file_size_signal() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGXFSZ);
  return set;
}

}  // namespace

FileSizeSignalGuard::FileSizeSignalGuard() {
  const sigset_t blocked = file_size_signal();
  pthread_sigmask(SIG_BLOCK, &blocked, &before_);
  if (sigismember(&before_, SIGXFSZ) == 1) {
    sigset_t pending;
    was_pending_ = sigpending(&pending) == 0 && sigismember(&pending, SIGXFSZ) == 1;
  }
}

FileSizeSignalGuard::~FileSizeSignalGuard() {
  const int saved_errno = errno;
  const sigset_t blocked = file_size_signal();
  // One that the host's thread had already is the host's.
  const timespec now = {};
  while (!was_pending_ && sigtimedwait(&blocked, nullptr, &now) < 0 && errno == EINTR) continue;
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  errno = saved_errno;
}

}  // namespace leoam
