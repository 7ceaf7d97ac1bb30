// A child process works on a session file and is killed at every step of its I/O and at random; the parent
// has the list of what was acknowledged.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <random>
#include <thread>

#include "tests/support/fault_file_system.h"
#include "tests/support/journal_pipe.h"
#include "tests/support/session_scenario.h"
#include "tests/support/temp_folder.h"

namespace leoam::testing {
namespace {

using Messages = JournalPipe<LoggedToken>;
using Micros = std::chrono::microseconds;

[[noreturn]] void work(int scenario, const std::string& path, uint64_t kill_at, Journal journal,
                       const Messages& messages) {
  const auto below = create_file_system();
  std::optional<std::vector<LoggedToken>> told;
  FaultFileSystem files(*below, FaultPlan{.before_step = [&](uint64_t step, FaultOperation) {
    if (journal.attempted && told != journal.attempted) {
      told = journal.attempted;
      messages.send(Messages::Kind::attempted, *told);
    }
    if (step == kill_at) (void)kill(getpid(), SIGKILL);
  }});
  journal.on_acknowledged = [&](const Journal& now) {
    messages.send(Messages::Kind::acknowledged, *now.acknowledged);
  };
  const Status status = run_scenario(scenario, files, path, &journal);
  _exit(status.ok() ? 0 : 2);
}

class KillTest : public ::testing::TestWithParam<int> {
 protected:
  // Kills a child at a step, or after some time; 0: not. False when the child was done before. What a killed
  // process has written is there without a disk, too.
  bool kill_child(uint64_t at_step, Micros after, const std::string& parent) {
    const TempFolder folder(parent);
    const std::string path = folder.file("a.session");
    Journal journal;
    prepare_scenario(GetParam(), *create_file_system(), path, &journal);
    Messages messages;
    const pid_t child = fork();
    if (child < 0) {
      ADD_FAILURE() << "no child process: " << std::strerror(errno);
      return false;
    }
    if (child == 0) {
      (void)raise(SIGSTOP);
      work(GetParam(), path, at_step, journal, messages);
    }
    // Its time begins when both are there: a fork of a large process takes longer than the child's work.
    int status = 0;
    EXPECT_EQ(child, waitpid(child, &status, WUNTRACED));
    const auto start = std::chrono::steady_clock::now();
    (void)kill(child, SIGCONT);
    if (after.count() > 0) {
      std::this_thread::sleep_for(after);
      (void)kill(child, SIGKILL);
    }
    messages.receive(&journal.acknowledged, &journal.attempted);
    EXPECT_EQ(child, waitpid(child, &status, 0));
    child_took_ = std::chrono::duration_cast<Micros>(std::chrono::steady_clock::now() - start);
    if (WIFEXITED(status)) {
      EXPECT_EQ(0, WEXITSTATUS(status));
    }
    // A ring that was busy holds its files for a moment after its process; on a machine with much to do,
    // longer.
    const auto files = create_file_system();
    std::string wrong;
    for (int attempt = 0; attempt < 50; ++attempt) {
      wrong = check_recovery(*files, path, journal);
      if (wrong.find("another handle") == std::string::npos) break;
    }
    EXPECT_EQ("", wrong) << "killed at step " << at_step << ", or after " << after.count() << " us";
    return WIFSIGNALED(status);
  }

  Micros child_took_{0};
};

TEST_P(KillTest, at_every_step_leaves_what_was_acknowledged) {
  uint64_t n_kills = 0;
  for (int round = 0; round < fault_rounds(); ++round)
    for (uint64_t step = 1; kill_child(step, {}, round == 0 ? "" : memory_folder()); ++step) {
      ++n_kills;
      if (HasFailure()) return;
    }
  EXPECT_GT(n_kills, 10u);
  std::printf("%s: killed %llu times\n", scenario_name(GetParam()), static_cast<unsigned long long>(n_kills));
}

TEST_P(KillTest, at_random_leaves_what_was_acknowledged) {
  EXPECT_FALSE(kill_child(0, {}, ""));
  int64_t most = child_took_.count();
  std::minstd_rand random(static_cast<uint32_t>(GetParam()) + 1);
  int n_kills = 0;
  for (int i = 0; i < 10 * fault_rounds(); ++i) {
    if (kill_child(0, Micros(1 + static_cast<int64_t>(random()) % most), ""))
      ++n_kills;
    else
      most = std::min(most, child_took_.count());  // a machine with less to do is faster than it was
    if (HasFailure()) return;
  }
  EXPECT_GT(n_kills, 0);
  std::printf("%s: killed %d times\n", scenario_name(GetParam()), n_kills);
}

INSTANTIATE_TEST_SUITE_P(Scenarios, KillTest, ::testing::Range(0, kScenarios),
                         [](const auto& which) { return scenario_name(which.param); });

// Several processes want the same file at once.
TEST(OwnerTest, is_one_of_many_processes) {
  const int n_rounds = 50 * fault_rounds();
  for (int round = 0; round < n_rounds; ++round) {
    const TempFolder folder(round % 5 == 0 && round < 50 ? "" : memory_folder());
    const std::string path = folder.file("a.session");
    Journal journal;
    prepare_scenario(1, *create_file_system(), path, &journal);
    const int n_processes = 2 + round % 15;
    std::vector<pid_t> children;
    for (int i = 0; i < n_processes; ++i) {
      const pid_t child = fork();
      ASSERT_GE(child, 0);
      if (child == 0) {
        const auto files = create_file_system();
        Journal own = journal;
        // Exit status: 0 it was the owner, 1 somebody else is, 2 a fault.
        Status result = run_scenario(1, *files, path, &own);
        _exit(result.ok() ? 0 : result.kind() == ErrorKind::busy ? 1 : 2);
      }
      children.push_back(child);
    }
    int n_owners = 0;
    for (const pid_t child : children) {
      int status = 0;
      ASSERT_EQ(child, waitpid(child, &status, 0));
      ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) <= 1) << status;
      n_owners += WEXITSTATUS(status) == 0;
    }
    EXPECT_GE(n_owners, 1);
    // Each owner has appended the same tokens once more, some of them perhaps not to the end.
    const auto key = std::vector<uint8_t>(SecretKey::kKey_bytes, 7);
    DiskAccount account(UINT64_MAX);
    const SecretKey secret = std::move(SecretKey::from_bytes(key)).value();
    const auto files = create_file_system();
    const auto file = SessionFile::open(*files, path, &secret, nullptr, account, OpenMode::read_only);
    ASSERT_TRUE(file.ok()) << file.status().message();
    EXPECT_GE((*file)->tokens().size(), 21u + 28u * static_cast<unsigned>(n_owners));
    EXPECT_EQ(0u, (*file)->verify({})->n_bad_pages);
    if (HasFailure()) return;
  }
  std::printf("%d rounds\n", n_rounds);
}

}  // namespace
}  // namespace leoam::testing
