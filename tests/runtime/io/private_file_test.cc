// Which files and folders the operating system's back end takes for its own.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/runtime/io/back_end.h"

namespace leoam {
namespace {

constexpr uid_t kNobody = 65534;

class PrivateFileTest : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return folder_.file(name); }
  std::string write(const std::string& name, const std::string& text = "secret") const {
    std::ofstream(path(name)) << text;
    return path(name);
  }
  void expect_refused(const std::string& name, ErrorKind kind, const std::string& reason) {
    for (const OpenMode mode : {OpenMode::read_only, OpenMode::read_write}) {
      const auto file = files_->open(name, mode);
      ASSERT_FALSE(file.ok()) << name;
      EXPECT_STREQ(error_kind_name(file.status().kind()), error_kind_name(kind)) << file.status().message();
      EXPECT_NE(file.status().message().find(reason), std::string::npos) << file.status().message();
    }
  }
  static mode_t mode_of(const std::string& name) {
    struct stat info = {};
    EXPECT_EQ(lstat(name.c_str(), &info), 0);
    return info.st_mode & 07777;
  }

  const testing::TempFolder folder_;
  const std::unique_ptr<FileSystem> files_ = create_file_system();
};

TEST_F(PrivateFileTest, WhatIsCreatedIsPrivateWhateverTheMask) {
  for (const mode_t mask : {0000, 0022, 0077}) {
    const mode_t before = umask(mask);
    const auto file = files_->open(path("f"), OpenMode::create);
    const Status folder = files_->make_private_folder(path("x/y"));
    umask(before);
    ASSERT_TRUE(file.ok()) << file.status().message();
    EXPECT_OK((*file)->write_at(0, Blocks(1, 1).span()));
    EXPECT_EQ(mode_of(path("f")), 0600u) << mask;
    EXPECT_EQ(mode_of(path("x")) & 0077, 0u) << mask;
    EXPECT_EQ(mode_of(path("x/y")) & 0077, 0u) << mask;
    std::filesystem::remove_all(path("x"));
    EXPECT_OK(files_->remove(path("f")));
  }
}

TEST_F(PrivateFileTest, ASymbolicLinkIsNotFollowed) {
  const std::string target = write("target");
  std::filesystem::create_symlink(target, path("link"));
  expect_refused(path("link"), ErrorKind::unsupported, "symbolic link");
  EXPECT_KIND(files_->open(path("link"), OpenMode::create).status(), busy);
  std::filesystem::create_symlink(path("nowhere"), path("dangling"));
  expect_refused(path("dangling"), ErrorKind::unsupported, "symbolic link");
  EXPECT_KIND(files_->open(path("dangling"), OpenMode::create).status(), busy);
  EXPECT_FALSE(std::filesystem::exists(path("nowhere")));
}

TEST_F(PrivateFileTest, AFileWithTwoNamesIsRefused) {
  std::filesystem::create_hard_link(write("one"), path("two"));
  expect_refused(path("one"), ErrorKind::unsupported, "2 names");
  expect_refused(path("two"), ErrorKind::unsupported, "2 names");
}

TEST_F(PrivateFileTest, OnlyRegularFilesAreOpened) {
  ASSERT_EQ(mkfifo(path("fifo").c_str(), 0600), 0);
  expect_refused(path("fifo"), ErrorKind::unsupported, "not a regular file");
  std::filesystem::create_directory(path("folder"));
  expect_refused(path("folder"), ErrorKind::unsupported, "not a regular file");
  for (const std::string& name : {path("folder/"), path("."), path(".."), path(""), std::string("/")})
    expect_refused(name, ErrorKind::unsupported, "not a regular file");
  expect_refused("", ErrorKind::not_found, "empty");
  const int socket_fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path("socket").c_str(), sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(socket_fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  expect_refused(path("socket"), ErrorKind::unsupported, "not a regular file");
  close(socket_fd);
  expect_refused("/dev/null", ErrorKind::unsupported, "not a regular file");
}

TEST_F(PrivateFileTest, ANulByteIsRefused) {
  const std::string name = write("a") + std::string("\0b", 2);
  expect_refused(name, ErrorKind::invalid_argument, "NUL");
  EXPECT_KIND(files_->make_private_folder(name), invalid_argument);
  EXPECT_KIND(files_->remove(name), invalid_argument);
  EXPECT_KIND(files_->free_bytes(name).status(), invalid_argument);
}

TEST_F(PrivateFileTest, AFolderThatOthersWriteToIsRefused) {
  write("a");
  for (const mode_t mode : {0777, 0770, 0707, 0720}) {
    ASSERT_EQ(chmod(folder_.path().c_str(), mode), 0);
    expect_refused(path("a"), ErrorKind::unsupported, "written to by other users");
    EXPECT_KIND(files_->open(path("b"), OpenMode::create).status(), unsupported);
    EXPECT_KIND(files_->create_unnamed(folder_.path()).status(), unsupported);
    EXPECT_KIND(files_->make_private_folder(folder_.path()), unsupported);
    EXPECT_KIND(files_->rename(path("a"), path("b")), unsupported);
    EXPECT_KIND(files_->remove(path("a")), unsupported);
  }
  // A sticky bit protects the names of files, not a folder that is to be ours.
  ASSERT_EQ(chmod(folder_.path().c_str(), 01777), 0);
  EXPECT_OK(files_->open(path("a"), OpenMode::read_write).status());
  EXPECT_OK(files_->open(path("b"), OpenMode::create).status());
  EXPECT_KIND(files_->make_private_folder(folder_.path()), unsupported);
  ASSERT_EQ(chmod(folder_.path().c_str(), 0755), 0);
  EXPECT_OK(files_->open(path("a"), OpenMode::read_write).status());
  EXPECT_OK(files_->make_private_folder(folder_.path()));
}

TEST_F(PrivateFileTest, WhatBelongsToAnotherUserIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "only the superuser can give files away";
  ASSERT_EQ(chown(write("foreign").c_str(), kNobody, kNobody), 0);
  expect_refused(path("foreign"), ErrorKind::unsupported, "belongs to user 65534");
  std::filesystem::create_directory(path("theirs"));
  std::ofstream(path("theirs/mine")) << "x";
  ASSERT_EQ(chown(path("theirs").c_str(), kNobody, kNobody), 0);
  expect_refused(path("theirs/mine"), ErrorKind::unsupported, "belongs to user 65534");
  EXPECT_KIND(files_->make_private_folder(path("theirs")), unsupported);
  EXPECT_KIND(files_->create_unnamed(path("theirs")).status(), unsupported);
}

TEST_F(PrivateFileTest, AFileThatWasThereBeforeIsNotTakenOver) {
  const std::string name = write("a", "theirs");
  EXPECT_KIND(files_->open(name, OpenMode::create).status(), busy);
  EXPECT_EQ(std::filesystem::file_size(name), 6u);
}

TEST_F(PrivateFileTest, UnnamedFilesLeaveNothingBehind) {
  for (const bool unnamed : {true, false}) {
    const auto files = create_file_system({true, true, unnamed});
    const auto file = files->create_unnamed(folder_.path());
    ASSERT_TRUE(file.ok()) << file.status().message();
    EXPECT_OK((*file)->write_at(0, Blocks(4, 1).span()));
    EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
  }
}

TEST_F(PrivateFileTest, HandlesDoNotLeakIntoPrograms) {
  const auto named = files_->open(path("a"), OpenMode::create);
  const auto unnamed = files_->create_unnamed(folder_.path());
  const auto queue = files_->create_queue(32, {});
  size_t n_ours = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const std::string target = std::filesystem::read_symlink(entry, gone);
    if (target.find(folder_.path()) != 0 && target.find("io_uring") == std::string::npos) continue;
    const int flags = fcntl(std::stoi(entry.path().filename()), F_GETFD);
    EXPECT_TRUE(flags & FD_CLOEXEC) << target;
    ++n_ours;
  }
  EXPECT_GE(n_ours, 2u);
}

TEST_F(PrivateFileTest, ClosingReturnsEveryDescriptor) {
  const auto count = [] { return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}); };
  const auto before = count();
  for (int i = 0; i < 3; ++i) {
    const auto named = files_->open(path("a"), i == 0 ? OpenMode::create : OpenMode::read_write);
    const auto unnamed = files_->create_unnamed(folder_.path());
    const auto queue = files_->create_queue(32, {});
    EXPECT_OK(files_->lock(**named, path("a")));
    (void)files_->open(path("nothing"), OpenMode::read_only);
    (void)files_->facts(folder_.path());
  }
  EXPECT_EQ(count(), before);
}

TEST(StateFolder, FollowsTheXdgSpecification) {
  const auto with = [](const char* state, const char* home) {
    const std::string old_home = getenv("HOME") ? getenv("HOME") : "";
    state ? setenv("XDG_STATE_HOME", state, 1) : unsetenv("XDG_STATE_HOME");
    home ? setenv("HOME", home, 1) : unsetenv("HOME");
    auto folder = default_state_folder();
    setenv("HOME", old_home.c_str(), 1);
    unsetenv("XDG_STATE_HOME");
    return folder;
  };
  EXPECT_EQ(*with("/state", "/home/me"), "/state/leoam");
  EXPECT_EQ(*with("", "/home/me"), "/home/me/.local/state/leoam");
  EXPECT_EQ(*with("relative", "/home/me"), "/home/me/.local/state/leoam");
  EXPECT_EQ(*with(nullptr, "/home/me"), "/home/me/.local/state/leoam");
  EXPECT_KIND(with(nullptr, nullptr).status(), not_found);
  EXPECT_KIND(with("x", "y").status(), not_found);
}

}  // namespace
}  // namespace leoam
