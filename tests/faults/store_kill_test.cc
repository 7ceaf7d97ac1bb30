// A child process works on a session file and is killed at every step of its I/O; the parent has the list of
// what was acknowledged.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "tests/support/fault_file_system.h"
#include "tests/support/session_scenario.h"
#include "tests/support/temp_folder.h"

namespace leoam::testing {
namespace {

// What the child tells: how many steps it takes, or each token list as it is attempted and acknowledged.
class Messages {
 public:
  Messages() {
    if (pipe(ends_) != 0) ADD_FAILURE() << "no pipe";
  }
  ~Messages() {
    close(ends_[0]);
    if (ends_[1] >= 0) close(ends_[1]);
  }
  void send(char kind, const std::vector<LoggedToken>& tokens) const {
    const uint64_t head[2] = {static_cast<uint64_t>(kind), tokens.size()};
    std::string bytes(reinterpret_cast<const char*>(head), sizeof head);
    bytes.append(reinterpret_cast<const char*>(tokens.data()), tokens.size() * sizeof(LoggedToken));
    for (size_t sent = 0; sent < bytes.size();) {
      const ssize_t n = write(ends_[1], bytes.data() + sent, bytes.size() - sent);
      if (n <= 0) _exit(3);
      sent += static_cast<size_t>(n);
    }
  }
  // Reads to the end; the child has the other end alone then.
  void receive(Journal* journal) {
    close(ends_[1]);
    ends_[1] = -1;
    std::string bytes;
    char buffer[4096];
    for (ssize_t n = 0; (n = read(ends_[0], buffer, sizeof buffer)) > 0;)
      bytes.append(buffer, static_cast<size_t>(n));
    for (size_t at = 0; at + 16 <= bytes.size();) {
      uint64_t head[2];
      std::memcpy(head, bytes.data() + at, sizeof head);
      std::vector<LoggedToken> tokens(head[1]);
      if (at + sizeof head + tokens.size() * sizeof(LoggedToken) > bytes.size()) break;
      std::memcpy(tokens.data(), bytes.data() + at + sizeof head, tokens.size() * sizeof(LoggedToken));
      at += sizeof head + tokens.size() * sizeof(LoggedToken);
      if (head[0] == 'a') {
        journal->attempted = std::move(tokens);
      } else {
        journal->acknowledged = std::move(tokens);
        journal->attempted.reset();
      }
    }
  }

 private:
  int ends_[2];
};

[[noreturn]] void work(int scenario, const std::string& path, uint64_t kill_at, Journal journal,
                       const Messages& messages) {
  const auto below = create_file_system();
  std::optional<std::vector<LoggedToken>> told;
  FaultFileSystem files(*below, FaultPlan{.before_step = [&](uint64_t step, FaultOperation) {
    if (journal.attempted && told != journal.attempted) {
      told = journal.attempted;
      messages.send('a', *told);
    }
    if (step == kill_at) (void)kill(getpid(), SIGKILL);
  }});
  journal.on_acknowledged = [&](const Journal& now) { messages.send('k', *now.acknowledged); };
  const Status status = run_scenario(scenario, files, path, &journal);
  _exit(status.ok() ? 0 : 2);
}

class KillTest : public ::testing::TestWithParam<int> {};

TEST_P(KillTest, leaves_what_was_acknowledged) {
  uint64_t n_kills = 0;
  int n_left = fault_rounds();
  for (uint64_t step = 1; n_left > 0; ++step) {
    const TempFolder folder;
    const std::string path = folder.file("a.session");
    Journal journal;
    prepare_scenario(GetParam(), *create_file_system(), path, &journal);
    Messages messages;
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) work(GetParam(), path, step, journal, messages);
    messages.receive(&journal);
    int status = 0;
    ASSERT_EQ(child, waitpid(child, &status, 0));
    // A ring that was busy holds its files for a moment after its process; on a machine with much to do,
    // longer.
    const auto files = create_file_system();
    std::string wrong;
    for (int attempt = 0; attempt < 50; ++attempt) {
      wrong = check_recovery(*files, path, journal);
      if (wrong.find("another handle") == std::string::npos) break;
    }
    ASSERT_EQ("", wrong) << "killed at step " << step;
    if (WIFEXITED(status)) {
      ASSERT_EQ(0, WEXITSTATUS(status));
      --n_left;
      step = 0;
      continue;
    }
    ++n_kills;
  }
  EXPECT_GT(n_kills, 10u);
  std::printf("%s: killed %llu times\n", scenario_name(GetParam()), static_cast<unsigned long long>(n_kills));
}

INSTANTIATE_TEST_SUITE_P(Scenarios, KillTest, ::testing::Range(0, kScenarios),
                         [](const auto& which) { return scenario_name(which.param); });

// Several processes want the same file at once.
TEST(OwnerTest, is_one_of_many_processes) {
  const int n_rounds = 50 * fault_rounds();
  for (int round = 0; round < n_rounds; ++round) {
    const TempFolder folder;
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
  }
}

}  // namespace
}  // namespace leoam::testing
