// Locks between processes.
#include <unistd.h>

#include <chrono>
#include <thread>

#include "tests/runtime/io/back_end.h"
#include "tests/support/child_process.h"

namespace leoam {
namespace {

using testing::ChildProcess;

class LockTest : public ::testing::Test {
 protected:
  std::unique_ptr<WritableFile> open(OpenMode mode) {
    auto file = files_->open(path_, mode);
    EXPECT_TRUE(file.ok()) << file.status().message();
    return file.ok() ? std::move(*file) : nullptr;
  }

  const testing::TempFolder folder_;
  const std::string path_ = folder_.file("session");
  const std::unique_ptr<FileSystem> files_ = create_file_system();
};

TEST_F(LockTest, AnotherProcessIsBusyAtOnceAndDeathReleases) {
  EXPECT_NE(open(OpenMode::create), nullptr);
  ChildProcess owner([&](const std::function<void()>& ready) {
    const auto file = open(OpenMode::read_write);
    const auto queue = files_->create_queue(32, {});
    // Also known to a ring.
    const Blocks memory(1, 1);
    IoRequest write = {IoOperation::write, file.get(), 0, memory.data(), kIoBlock_bytes, nullptr, {}};
    IoRequest* const one = &write;
    (*queue)->submit({&one, 1});
    if (files_->lock(*file, path_).ok()) ready();
    while (true) pause();
  });
  const auto file = open(OpenMode::read_write);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_KIND(files_->lock(*file, path_), busy);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(100));
  owner.kill();
  EXPECT_OK(files_->lock(*file, path_));
}

TEST_F(LockTest, AChildThatOnlyInheritedTheHandleDoesNotOwnIt) {
  auto file = open(OpenMode::create);
  EXPECT_OK(files_->lock(*file, path_));
  const ChildProcess child([&](const std::function<void()>& ready) {
    // Closing the copy takes nothing from the parent.
    file = nullptr;
    ready();
  });
  EXPECT_KIND(files_->lock(*open(OpenMode::read_write), path_), busy);
  const ChildProcess holder([&](const std::function<void()>& ready) { ready(); });
  // The second child still has the handle open, and the parent's closing releases the lock all the same.
  file = nullptr;
  EXPECT_OK(files_->lock(*open(OpenMode::read_write), path_));
}

// Every owner replaces the file by a new one, as compacting does: nobody may ever hold a lock of a file that
// has lost its name while another holds the one that has it.
TEST_F(LockTest, OneOwnerAmongProcessesThatReplaceTheFile) {
  EXPECT_NE(open(OpenMode::create), nullptr);
  constexpr int kProcesses = 4;
  constexpr int kRounds = 40;
  std::vector<std::string> outcomes(kProcesses);
  const std::string counter = folder_.file("counter");
  {
    const auto file = files_->open(counter, OpenMode::create);
    EXPECT_OK((*file)->write_at(0, Blocks(1).span()));
  }
  const std::string outcome = testing::run_in_child([&] {
    for (int p = 1; p < kProcesses; ++p)
      if (fork() == 0) break;
    const std::string mine = path_ + "." + std::to_string(getpid());
    for (int n_done = 0; n_done < kRounds;) {
      const auto file = files_->open(path_, OpenMode::read_write);
      if (!file.ok()) continue;
      if (!files_->lock(**file, path_).ok()) {
        std::this_thread::yield();
        continue;
      }
      // Not atomic: two owners at once would lose counts.
      const auto shared = files_->open(counter, OpenMode::read_write);
      const Blocks block(1);
      if (shared.ok() && (*shared)->read_at(0, block.span()).ok()) {
        ++*reinterpret_cast<uint32_t*>(block.data());
        EXPECT_OK((*shared)->write_at(0, block.span()));
      }
      const auto fresh = files_->open(mine, OpenMode::create);
      EXPECT_OK(fresh.status().clone());
      EXPECT_OK(files_->lock(**fresh, mine));
      EXPECT_OK(files_->rename(mine, path_));
      ++n_done;
    }
  });
  EXPECT_EQ(outcome, "");
  // The others were the child's own; they may need a moment longer.
  const auto file = files_->open(counter, OpenMode::read_only);
  const Blocks block(1);
  for (int wait = 0; wait < 2000 && *reinterpret_cast<uint32_t*>(block.data()) != kProcesses * kRounds;
       ++wait) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_OK((*file)->read_at(0, block.span()));
  }
  EXPECT_EQ(*reinterpret_cast<uint32_t*>(block.data()), static_cast<uint32_t>(kProcesses * kRounds));
}

}  // namespace
}  // namespace leoam
