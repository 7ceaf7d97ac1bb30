// Environments that refuse what the system usually gives: an engine spills, saves and opens with the same
// logits, or says what is missing and goes on when it is there.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "tests/support/engine_scenario.h"
#include "tests/support/environment.h"
#include "tests/support/loop_disk.h"
#include "tests/support/sanitized.h"

namespace leoam::testing {
namespace {

int count_descriptors() {
  int n = 0;
  for (int fd = 0; fd < 256; ++fd) n += access(("/proc/self/fd/" + std::to_string(fd)).c_str(), F_OK) == 0;
  return n;
}

class EngineEnvironmentTest : public EnvironmentTest {
 protected:
  static void SetUpTestSuite() { scenario_ = new EngineScenario; }
  static void TearDownTestSuite() { delete scenario_; }

  // All scenarios, and the next start after each; nothing may fail.
  void expect_works(const std::string& folder) const {
    expect_works_after(
        ErrorKind::ok, [](int) {}, folder);
  }

  // All scenarios where something is missing, each from arrange(1) on; the first failure is of that kind, and
  // arrange(0) gives what is missing.
  void expect_works_after(ErrorKind kind, const std::function<void(int)>& arrange,
                          const std::string& folder) const {
    for (int which = 0; which < EngineScenario::kCount; ++which) {
      const std::string state = folder + "/" + EngineScenario::name(which);
      const int n_descriptors = count_descriptors();
      const std::shared_ptr<FileSystem> files = create_file_system();
      const Status made = files->make_private_folder(state);
      ASSERT_TRUE(made.ok()) << made.message();
      EngineJournal journal;
      ErrorKind found = ErrorKind::ok;
      arrange(1);
      const std::string wrong = scenario_->run(
          which, files, state,
          [&](const Status& failure) {
            if (found == ErrorKind::ok) found = failure.kind();
            EXPECT_FALSE(failure.message().empty());
            if (kind == ErrorKind::no_space) {
              EXPECT_GT(failure.needed_bytes(), failure.available_bytes()) << failure.message();
            }
            arrange(0);
          },
          &journal);
      arrange(0);
      EXPECT_EQ("", wrong) << EngineScenario::name(which);
      EXPECT_STREQ(error_kind_name(kind), error_kind_name(found)) << EngineScenario::name(which);
      EXPECT_EQ("", scenario_->check_recovery(create_file_system(), state, journal.state()));
      EXPECT_EQ(n_descriptors, count_descriptors());
    }
  }

  // What a limit of the process leaves: `little` while something is to be missing.
  static std::function<void(int)> limit(decltype(RLIMIT_NOFILE) resource, rlim_t little) {
    rlimit whole = {};
    EXPECT_EQ(getrlimit(resource, &whole), 0);
    return [=](int missing) {
      const rlimit now = {missing ? little : whole.rlim_cur, whole.rlim_max};
      EXPECT_EQ(setrlimit(resource, &now), 0);
    };
  }

  static inline EngineScenario* scenario_ = nullptr;
};

TEST_F(EngineEnvironmentTest, WithoutIoUring) {
  in_environment([] { return refuse(SYS_io_uring_setup, EPERM); }, [&] { expect_works(path_); });
}

TEST_F(EngineEnvironmentTest, WithoutRegisteredBuffers) {
  in_environment([] { return refuse(SYS_io_uring_register, EPERM, 1, ~0u); }, [&] { expect_works(path_); });
}

TEST_F(EngineEnvironmentTest, WithoutDirectTransfers) {
  in_environment([] { return refuse(SYS_fcntl, EINVAL, 2, O_DIRECT); }, [&] { expect_works(path_); });
}

TEST_F(EngineEnvironmentTest, WithoutUnnamedFiles) {
  in_environment([] { return refuse(SYS_openat, EOPNOTSUPP, 2, O_TMPFILE & ~O_DIRECTORY); },
                 [&] { expect_works(path_); });
}

TEST_F(EngineEnvironmentTest, WithoutAllOfThem) {
  in_environment(
      [] {
        std::string reason = refuse(SYS_io_uring_setup, ENOSYS);
        if (reason.empty()) reason = refuse(SYS_fcntl, EINVAL, 2, O_DIRECT);
        return reason.empty() ? refuse(SYS_openat, EINVAL, 2, O_TMPFILE & ~O_DIRECTORY) : reason;
      },
      [&] { expect_works(path_); });
}

TEST_F(EngineEnvironmentTest, WithoutLockedMemory) {
  in_environment([&] { return unprivileged(); },
                 [&] {
                   const rlimit none = {0, 0};
                   ASSERT_EQ(setrlimit(RLIMIT_MEMLOCK, &none), 0);
                   expect_works(path_);
                 });
}

TEST_F(EngineEnvironmentTest, OnATmpfs) {
  in_environment([&] { return mount_tmpfs(path_, "size=16m"); }, [&] { expect_works(path_); });
}

TEST_F(EngineEnvironmentTest, OnADiskWithSectorsOf4096Bytes) {
  const TempFolder mounted;
  in_environment([&] { return mount_loop(mounted.path(), folder_.file("image"), 32 << 20, 4096); },
                 [&] { expect_works(mounted.path()); });
}

TEST_F(EngineEnvironmentTest, WithFewDescriptors) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer needs descriptors of its own";
  in_environment([] { return ""; },
                 [&] {
                   const int next = dup(0);
                   close(next);
                   // The file of the model is opened first.
                   for (const rlim_t more : {rlim_t{1}, rlim_t{2}})
                     expect_works_after(ErrorKind::io, limit(RLIMIT_NOFILE, static_cast<rlim_t>(next) + more),
                                        path_ + "/" + std::to_string(more));
                 });
}

TEST_F(EngineEnvironmentTest, WithoutThreads) {
  in_environment([&] { return unprivileged(); },
                 [&] { expect_works_after(ErrorKind::out_of_memory, limit(RLIMIT_NPROC, 0), path_); });
}

TEST_F(EngineEnvironmentTest, WithALimitOfFileSize) {
  in_environment([] { return ""; },
                 [&] { expect_works_after(ErrorKind::no_space, limit(RLIMIT_FSIZE, 100000), path_); });
}

TEST_F(EngineEnvironmentTest, InAFolderThatCannotBeWrittenTo) {
  in_environment([&] { return unprivileged(); },
                 [&] {
                   const auto close_folders = [&](int missing) {
                     for (const auto& entry : std::filesystem::directory_iterator(path_))
                       std::filesystem::permissions(entry.path(),
                                                    std::filesystem::perms(missing ? 0500 : 0700));
                   };
                   expect_works_after(ErrorKind::io, close_folders, path_);
                 });
}

TEST_F(EngineEnvironmentTest, OnAFullTmpfs) {
  const auto resize = [&](int missing) {
    EXPECT_EQ(mount("tmpfs", path_.c_str(), "tmpfs", MS_REMOUNT, missing ? "size=100k" : "size=16m"), 0);
  };
  in_environment([&] { return mount_tmpfs(path_, "size=100k"); },
                 [&] {
                   // Each scenario leaves its file: what is full is full of them.
                   expect_works_after(
                       ErrorKind::no_space,
                       [&](int missing) {
                         if (missing)
                           for (const auto& entry : std::filesystem::recursive_directory_iterator(path_))
                             if (entry.is_regular_file()) std::filesystem::remove(entry.path());
                         resize(missing);
                       },
                       path_);
                 });
}

TEST_F(EngineEnvironmentTest, OnAFullDisk) {
  const TempFolder mounted;
  const std::string filler = mounted.file("filler");
  const auto fill = [&](int missing) {
    if (!missing) {
      std::filesystem::remove(filler);
      return;
    }
    std::ofstream file(filler, std::ios::binary);
    const std::string block(1 << 16, 'x');
    while (file.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
    }
  };
  in_environment([&] { return mount_loop(mounted.path(), folder_.file("image"), 32 << 20, 512); },
                 [&] { expect_works_after(ErrorKind::no_space, fill, mounted.path()); });
}

TEST_F(EngineEnvironmentTest, OnADiskWithoutInodes) {
  in_environment([&] { return mount_tmpfs(path_, "size=16m"); },
                 [&] {
                   const auto few = [&](int missing) {
                     struct statvfs now = {};
                     EXPECT_EQ(statvfs(path_.c_str(), &now), 0);
                     const auto n = missing ? now.f_files - now.f_ffree : 1000;
                     const std::string options = "size=16m,nr_inodes=" + std::to_string(n);
                     EXPECT_EQ(mount("tmpfs", path_.c_str(), "tmpfs", MS_REMOUNT, options.c_str()), 0);
                   };
                   expect_works_after(ErrorKind::no_space, few, path_);
                 });
}

}  // namespace
}  // namespace leoam::testing
