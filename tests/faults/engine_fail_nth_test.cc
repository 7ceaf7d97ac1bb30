// The Nth operation of an engine on its files fails: what is tried again afterwards gives the same logits,
// and nothing that was acknowledged is lost.
#include <gtest/gtest.h>

#include "tests/support/engine_scenario.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/sanitized.h"
#include "tests/support/session_scenario.h"

namespace leoam::testing {
namespace {

constexpr auto& kFolder = EngineScenario::kFolder;

class EngineFailNthTest : public ::testing::TestWithParam<int> {
 protected:
  static void SetUpTestSuite() { scenario_ = new EngineScenario; }
  static void TearDownTestSuite() { delete scenario_; }

  // False when the scenario is over before the step that was to fail.
  static bool fail(const FaultPlan& plan) {
    const auto disk = EngineScenario::empty_disk();
    const auto files = std::make_shared<FaultFileSystem>(*disk, plan);
    EngineJournal journal;
    const std::string where = fmt::format("step {}, {}{}", plan.fail_at, fault_kind_name(plan.kind),
                                          plan.from_then_on ? " from then on" : "");
    EXPECT_EQ("", scenario_->run(
                      GetParam(), files, kFolder, [&](const Status&) { files->heal(); }, &journal))
        << where;
    const EngineJournal::State told = journal.state();
    EXPECT_EQ("", scenario_->check_recovery(disk, kFolder, told)) << where;
    const std::vector<std::string> left = disk->files();
    EXPECT_EQ(left, told.acknowledged ? std::vector<std::string>{EngineScenario::session_path(kFolder)}
                                      : std::vector<std::string>())
        << where;
    return files->has_failed();
  }

  static inline EngineScenario* scenario_ = nullptr;
};

TEST_P(EngineFailNthTest, changes_no_logit_and_loses_nothing) {
  // By default a sample, each time another kind of failure.
  const bool all = fault_rounds() >= kRoundsForAll;
  const uint64_t stride = 25 * kSampling;
  uint64_t n_runs = 0;
  uint64_t n_steps = 0;
  for (uint64_t step = 1, kinds = 0;; ++step, ++n_steps) {
    bool failed = true;
    for (const FaultKind kind : kAllFaultKinds)
      for (const bool from_then_on : {false, true}) {
        if (!all && kinds++ % stride != 0) continue;
        failed = fail({.fail_at = step, .kind = kind, .from_then_on = from_then_on});
        ++n_runs;
        if (HasFailure()) return;
      }
    if (!failed) break;
  }
  EXPECT_GT(n_runs, 30u / kSampling);
  std::printf("%s: %llu failures of about %llu steps\n", EngineScenario::name(GetParam()),
              static_cast<unsigned long long>(n_runs), static_cast<unsigned long long>(n_steps));
}

INSTANTIATE_TEST_SUITE_P(Scenarios, EngineFailNthTest, ::testing::Range(0, EngineScenario::kCount),
                         [](const auto& which) { return EngineScenario::name(which.param); });

}  // namespace
}  // namespace leoam::testing
