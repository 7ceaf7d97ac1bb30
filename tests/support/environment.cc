#include "tests/support/environment.h"

#include <unistd.h>

#include <fstream>
#include <sstream>

namespace leoam::testing {

void EnvironmentTest::in_environment(const std::function<std::string()>& arrange,
                                     const std::function<void()>& body) {
  const TempFolder notes;
  const std::string reason_file = notes.file("reason");
  const std::string outcome = run_in_child([&] {
    const std::string reason = arrange();
    if (reason.empty()) return body();
    std::ofstream(reason_file) << reason;
  });
  EXPECT_EQ(outcome, "");
  std::stringstream reason;
  reason << std::ifstream(reason_file).rdbuf();
  if (!reason.str().empty()) GTEST_SKIP() << reason.str();
}

std::string EnvironmentTest::refuse(int number, int error, int argument, uint32_t mask) {
  return refuse_system_call(number, error, argument, mask) ? "" : "the system has no filters of system calls";
}

std::string EnvironmentTest::unprivileged() const {
  if (geteuid() == 0 && chown(path_.c_str(), kUnprivileged, kUnprivileged) != 0) return "chown failed";
  return become_unprivileged() ? "" : "the process cannot become an ordinary user";
}

}  // namespace leoam::testing
