// What a file does with the rarer answers of the system: this program stands between the library and the C
// library's calls.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <functional>

#include "tests/runtime/io/back_end.h"

namespace {

// Answers instead of the system: bytes or a result, or minus an errno. Null: the system's.
struct Answers {
  std::function<ssize_t(int fd, size_t bytes, off_t offset)> transfer;
  std::function<int()> sync;
  std::function<int()> resize;
  std::function<int()> lock;
};
Answers answers;
std::atomic<int> n_transfers{0};

ssize_t result_of(ssize_t answer) {
  if (answer >= 0) return answer;
  errno = static_cast<int>(-answer);
  return -1;
}

ssize_t transfer(int number, int fd, void* data, size_t bytes, off_t offset) {
  ++n_transfers;
  ssize_t limit = static_cast<ssize_t>(bytes);
  if (answers.transfer) limit = answers.transfer(fd, bytes, offset);
  if (limit <= 0) return result_of(limit);
  return syscall(number, fd, data, static_cast<size_t>(limit), offset);
}

}  // namespace

extern "C" {
ssize_t pread(int fd, void* data, size_t bytes, off_t offset) {
  return transfer(SYS_pread64, fd, data, bytes, offset);
}
ssize_t pwrite(int fd, const void* data, size_t bytes, off_t offset) {
  return transfer(SYS_pwrite64, fd, const_cast<void*>(data), bytes, offset);
}
int fdatasync(int fd) {
  const int answer = answers.sync ? answers.sync() : 0;
  return answer == 0 ? static_cast<int>(syscall(SYS_fdatasync, fd)) : static_cast<int>(result_of(answer));
}
int ftruncate(int fd, off_t bytes) noexcept {
  const int answer = answers.resize ? answers.resize() : 0;
  return answer == 0 ? static_cast<int>(syscall(SYS_ftruncate, fd, bytes))
                     : static_cast<int>(result_of(answer));
}
int flock(int fd, int operation) noexcept {
  const int answer = answers.lock ? answers.lock() : 0;
  return answer == 0 ? static_cast<int>(syscall(SYS_flock, fd, operation))
                     : static_cast<int>(result_of(answer));
}
}

namespace leoam {
namespace {

class SystemCallsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    answers = {};
    n_transfers = 0;
    auto file = files_->open(path_, OpenMode::create);
    ASSERT_TRUE(file.ok()) << file.status().message();
    file_ = std::move(*file);
  }
  void TearDown() override { answers = {}; }

  // Writes and reads all of a memory with the answers that are set, and compares.
  void expect_round_trip() {
    const Blocks written(8, 1);
    EXPECT_OK(file_->write_at(0, written.span()));
    const Blocks read(8);
    EXPECT_OK(file_->read_at(0, read.span()));
    EXPECT_EQ(read, written);
  }

  const testing::TempFolder folder_;
  const std::string path_ = folder_.file("f");
  const std::unique_ptr<FileSystem> files_ = create_file_system({false, true, true});
  std::unique_ptr<WritableFile> file_;
};

TEST_F(SystemCallsTest, AnInterruptedTransferIsTakenUpAgain) {
  int n = 0;
  answers.transfer = [&](int, size_t bytes, off_t) {
    return ++n % 3 != 0 ? -EINTR : static_cast<ssize_t>(bytes);
  };
  expect_round_trip();
  EXPECT_EQ(n_transfers, 6);
}

TEST_F(SystemCallsTest, AShortTransferIsContinued) {
  answers.transfer = [&](int, size_t bytes, off_t) {
    return static_cast<ssize_t>(std::min<size_t>(bytes, 4096));
  };
  expect_round_trip();
  EXPECT_EQ(n_transfers, 16);
}

TEST_F(SystemCallsTest, AShortTransferWithinABlockGoesOnAtItsBeginning) {
  const auto buffered = create_file_system({false, false, true});
  file_ = buffered->open(path_, OpenMode::read_write).value();
  answers.transfer = [&](int, size_t bytes, off_t offset) {
    EXPECT_EQ(offset % 4096, 0);
    return static_cast<ssize_t>(std::min<size_t>(bytes, 10000));
  };
  expect_round_trip();
}

TEST_F(SystemCallsTest, ADiskThatRefusesDirectTransfersIsUsedThroughTheCache) {
  for (const int error : {EINVAL, EOPNOTSUPP}) {
    file_ = files_->open(path_, OpenMode::read_write).value();
    int n_refused = 0;
    answers.transfer = [&](int fd, size_t bytes, off_t) {
      if ((fcntl(fd, F_GETFL) & O_DIRECT) == 0) return static_cast<ssize_t>(bytes);
      ++n_refused;
      return static_cast<ssize_t>(-error);
    };
    expect_round_trip();
    EXPECT_EQ(n_refused, 1) << "asked once, not with every transfer";
    answers.transfer = nullptr;
  }
}

TEST_F(SystemCallsTest, WhatIsRefusedWithoutTheCacheTooIsAFailure) {
  answers.transfer = [&](int, size_t, off_t) { return -EINVAL; };
  Blocks block(1);
  EXPECT_KIND(file_->read_at(0, block.span()), io);
  EXPECT_KIND(file_->write_at(0, block.span()), io);
}

TEST_F(SystemCallsTest, FactsTellOfARefusalAtTheFirstTransfer) {
  answers.transfer = [&](int fd, size_t bytes, off_t) {
    return (fcntl(fd, F_GETFL) & O_DIRECT) != 0 ? -EINVAL : static_cast<ssize_t>(bytes);
  };
  for (const FileSystem::Fact& fact : files_->facts(folder_.path()))
    if (fact.name == "O_DIRECT") {
      EXPECT_EQ(fact.value, "no: the file system refuses transfers of 4096 bytes");
    }
}

TEST_F(SystemCallsTest, EveryLimitOfRoomIsNoSpace) {
  const Blocks memory(4, 1);
  for (const int error : {ENOSPC, EDQUOT, EFBIG}) {
    // Half, then nothing more.
    answers.transfer = [&](int, size_t bytes, off_t offset) {
      return offset == 0 ? static_cast<ssize_t>(bytes / 2) : static_cast<ssize_t>(-error);
    };
    const Status status = file_->write_at(0, memory.span());
    EXPECT_STREQ(error_kind_name(status.kind()), "no_space") << error;
    EXPECT_EQ(status.needed_bytes(), memory.bytes() / 2);
    answers.resize = [&] { return -error; };
    EXPECT_KIND(file_->resize(1 << 20), no_space);
    answers.resize = nullptr;
  }
}

TEST_F(SystemCallsTest, OtherFailuresAreIoAndSayWhy) {
  const Blocks memory(4, 1);
  for (const int error : {EIO, EROFS, EAGAIN, ENOMEM, EPERM}) {
    answers.transfer = [&](int, size_t, off_t) { return static_cast<ssize_t>(-error); };
    EXPECT_KIND(file_->write_at(0, memory.span()), io);
    const Status status = file_->read_at(8192, memory.span());
    EXPECT_STREQ(error_kind_name(status.kind()), "io");
    EXPECT_NE(status.message().find("16384 bytes at offset 8192"), std::string::npos) << status.message();
  }
  answers.resize = [] { return -EIO; };
  EXPECT_KIND(file_->resize(0), io);
}

TEST_F(SystemCallsTest, TheQueueReportsTheSameFailures) {
  const Blocks memory(8, 1);
  const auto queue = files_->create_queue(32, {});
  answers.transfer = [&](int, size_t bytes, off_t offset) {
    if (offset == 3 * 4096) return static_cast<ssize_t>(-ENOSPC);
    return offset == 5 * 4096 ? static_cast<ssize_t>(-EIO) : static_cast<ssize_t>(bytes);
  };
  std::vector<IoRequest> requests(8);
  std::vector<IoRequest*> pointers;
  for (size_t i = 0; i < 8; ++i) {
    requests[i] = {IoOperation::write, file_.get(), i * 4096, memory.span(i, 1).data(), 4096, nullptr, {}};
    pointers.push_back(&requests[i]);
  }
  (*queue)->submit(pointers);
  std::vector<IoRequest*> done;
  while ((*queue)->n_in_flight() > 0) (*queue)->reap(true, &done);
  for (size_t i = 0; i < 8; ++i) {
    const ErrorKind expected = i == 3 ? ErrorKind::no_space : i == 5 ? ErrorKind::io : ErrorKind::ok;
    EXPECT_EQ(requests[i].status.kind(), expected) << i;
  }
}

TEST_F(SystemCallsTest, AFailedSyncIsNeverFollowedByAGoodOne) {
  for (const int error : {EIO, ENOSPC, EDQUOT}) {
    file_ = files_->open(path_, OpenMode::read_write).value();
    int n = 0;
    answers.sync = [&] { return ++n == 1 ? -EINTR : n == 2 ? -error : 0; };
    if (error == EIO)
      EXPECT_KIND(file_->sync(), io);
    else
      EXPECT_KIND(file_->sync(), no_space);
    EXPECT_EQ(n, 2) << "an interrupted sync is taken up again";
    EXPECT_KIND(file_->sync(), io);
    EXPECT_KIND(file_->sync(), io);
    EXPECT_EQ(n, 2) << "and a failed one never";
    // Opened anew, the file is what the disk has.
    answers.sync = nullptr;
    EXPECT_OK((*files_->open(path_, OpenMode::read_write))->sync());
  }
}

TEST_F(SystemCallsTest, InterruptedLocksAndResizesAreTakenUpAgain) {
  int n = 0;
  answers.lock = [&] { return ++n < 3 ? -EINTR : 0; };
  EXPECT_OK(files_->lock(*file_, path_));
  n = 0;
  answers.resize = [&] { return ++n < 3 ? -EINTR : 0; };
  EXPECT_OK(file_->resize(4096));
}

TEST_F(SystemCallsTest, AFileSystemWithoutLocksIsAFailure) {
  for (const int error : {ENOLCK, EOPNOTSUPP}) {
    answers.lock = [&] { return -error; };
    EXPECT_KIND(files_->lock(*file_, path_), io);
  }
}

}  // namespace
}  // namespace leoam
