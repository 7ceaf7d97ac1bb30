#include "runtime/io/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace leoam {
namespace {

class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "leoam_file_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }

  std::string write(const std::string& name, const std::string& contents) const {
    std::ofstream(path(name), std::ios::binary) << contents;
    return path(name);
  }

 private:
  std::string folder_;
};

std::string read(const File& file, uint64_t offset_bytes, size_t bytes) {
  std::vector<uint8_t> out(bytes);
  const Status status = file.read_at(offset_bytes, out);
  EXPECT_TRUE(status.ok()) << status.message();
  return {out.begin(), out.end()};
}

void expect_open_fails(const std::string& path, ErrorKind kind) {
  const auto file = open_for_reading(path);
  ASSERT_FALSE(file.ok()) << path;
  EXPECT_EQ(file.status().kind(), kind) << file.status().message();
}

TEST_F(FileTest, ReadsAnyRange) {
  const auto file = open_for_reading(write("numbers", "0123456789"));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*file)->size_bytes(), 10u);
  EXPECT_EQ(read(**file, 0, 10), "0123456789");
  EXPECT_EQ(read(**file, 7, 3), "789");
  EXPECT_EQ(read(**file, 10, 0), "");
}

TEST_F(FileTest, AnEmptyFileIsAFile) {
  const auto file = open_for_reading(write("empty", ""));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*file)->size_bytes(), 0u);
}

TEST_F(FileTest, ReadingPastTheEndIsCorruptAndSaysWhere) {
  const auto file = open_for_reading(write("short", "0123"));
  ASSERT_TRUE(file.ok());
  std::array<uint8_t, 8> out = {};
  const Status status = (*file)->read_at(2, out);
  EXPECT_EQ(status.kind(), ErrorKind::corrupt);
  EXPECT_NE(status.message().find("offset 4"), std::string::npos) << status.message();
  EXPECT_NE(status.message().find("6 more bytes"), std::string::npos) << status.message();
}

TEST_F(FileTest, AFileThatShrankIsCorruptAndKeepsItsFirstSize) {
  const std::string name = write("shrinks", std::string(5000, 'x'));
  const auto file = open_for_reading(name);
  ASSERT_TRUE(file.ok());
  ASSERT_EQ(truncate(name.c_str(), 100), 0);
  EXPECT_EQ((*file)->size_bytes(), 5000u);
  std::array<uint8_t, 8> out = {};
  EXPECT_EQ((*file)->read_at(4000, out).kind(), ErrorKind::corrupt);
  EXPECT_TRUE((*file)->read_at(0, out).ok());
}

TEST_F(FileTest, AnOffsetThatNoFileHasIsAnError) {
  const auto file = open_for_reading(write("small", "0123"));
  ASSERT_TRUE(file.ok());
  std::array<uint8_t, 1> out = {};
  for (const uint64_t offset_bytes : {uint64_t{5}, uint64_t{1} << 62, uint64_t{1} << 63, UINT64_MAX})
    EXPECT_FALSE((*file)->read_at(offset_bytes, out).ok()) << offset_bytes;
}

TEST_F(FileTest, AMissingFileIsNotFound) {
  expect_open_fails(path("nowhere"), ErrorKind::not_found);
  expect_open_fails(write("plain", "x") + "/below", ErrorKind::not_found);
  expect_open_fails("", ErrorKind::not_found);
}

TEST_F(FileTest, OnlyRegularFilesAreOpened) {
  expect_open_fails(path(""), ErrorKind::unsupported);
  expect_open_fails("/dev/zero", ErrorKind::unsupported);
}

TEST_F(FileTest, AFifoWithoutAWriterDoesNotBlock) {
  ASSERT_EQ(mkfifo(path("fifo").c_str(), 0600), 0);
  expect_open_fails(path("fifo"), ErrorKind::unsupported);
}

TEST_F(FileTest, ANulByteInThePathIsRefused) {
  write("a", "x");
  expect_open_fails(path("a") + std::string("\0b", 2), ErrorKind::invalid_argument);
}

TEST_F(FileTest, LinksAreFollowedAndLoopsFail) {
  std::filesystem::create_symlink(write("target", "xyz"), path("link"));
  const auto file = open_for_reading(path("link"));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*file)->size_bytes(), 3u);
  std::filesystem::create_symlink(path("loop"), path("loop"));
  expect_open_fails(path("loop"), ErrorKind::io);
}

TEST_F(FileTest, AnUnreadableFileIsAnIoError) {
  const std::string name = write("secret", "x");
  std::filesystem::permissions(name, std::filesystem::perms::none);
  if (geteuid() == 0) GTEST_SKIP() << "the superuser may read everything";
  expect_open_fails(name, ErrorKind::io);
}

TEST_F(FileTest, TheHandleDoesNotLeakIntoChildren) {
  const std::string name = write("private", "x");
  const auto file = open_for_reading(name);
  ASSERT_TRUE(file.ok());
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(entry, gone) != name) continue;
    std::ifstream info("/proc/self/fdinfo/" + entry.path().filename().string());
    std::string key;
    std::string flags;
    while (info >> key >> flags && key != "flags:") continue;
    EXPECT_TRUE(std::stoul(flags, nullptr, 8) & 02000000u) << "O_CLOEXEC is not set";
    return;
  }
  FAIL() << "the open file is not among the process's descriptors";
}

TEST_F(FileTest, ThreadsReadAtTheSameTime) {
  std::string contents(1 << 16, '\0');
  for (size_t i = 0; i < contents.size(); ++i) contents[i] = static_cast<char>(i * 7 + i / 256);
  const auto file = open_for_reading(write("shared", contents));
  ASSERT_TRUE(file.ok());
  std::vector<std::thread> readers;
  std::vector<int> wrong(4, 0);
  for (size_t reader = 0; reader < 4; ++reader)
    readers.emplace_back([&, reader] {
      for (size_t i = 0; i < 200; ++i) {
        const size_t offset = (i * 331 + reader * 1777) % (contents.size() - 100);
        if (read(**file, offset, 100) != contents.substr(offset, 100)) ++wrong[reader];
      }
    });
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

}  // namespace
}  // namespace leoam
