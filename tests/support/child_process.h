// Child processes of a test, and environments that refuse what the system usually gives.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>

namespace leoam::testing {

// Runs `body` in a forked child and waits: "" when it returned without a failed expectation, else how it
// ended. What it prints is seen. To be called while the process has one thread.
std::string run_in_child(const std::function<void()>& body);

// A child that goes on beside the test until it is killed.
class ChildProcess {
 public:
  // Returns when the child called the function that its body gets.
  explicit ChildProcess(const std::function<void(const std::function<void()>& ready)>& body);
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess() { kill(); }
  // SIGKILL; returns when it is gone.
  void kill();

 private:
  pid_t pid_ = -1;
};

// From here on this process and its threads get `error` from a system call; with `mask`, only where argument
// `argument` has one of its bits. False where the system has no such filters.
bool refuse_system_call(int number, int error, int argument = 0, uint32_t mask = 0);

// An ordinary user, where the process is the superuser's: no capabilities are left. False when that fails.
bool become_unprivileged();
inline constexpr uid_t kUnprivileged = 65534;

}  // namespace leoam::testing
