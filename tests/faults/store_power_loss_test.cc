// Power is lost at every step that a program takes with a session file, in every way that a disk can lose it.
#include <gtest/gtest.h>

#include "tests/support/fault_file_system.h"
#include "tests/support/session_scenario.h"
#include "tests/support/simulated_disk.h"

namespace leoam::testing {
namespace {

constexpr char kPath[] = "/a.session";

class PowerLossTest : public ::testing::TestWithParam<int> {};

TEST_P(PowerLossTest, leaves_what_was_acknowledged) {
  SimulatedDisk disk;
  Journal journal;
  prepare_scenario(GetParam(), disk, kPath, &journal);
  uint64_t n_cuts = 0;
  const auto cut = [&](uint64_t step) {
    for (const PowerLoss mode : kAllPowerLosses) {
      const uint64_t n_seeds = mode == PowerLoss::keeps_some || mode == PowerLoss::tears_writes ? 3 : 1;
      for (uint64_t seed = 0; seed < n_seeds; ++seed) {
        const auto after = disk.crashed(step * 16 + seed, mode);
        const std::string wrong = check_recovery(*after, kPath, journal);
        ++n_cuts;
        ASSERT_EQ("", wrong) << "step " << step << ", mode " << static_cast<int>(mode) << ", seed " << seed;
      }
    }
  };
  FaultFileSystem files(disk, FaultPlan{.before_step = [&](uint64_t step, FaultOperation) { cut(step); }});
  const Status status = run_scenario(GetParam(), files, kPath, &journal);
  ASSERT_TRUE(status.ok()) << status.message();
  cut(files.n_steps() + 1);
  EXPECT_EQ("", check_recovery(disk, kPath, journal));
  RecordProperty("power_cuts", static_cast<int>(n_cuts));
  std::printf("%s: power lost %llu times\n", scenario_name(GetParam()),
              static_cast<unsigned long long>(n_cuts));
}

INSTANTIATE_TEST_SUITE_P(Scenarios, PowerLossTest, ::testing::Range(0, kScenarios),
                         [](const auto& which) { return scenario_name(which.param); });

}  // namespace
}  // namespace leoam::testing
