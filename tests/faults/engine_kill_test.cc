// A child process with an engine is killed at any moment: the next one has the session that was acknowledged,
// and goes on with the same logits.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <thread>

#include "tests/support/engine_scenario.h"
#include "tests/support/journal_pipe.h"
#include "tests/support/session_scenario.h"
#include "tests/support/temp_folder.h"

namespace leoam::testing {
namespace {

using Messages = JournalPipe<int32_t>;
using Micros = std::chrono::microseconds;

class EngineKillTest : public ::testing::TestWithParam<int> {
 protected:
  [[noreturn]] void work(const std::string& folder, const Messages& messages) {
    EngineJournal journal;
    journal.on_change = [&](const EngineJournal::State& now) {
      messages.send(now.attempted ? Messages::Kind::attempted : Messages::Kind::acknowledged,
                    now.attempted ? *now.attempted : *now.acknowledged);
    };
    const std::string wrong = scenario_.run(
        GetParam(), create_file_system(), folder, [](const Status&) {}, &journal);
    if (!wrong.empty()) std::fprintf(stderr, "%s\n", wrong.c_str());
    _exit(wrong.empty() ? 0 : 2);
  }

  // False when the child was done before.
  bool kill_child(Micros after) {
    const TempFolder folder;
    const std::string state = folder.file("state");
    EXPECT_TRUE(create_file_system()->make_private_folder(state).ok());
    Messages messages;
    const auto start = std::chrono::steady_clock::now();
    const pid_t child = fork();
    EXPECT_GE(child, 0);
    if (child == 0) work(state, messages);
    if (after.count() > 0) {
      std::this_thread::sleep_for(after);
      (void)kill(child, SIGKILL);
    }
    EngineJournal::State told;
    messages.receive(&told.acknowledged, &told.attempted);
    int status = 0;
    EXPECT_EQ(child, waitpid(child, &status, 0));
    child_took_ = std::chrono::duration_cast<Micros>(std::chrono::steady_clock::now() - start);
    if (WIFEXITED(status)) {
      EXPECT_EQ(0, WEXITSTATUS(status));
    }
    // A ring that was busy holds its files for a moment after its process.
    std::string wrong;
    for (int attempt = 0; attempt < 50; ++attempt) {
      Status refused;
      wrong = scenario_.check_recovery(create_file_system(), state, told, &refused);
      if (refused.kind() != ErrorKind::busy) break;
    }
    EXPECT_EQ("", wrong) << "killed after " << after.count() << " us";
    return WIFSIGNALED(status);
  }

  EngineScenario scenario_;
  Micros child_took_{0};
};

TEST_P(EngineKillTest, leaves_what_was_acknowledged) {
  EXPECT_FALSE(kill_child({}));
  const int64_t most = child_took_.count();
  std::minstd_rand random(static_cast<uint32_t>(GetParam()) + 1);
  int n_kills = 0;
  for (int i = 0; i < 20 * fault_rounds(); ++i) {
    n_kills += kill_child(Micros(1 + static_cast<int64_t>(random()) % most));
    if (HasFailure()) return;
  }
  EXPECT_GT(n_kills, 0);
  std::printf("%s: killed %d times\n", EngineScenario::name(GetParam()), n_kills);
}

INSTANTIATE_TEST_SUITE_P(Scenarios, EngineKillTest, ::testing::Range(0, EngineScenario::kCount),
                         [](const auto& which) { return EngineScenario::name(which.param); });

}  // namespace
}  // namespace leoam::testing
