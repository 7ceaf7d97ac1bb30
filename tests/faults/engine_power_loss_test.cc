// Power is lost while an engine works: the next start has the session that was acknowledged, and goes on with
// the same logits.
#include <gtest/gtest.h>

#include <mutex>

#include "tests/support/engine_scenario.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/sanitized.h"
#include "tests/support/session_scenario.h"

namespace leoam::testing {
namespace {

constexpr auto& kFolder = EngineScenario::kFolder;

class EnginePowerLossTest : public ::testing::TestWithParam<int> {};

TEST_P(EnginePowerLossTest, leaves_what_was_acknowledged) {
  EngineScenario scenario;
  // Pages on their way to the scratch file are most of the steps; nothing of them outlives the process.
  const uint64_t stride = fault_rounds() >= kRoundsForAll ? 1 : 23 * kSampling;
  struct Cut {
    std::shared_ptr<SimulatedDisk> disk;
    EngineJournal::State told;
    std::string where;
  };
  std::mutex mutex;
  std::vector<Cut> cuts;
  uint64_t n_cuts = 0;
  const auto check = [&] {
    for (const Cut& cut : cuts) {
      ASSERT_EQ("", scenario.check_recovery(cut.disk, kFolder, cut.told)) << cut.where;
      ++n_cuts;
    }
    cuts.clear();
  };
  uint64_t n_steps = 0;
  uint64_t first_step = 1;
  // Few disks are kept at once: one run for each part of the steps.
  constexpr uint64_t kKept = 50;
  do {
    const auto disk = EngineScenario::empty_disk();
    EngineJournal journal;
    const auto before_step = [&](uint64_t step, FaultOperation operation) {
      if (step < first_step || (step - first_step) / stride >= kKept || step % stride != 0) return;
      for (const PowerLoss mode : kAllPowerLosses) {
        EngineJournal::State told = journal.state();
        std::shared_ptr<SimulatedDisk> after = disk->crashed(step, mode);
        // The program may have gone on meanwhile.
        EngineJournal::State later = journal.state();
        told.attempted = later.attempted ? std::move(later.attempted) : std::move(later.acknowledged);
        const std::lock_guard lock(mutex);
        cuts.push_back({std::move(after), std::move(told),
                        fmt::format("step {} ({}), mode {}", step, fault_operation_name(operation),
                                    static_cast<int>(mode))});
      }
    };
    const auto files = std::make_shared<FaultFileSystem>(*disk, FaultPlan{.before_step = before_step});
    ASSERT_EQ("", scenario.run(
                      GetParam(), files, kFolder, [](const Status&) {}, &journal));
    n_steps = files->n_steps();
    check();
    if (HasFatalFailure()) return;
    first_step += kKept * stride;
  } while (first_step <= n_steps);
  EXPECT_GT(n_cuts, 20u / kSampling);
  std::printf("%s: power lost %llu times in %llu steps\n", EngineScenario::name(GetParam()),
              static_cast<unsigned long long>(n_cuts), static_cast<unsigned long long>(n_steps));
}

INSTANTIATE_TEST_SUITE_P(Scenarios, EnginePowerLossTest, ::testing::Range(0, EngineScenario::kCount),
                         [](const auto& which) { return EngineScenario::name(which.param); });

}  // namespace
}  // namespace leoam::testing
