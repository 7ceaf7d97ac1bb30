#include "tests/support/child_process.h"

#include <grp.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <exception>
#include <vector>

namespace leoam::testing {
namespace {

// In a child: without the destructors and reports of the parent's test program.
[[noreturn]] void leave(bool failed) {
  std::fflush(nullptr);
  _exit(failed ? 1 : 0);
}

}  // namespace

std::string run_in_child(const std::function<void()>& body) {
  std::fflush(nullptr);
  const pid_t pid = fork();
  if (pid < 0) return "fork failed";
  if (pid == 0) {
    // What is thrown further goes on with the parent's tests.
    try {
      body();
    } catch (const std::exception& thrown) {
      ADD_FAILURE() << thrown.what();
    }
    leave(::testing::Test::HasFailure());
  }
  int status = 0;
  waitpid(pid, &status, 0);
  if (WIFSIGNALED(status)) return "ended by signal " + std::to_string(WTERMSIG(status));
  return WEXITSTATUS(status) == 0 ? "" : "exit status " + std::to_string(WEXITSTATUS(status));
}

ChildProcess::ChildProcess(const std::function<void(const std::function<void()>& ready)>& body) {
  int ends[2];
  if (pipe(ends) != 0) return;
  std::fflush(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    close(ends[0]);
    body([&] { (void)!write(ends[1], "r", 1); });
    while (true) pause();
  }
  close(ends[1]);
  char ready = 0;
  (void)!read(ends[0], &ready, 1);
  close(ends[0]);
}

void ChildProcess::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

bool refuse_system_call(int number, int error, int argument, uint32_t mask) {
  const auto load = [](size_t offset) {
    return sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
  };
  std::vector<sock_filter> filter = {
      load(offsetof(seccomp_data, nr)),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 1, 0),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  if (mask != 0) {
    filter.push_back(load(offsetof(seccomp_data, args) + static_cast<size_t>(argument) * 8));
    filter.push_back(sock_filter BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, mask, 1, 0));
    filter.push_back(sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  }
  filter.push_back(sock_filter BPF_STMT(
      BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (static_cast<uint32_t>(error) & SECCOMP_RET_DATA)));
  const sock_fprog program = {static_cast<unsigned short>(filter.size()), filter.data()};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

bool become_unprivileged() {
  if (geteuid() != 0) return true;
  return setgroups(0, nullptr) == 0 && setgid(kUnprivileged) == 0 && setuid(kUnprivileged) == 0;
}

}  // namespace leoam::testing
