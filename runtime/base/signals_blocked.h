// SignalsBlocked: threads of the library that run no callbacks leave the host's signals to the host's
// threads.
#pragma once

#include <csignal>

namespace leoam {

// Threads started while it lives handle no signal that is sent to the process; those that they raise
// themselves by a fault stay, for the host's crash handler. Not for threads that run callbacks: what runs
// there may be a managed runtime's, which stops its threads by signals. Destroyed on the thread that made it.
class SignalsBlocked {
 public:
  SignalsBlocked();
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked();

 private:
  sigset_t before_;
};

}  // namespace leoam
