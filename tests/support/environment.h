// EnvironmentTest: tests in an environment that refuses what the system usually gives.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "tests/support/child_process.h"
#include "tests/support/temp_folder.h"

namespace leoam::testing {

class EnvironmentTest : public ::testing::Test {
 protected:
  // Runs `body` in a child whose environment `arrange` made; skips where that returns a reason.
  void in_environment(const std::function<std::string()>& arrange, const std::function<void()>& body);
  // As refuse_system_call; "" or why it cannot be done here.
  static std::string refuse(int number, int error, int argument = 0, uint32_t mask = 0);
  // The test's folder, given to the ordinary user that the process becomes.
  std::string unprivileged() const;

  const TempFolder folder_;
  const std::string path_ = folder_.path();
};

}  // namespace leoam::testing
