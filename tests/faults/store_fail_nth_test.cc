// The Nth operation of a program on a session file fails, for every N, in every way, once and from then on.
#include <gtest/gtest.h>

#include "tests/support/fault_file_system.h"
#include "tests/support/session_model.h"
#include "tests/support/session_scenario.h"
#include "tests/support/simulated_disk.h"

namespace leoam::testing {
namespace {

constexpr char kPath[] = "/a.session";

// Every scenario from its prepared disk, so that each run starts the same.
struct Attempt {
  Journal journal;
  std::unique_ptr<SimulatedDisk> disk = std::make_unique<SimulatedDisk>();

  explicit Attempt(int scenario) { prepare_scenario(scenario, *disk, kPath, &journal); }
};

uint64_t count_steps(int scenario) {
  Attempt run(scenario);
  FaultFileSystem files(*run.disk);
  const Status status = run_scenario(scenario, files, kPath, &run.journal);
  EXPECT_TRUE(status.ok()) << status.message();
  return files.n_steps();
}

class FailNthTest : public ::testing::TestWithParam<int> {};

TEST_P(FailNthTest, is_reported_and_loses_nothing) {
  const uint64_t n_steps = count_steps(GetParam());
  ASSERT_GT(n_steps, 10u);
  uint64_t n_runs = 0;
  for (uint64_t step = 1; step <= n_steps; ++step)
    for (const FaultKind kind : kAllFaultKinds)
      for (const bool from_then_on : {false, true}) {
        Attempt run(GetParam());
        FaultFileSystem files(*run.disk,
                              FaultPlan{.fail_at = step, .kind = kind, .from_then_on = from_then_on});
        const Status status = run_scenario(GetParam(), files, kPath, &run.journal);
        ++n_runs;
        const std::string where = fmt::format("step {} of {}, {}{}: {}", step, n_steps, fault_kind_name(kind),
                                              from_then_on ? " from then on" : "", status.message());
        ASSERT_TRUE(is_documented(status)) << where;
        if (kind == FaultKind::interrupted) {
          ASSERT_TRUE(status.ok()) << where;
        }
        ASSERT_EQ("", check_recovery(*run.disk, kPath, run.journal)) << where;
      }
  std::printf("%s: %llu failures of %llu steps\n", scenario_name(GetParam()),
              static_cast<unsigned long long>(n_runs), static_cast<unsigned long long>(n_steps));
}

INSTANTIATE_TEST_SUITE_P(Scenarios, FailNthTest, ::testing::Range(0, kScenarios),
                         [](const auto& which) { return scenario_name(which.param); });

// After a commit that failed once, the same object goes on; after a failed sync it says so until it is opened
// again.
TEST(FailedCommit, can_be_tried_again_unless_a_sync_failed) {
  const SecretKey key = test_key();
  for (uint64_t step = 1;; ++step) {
    SimulatedDisk disk;
    DiskAccount account(UINT64_MAX);
    SessionModel model;
    model.append(21, 1);
    {
      auto file = SessionFile::create(disk, kPath, &key, small_identity(), account);
      ASSERT_TRUE(model.save(**file).ok());
    }
    FaultFileSystem files(disk, FaultPlan{.fail_at = step, .kind = FaultKind::no_space});
    auto file = SessionFile::open(files, kPath, &key, nullptr, account, OpenMode::read_write);
    if (!file.ok()) continue;
    const uint64_t first_step = files.n_steps();
    model = SessionModel::of(**file);
    model.append(17, 2);
    const Status status = model.save(**file);
    const uint64_t last_step = files.n_steps();
    if (step <= first_step) continue;
    if (step > last_step) break;
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(describe(model.saved_tokens()), describe((*file)->tokens()));
    const bool sync_failed = files.trace()[step - 1] == FaultOperation::sync;
    const Status again = model.save(**file);
    EXPECT_EQ(sync_failed ? ErrorKind::io : ErrorKind::ok, again.kind()) << again.message();
    file->reset();
    const auto opened = SessionFile::open(disk, kPath, &key, nullptr, account, OpenMode::read_write);
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    if (!sync_failed) {
      EXPECT_EQ(describe(model.tokens()), describe((*opened)->tokens()));
    }
    EXPECT_EQ(0u, SessionModel::compare(**opened).n_wrong_pages);
  }
}

}  // namespace
}  // namespace leoam::testing
