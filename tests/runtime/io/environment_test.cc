// What the operating system's back end does where the system refuses: the same results by another way, or a
// clear failure.
#include "tests/support/environment.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "tests/runtime/io/back_end.h"
#include "tests/support/loop_disk.h"

namespace leoam {
namespace {

using testing::EnvironmentTest;
using testing::mount_loop;
using testing::mount_tmpfs;
using testing::refuse_system_call;

std::string fact(FileSystem& files, const std::string& folder, const std::string& name) {
  for (const FileSystem::Fact& each : files.facts(folder))
    if (each.name == name) return each.value;
  return "no such fact";
}

// Requests [n] of one block each, from and to one memory; returns their kinds.
std::vector<ErrorKind> run_requests(IoQueue& queue, IoOperation operation, WritableFile& file,
                                    const Blocks& memory, size_t n) {
  std::vector<IoRequest> requests(n);
  std::vector<IoRequest*> pointers;
  for (size_t i = 0; i < n; ++i) {
    requests[i] = {operation, &file, i * kIoBlock_bytes, memory.span(i, 1).data(), kIoBlock_bytes,
                   nullptr,   {}};
    pointers.push_back(&requests[i]);
  }
  queue.submit(pointers);
  std::vector<IoRequest*> done;
  while (queue.n_in_flight() > 0) queue.reap(true, &done);
  EXPECT_EQ(done.size(), n);
  std::vector<ErrorKind> kinds;
  for (const IoRequest& request : requests) kinds.push_back(request.status.kind());
  return kinds;
}

// What a session does with its files.
void expect_works(FileSystem& files, const std::string& folder) {
  constexpr size_t kN = 40;
  Blocks staging(kN, 1);
  const auto queue = files.create_queue(64, staging.span());
  ASSERT_TRUE(queue.ok()) << queue.status().message();
  const auto scratch = files.create_unnamed(folder);
  ASSERT_TRUE(scratch.ok()) << scratch.status().message();
  const auto named = files.open(folder + "/a", OpenMode::create);
  ASSERT_TRUE(named.ok()) << named.status().message();
  EXPECT_OK(files.lock(**named, folder + "/a"));
  for (WritableFile* file : {scratch->get(), named->get()}) {
    EXPECT_EQ(run_requests(**queue, IoOperation::write, *file, staging, kN), std::vector<ErrorKind>(kN));
    std::fill_n(staging.data(), staging.bytes(), uint8_t{0});
    EXPECT_EQ(run_requests(**queue, IoOperation::read, *file, staging, kN), std::vector<ErrorKind>(kN));
    EXPECT_EQ(staging, Blocks(kN, 1));
    Blocks read(kN);
    EXPECT_OK(file->read_at(0, read.span()));
    EXPECT_EQ(read, Blocks(kN, 1));
    EXPECT_OK(file->sync());
  }
  EXPECT_OK(files.rename(folder + "/a", folder + "/b"));
  EXPECT_OK(files.sync_folder(folder));
  EXPECT_OK(files.remove(folder + "/b"));
}

TEST_F(EnvironmentTest, WithoutIoUringThreadsDoTheWork) {
  for (const int error : {ENOSYS, EPERM, ENOMEM})
    in_environment([&] { return refuse(SYS_io_uring_setup, error); },
                   [&] {
                     const auto files = create_file_system();
                     expect_works(*files, path_);
                     EXPECT_EQ(fact(*files, path_, "io_uring").substr(0, 4), "no: ");
                     EXPECT_EQ(fact(*files, path_, "registered buffers"), "no: io_uring is not used");
                   });
}

TEST_F(EnvironmentTest, WithoutRegistrationTheRingDoesTheWork) {
  in_environment([&] { return refuse(SYS_io_uring_register, EPERM, 1, ~0u); },
                 [&] { expect_works(*create_file_system(), path_); });
  // Buffers alone (operation 0 of the call, files are 2).
  in_environment([&] { return unprivileged(); },
                 [&] {
                   // Enough for a ring, and not for its buffer.
                   const rlimit little = {128 << 10, 128 << 10};
                   ASSERT_EQ(setrlimit(RLIMIT_MEMLOCK, &little), 0);
                   const auto files = create_file_system();
                   expect_works(*files, path_);
                   EXPECT_NE(fact(*files, path_, "registered buffers").find("RLIMIT_MEMLOCK"),
                             std::string::npos);
                   EXPECT_EQ(fact(*files, path_, "io_uring"), "yes");
                 });
}

TEST_F(EnvironmentTest, WithoutUnnamedFilesTheNameIsRemovedAtOnce) {
  for (const int error : {EOPNOTSUPP, EINVAL, EPERM})
    in_environment([&] { return refuse(SYS_openat, error, 2, O_TMPFILE & ~O_DIRECTORY); },
                   [&] {
                     const auto files = create_file_system();
                     expect_works(*files, path_);
                     EXPECT_EQ(fact(*files, path_, "O_TMPFILE").substr(0, 4), "no: ");
                     EXPECT_TRUE(std::filesystem::is_empty(path_));
                   });
}

TEST_F(EnvironmentTest, WithoutDirectTransfersTheCacheServes) {
  in_environment([&] { return refuse(SYS_fcntl, EINVAL, 2, O_DIRECT); },
                 [&] {
                   const auto files = create_file_system();
                   expect_works(*files, path_);
                   EXPECT_EQ(fact(*files, path_, "O_DIRECT"), "no: the file system refuses it");
                 });
}

TEST_F(EnvironmentTest, ATmpfsServes) {
  in_environment([&] { return mount_tmpfs(path_, "size=4m"); },
                 [&] {
                   for (const BackEnd& back_end : all_back_ends())
                     if (!back_end.simulated) expect_works(*create_file_system(back_end.options), path_);
                 });
}

TEST_F(EnvironmentTest, ADiskWithSectorsOf4096BytesServes) {
  const testing::TempFolder mounted;
  in_environment([&] { return mount_loop(mounted.path(), folder_.file("image"), 16 << 20, 4096); },
                 [&] {
                   const auto files = create_file_system();
                   EXPECT_EQ(fact(*files, mounted.path(), "O_DIRECT"), "yes");
                   for (const BackEnd& back_end : all_back_ends())
                     if (!back_end.simulated)
                       expect_works(*create_file_system(back_end.options), mounted.path());
                 });
}

// Writes until the disk is full, directly and through the queue.
void expect_full(FileSystem& files, const std::string& folder) {
  const Blocks memory(64, 1);
  auto file = files.create_unnamed(folder);
  ASSERT_TRUE(file.ok()) << file.status().message();
  Status status;
  uint64_t at_bytes = 0;
  while (status.ok() && at_bytes < (uint64_t{1} << 30)) {
    status = (*file)->write_at(at_bytes, memory.span());
    if (status.ok()) at_bytes += memory.bytes();
  }
  EXPECT_STREQ(error_kind_name(status.kind()), "no_space") << status.message();
  EXPECT_GT(status.needed_bytes(), 0u);
  EXPECT_LT(status.available_bytes(), memory.bytes());
  const auto queue = files.create_queue(64, memory.span());
  auto other = files.create_unnamed(folder);
  ASSERT_TRUE(other.ok()) << other.status().message();
  const std::vector<ErrorKind> kinds = run_requests(**queue, IoOperation::write, **other, memory, 64);
  EXPECT_GT(std::count(kinds.begin(), kinds.end(), ErrorKind::no_space), 0);
  for (const ErrorKind kind : kinds) EXPECT_TRUE(kind == ErrorKind::ok || kind == ErrorKind::no_space);
  // What is there stays readable, and room that is given back can be used.
  const Blocks read(64);
  EXPECT_OK((*file)->read_at(0, read.span()));
  EXPECT_EQ(read, memory);
  file = files.create_unnamed(folder);
  other = files.create_unnamed(folder);
  EXPECT_OK((*other)->write_at(0, memory.span()));
}

TEST_F(EnvironmentTest, AFullTmpfsIsNoSpace) {
  in_environment([&] { return mount_tmpfs(path_, "size=1m"); },
                 [&] {
                   for (const BackEnd& back_end : all_back_ends())
                     if (!back_end.simulated) expect_full(*create_file_system(back_end.options), path_);
                 });
}

TEST_F(EnvironmentTest, AFullDiskIsNoSpace) {
  const testing::TempFolder mounted;
  in_environment([&] { return mount_loop(mounted.path(), folder_.file("image"), 8 << 20, 512); },
                 [&] {
                   for (const BackEnd& back_end : all_back_ends())
                     if (!back_end.simulated)
                       expect_full(*create_file_system(back_end.options), mounted.path());
                 });
}

TEST_F(EnvironmentTest, ADiskWithoutInodesIsNoSpace) {
  in_environment([&] { return mount_tmpfs(path_, "size=4m,nr_inodes=3"); },
                 [&] {
                   const auto files = create_file_system();
                   std::vector<std::unique_ptr<WritableFile>> open_files;
                   Status status;
                   for (int i = 0; i < 10 && status.ok(); ++i) {
                     auto file = files->open(path_ + "/" + std::to_string(i), OpenMode::create);
                     status = file.ok() ? Status() : file.status().clone();
                   }
                   EXPECT_STREQ(error_kind_name(status.kind()), "no_space") << status.message();
                   EXPECT_KIND(files->create_unnamed(path_).status(), no_space);
                   EXPECT_KIND(files->make_private_folder(path_ + "/x"), no_space);
                 });
}

TEST_F(EnvironmentTest, TheFileSizeLimitIsNoSpaceAndNoSignal) {
  for (const BackEnd& back_end : all_back_ends()) {
    if (back_end.simulated) continue;
    in_environment([] { return ""; },
                   [&] {
                     // Within a block: what fits is cut off in the middle of it.
                     const rlimit limit = {6 * kIoBlock_bytes + 1000, 6 * kIoBlock_bytes + 1000};
                     ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
                     const auto files = create_file_system(back_end.options);
                     const auto file = files->create_unnamed(path_);
                     ASSERT_TRUE(file.ok()) << file.status().message();
                     const Blocks memory(16, 1);
                     EXPECT_OK((*file)->write_at(0, memory.span(0, 4)));
                     EXPECT_KIND((*file)->write_at(4 * kIoBlock_bytes, memory.span(4, 8)), no_space);
                     EXPECT_KIND((*file)->write_at(10 * kIoBlock_bytes, memory.span(0, 1)), no_space);
                     EXPECT_KIND((*file)->resize(10 * kIoBlock_bytes), no_space);
                     const auto queue = files->create_queue(32, memory.span());
                     const std::vector<ErrorKind> kinds =
                         run_requests(**queue, IoOperation::write, **file, memory, 16);
                     for (size_t i = 0; i < 16; ++i)
                       EXPECT_EQ(kinds[i], i < 6 ? ErrorKind::ok : ErrorKind::no_space) << back_end.name << i;
                     sigset_t pending;
                     sigpending(&pending);
                     EXPECT_FALSE(sigismember(&pending, SIGXFSZ));
                     sigset_t mask;
                     pthread_sigmask(SIG_BLOCK, nullptr, &mask);
                     EXPECT_FALSE(sigismember(&mask, SIGXFSZ));
                   });
  }
}

TEST_F(EnvironmentTest, TheHostsOwnSignalIsLeftToIt) {
  in_environment([] { return ""; },
                 [&] {
                   sigset_t mine;
                   sigemptyset(&mine);
                   sigaddset(&mine, SIGXFSZ);
                   pthread_sigmask(SIG_BLOCK, &mine, nullptr);
                   raise(SIGXFSZ);
                   const auto files = create_file_system();
                   EXPECT_OK((*files->create_unnamed(path_))->write_at(0, Blocks(1, 1).span()));
                   sigset_t pending;
                   sigpending(&pending);
                   EXPECT_TRUE(sigismember(&pending, SIGXFSZ));
                   sigset_t mask;
                   pthread_sigmask(SIG_BLOCK, nullptr, &mask);
                   EXPECT_TRUE(sigismember(&mask, SIGXFSZ));
                 });
}

TEST_F(EnvironmentTest, WithoutDescriptorsOpeningFailsAndTheQueueFallsBack) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer needs descriptors of its own";
#endif
  in_environment([] { return ""; },
                 [&] {
                   const auto files = create_file_system();
                   auto file = files->open(path_ + "/a", OpenMode::create);
                   const Blocks memory(8, 1);
                   const int next = dup(0);
                   close(next);
                   const rlimit limit = {static_cast<rlim_t>(next), static_cast<rlim_t>(next)};
                   ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
                   EXPECT_KIND(files->open(path_ + "/b", OpenMode::create).status(), io);
                   EXPECT_KIND(files->create_unnamed(path_).status(), io);
                   EXPECT_KIND(files->sync_folder(path_), io);
                   EXPECT_KIND(files->rename(path_ + "/a", path_ + "/b"), io);
                   const auto queue = files->create_queue(32, memory.span());
                   ASSERT_TRUE(queue.ok()) << queue.status().message();
                   EXPECT_EQ(run_requests(**queue, IoOperation::write, **file, memory, 8),
                             std::vector<ErrorKind>(8));
                   EXPECT_EQ(fact(*files, path_, "io_uring").substr(0, 4), "no: ");
                   *file = nullptr;
                   EXPECT_OK(files->free_bytes(path_).status());
                 });
}

TEST_F(EnvironmentTest, WithoutRingAndThreadsThereIsNoQueue) {
  in_environment(
      [&] { return unprivileged(); },
      [&] {
        const rlimit none = {0, 0};
        ASSERT_EQ(setrlimit(RLIMIT_NPROC, &none), 0);
        EXPECT_KIND(create_file_system({false, true, true})->create_queue(32, {}).status(), out_of_memory);
      });
}

TEST_F(EnvironmentTest, AFolderThatCannotBeWrittenTo) {
  in_environment(
      [&] {
        std::filesystem::permissions(path_, std::filesystem::perms(0500));
        return unprivileged();
      },
      [&] {
        const auto files = create_file_system();
        EXPECT_KIND(files->open(path_ + "/a", OpenMode::create).status(), io);
        EXPECT_KIND(files->create_unnamed(path_).status(), io);
        EXPECT_KIND(files->make_private_folder(path_ + "/x/y"), io);
        EXPECT_KIND(create_file_system({true, true, false})->create_unnamed(path_).status(), io);
        EXPECT_EQ(fact(*files, path_, "O_TMPFILE").substr(0, 4), "no: ");
      });
}

TEST_F(EnvironmentTest, AFileThatMayNotBeRead) {
  in_environment(
      [&] {
        const auto files = create_file_system();
        EXPECT_OK(files->open(path_ + "/a", OpenMode::create).status());
        if (geteuid() == 0 &&
            chown((path_ + "/a").c_str(), testing::kUnprivileged, testing::kUnprivileged) != 0)
          return std::string("chown failed");
        std::filesystem::permissions(path_ + "/a", std::filesystem::perms::none);
        return unprivileged();
      },
      [&] {
        EXPECT_KIND(create_file_system()->open(path_ + "/a", OpenMode::read_only).status(), io);
        EXPECT_KIND(create_file_system()->open(path_ + "/a", OpenMode::read_write).status(), io);
      });
}

// The ring exists, then the system stops taking or handing out requests.
TEST_F(EnvironmentTest, ARingThatTakesNothingFailsItsRequests) {
  for (const int error : {EAGAIN, ENOMEM, EBADF})
    in_environment([] { return ""; },
                   [&] {
                     const auto files = create_file_system();
                     const auto file = files->create_unnamed(path_);
                     const Blocks memory(8, 1);
                     const auto queue = files->create_queue(32, memory.span());
                     EXPECT_EQ(run_requests(**queue, IoOperation::write, **file, memory, 8),
                               std::vector<ErrorKind>(8));
                     ASSERT_TRUE(refuse_system_call(SYS_io_uring_enter, error));
                     EXPECT_EQ(run_requests(**queue, IoOperation::read, **file, memory, 8),
                               std::vector<ErrorKind>(8, ErrorKind::io));
                     EXPECT_OK((*file)->read_at(0, memory.span()));
                   });
}

TEST_F(EnvironmentTest, ARingGoesOnAfterWhatItDidNotTake) {
  in_environment([] { return ""; },
                 [&] {
                   const auto files = create_file_system();
                   const auto file = files->create_unnamed(path_);
                   const Blocks memory(24, 1);
                   EXPECT_OK((*file)->write_at(0, memory.span()));
                   const auto queue = files->create_queue(32, memory.span());
                   // Eight to fifteen requests at once are refused; four, or sixteen, are taken.
                   ASSERT_TRUE(refuse_system_call(SYS_io_uring_enter, EAGAIN, 1, 8));
                   for (const size_t n : {size_t{8}, size_t{4}, size_t{16}, size_t{12}, size_t{20}}) {
                     const Blocks before(24, 1);
                     std::fill_n(memory.data(), memory.bytes(), uint8_t{0});
                     const bool refused = (n & 8) != 0;
                     EXPECT_EQ(run_requests(**queue, IoOperation::read, **file, memory, n),
                               std::vector<ErrorKind>(n, refused ? ErrorKind::io : ErrorKind::ok));
                     if (!refused) {
                       EXPECT_EQ(std::memcmp(memory.data(), before.data(), n * kIoBlock_bytes), 0);
                     }
                   }
                 });
}

TEST_F(EnvironmentTest, ARingThatCannotBeWaitedForStillFinishes) {
  for (const int error : {EINTR, EAGAIN, EBUSY})
    in_environment(
        [] { return ""; },
        [&] {
          const auto files = create_file_system();
          const auto file = files->create_unnamed(path_);
          const Blocks memory(8, 1);
          auto queue = files->create_queue(32, memory.span());
          // Waiting has the flag IORING_ENTER_GETEVENTS, submitting alone has not.
          ASSERT_TRUE(refuse_system_call(SYS_io_uring_enter, error, 3, 1));
          for (const IoOperation operation : {IoOperation::write, IoOperation::read})
            EXPECT_EQ(run_requests(**queue, operation, **file, memory, 8), std::vector<ErrorKind>(8));
          EXPECT_EQ(memory, Blocks(8, 1));
          IoRequest last = {IoOperation::read, file->get(), 0, memory.data(), kIoBlock_bytes, nullptr, {}};
          IoRequest* const one = &last;
          (*queue)->submit({&one, 1});
          *queue = nullptr;
        });
}

}  // namespace
}  // namespace leoam
