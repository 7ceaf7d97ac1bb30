#include "runtime/io/file_system.h"

#include <algorithm>
#include <thread>

#include "tests/runtime/io/back_end.h"

namespace leoam {
namespace {

using FileSystemTest = BackEndTest;

uint64_t size_of(const WritableFile& file) {
  const Result<uint64_t> bytes = file.size_bytes();
  EXPECT_TRUE(bytes.ok()) << bytes.status().message();
  return bytes.ok() ? *bytes : UINT64_MAX;
}

TEST_P(FileSystemTest, ReadsWhatWasWritten) {
  const auto file = create("a");
  const Blocks written(9, 1);
  EXPECT_EQ(size_of(*file), 0u);
  EXPECT_OK(file->write_at(0, written.span()));
  EXPECT_EQ(size_of(*file), written.bytes());
  Blocks read(9);
  EXPECT_OK(file->read_at(0, read.span()));
  EXPECT_EQ(read, written);
  // Any block of it, to any block of the memory.
  for (size_t from = 0; from < 9; ++from) {
    EXPECT_OK(file->read_at(from * kIoBlock_bytes, read.span(8 - from, 1)));
    EXPECT_EQ(std::memcmp(read.span(8 - from, 1).data(), written.span(from, 1).data(), kIoBlock_bytes), 0);
  }
  EXPECT_OK(file->read_at(0, {}));
  EXPECT_OK(file->write_at(0, {}));
}

TEST_P(FileSystemTest, WritingBehindTheEndLeavesZerosBetween) {
  const auto file = unnamed();
  const Blocks written(1, 2);
  EXPECT_OK(file->write_at(3 * kIoBlock_bytes, written.span()));
  Blocks read(4, 3);
  EXPECT_OK(file->read_at(0, read.span()));
  EXPECT_TRUE(std::all_of(read.data(), read.data() + 3 * kIoBlock_bytes, [](uint8_t b) { return b == 0; }));
  EXPECT_EQ(std::memcmp(read.span(3, 1).data(), written.data(), kIoBlock_bytes), 0);
}

TEST_P(FileSystemTest, ReadingBehindTheEndIsCorrupt) {
  const auto file = unnamed();
  EXPECT_OK(file->write_at(0, Blocks(2, 4).span()));
  Blocks read(3);
  EXPECT_KIND(file->read_at(0, read.span()), corrupt);
  EXPECT_KIND(file->read_at(kIoBlock_bytes, read.span(0, 2)), corrupt);
  EXPECT_KIND(file->read_at(2 * kIoBlock_bytes, read.span(0, 1)), corrupt);
  EXPECT_KIND(file->read_at(uint64_t{1} << 62, read.span(0, 1)), corrupt);
  EXPECT_KIND(file->read_at(UINT64_MAX - kIoBlock_bytes + 1, read.span(0, 1)), corrupt);
  EXPECT_OK(file->read_at(0, read.span(0, 2)));
}

TEST_P(FileSystemTest, AFileMayEndWithinABlock) {
  const auto file = unnamed();
  EXPECT_OK(file->write_at(0, Blocks(3, 5).span()));
  for (const uint64_t size :
       {uint64_t{2} * kIoBlock_bytes + 1, uint64_t{8704}, uint64_t{4097}, uint64_t{100}}) {
    EXPECT_OK(file->resize(size));
    EXPECT_EQ(size_of(*file), size);
    Blocks read(3);
    EXPECT_KIND(file->read_at(0, read.span()), corrupt);
    const size_t n_whole = size / kIoBlock_bytes;
    EXPECT_OK(file->read_at(0, read.span(0, n_whole)));
    EXPECT_KIND(file->read_at(n_whole * kIoBlock_bytes, read.span(0, 1)), corrupt);
  }
}

TEST_P(FileSystemTest, ResizingCutsAndExtendsWithZeros) {
  const auto file = unnamed();
  EXPECT_OK(file->write_at(0, Blocks(2, 6).span()));
  EXPECT_OK(file->resize(kIoBlock_bytes));
  EXPECT_OK(file->resize(3 * kIoBlock_bytes));
  Blocks read(3, 1);
  EXPECT_OK(file->read_at(0, read.span()));
  EXPECT_EQ(std::memcmp(read.data(), Blocks(2, 6).data(), kIoBlock_bytes), 0);
  EXPECT_TRUE(std::all_of(read.data() + kIoBlock_bytes, read.data() + 3 * kIoBlock_bytes,
                          [](uint8_t b) { return b == 0; }));
}

TEST_P(FileSystemTest, TransfersThatAreNotOfBlocksAreRefused) {
  const auto file = unnamed();
  const Blocks memory(3, 7);
  EXPECT_OK(file->write_at(0, memory.span()));
  EXPECT_KIND(file->read_at(512, memory.span(0, 1)), invalid_argument);
  EXPECT_KIND(file->read_at(0, memory.span().first(512)), invalid_argument);
  EXPECT_KIND(file->read_at(0, memory.span().subspan(512, kIoBlock_bytes)), invalid_argument);
  EXPECT_KIND(file->write_at(1, memory.span(0, 1)), invalid_argument);
  EXPECT_KIND(file->write_at(0, memory.span().first(100)), invalid_argument);
  EXPECT_EQ(size_of(*file), memory.bytes());
}

TEST_P(FileSystemTest, CreatingTwiceIsBusyAndOpeningNothingIsNotFound) {
  const auto file = create("a");
  EXPECT_KIND(files_->open(path("a"), OpenMode::create).status(), busy);
  EXPECT_KIND(files_->open(path("b"), OpenMode::read_write).status(), not_found);
  EXPECT_KIND(files_->open(path("b"), OpenMode::read_only).status(), not_found);
  EXPECT_KIND(files_->open(path("nowhere/b"), OpenMode::create).status(), not_found);
  EXPECT_KIND(files_->create_unnamed(path("nowhere")).status(), not_found);
  EXPECT_KIND(files_->open(folder_, OpenMode::read_only).status(), unsupported);
}

TEST_P(FileSystemTest, AFileOpenForReadingIsNotWritten) {
  EXPECT_OK(create("a")->write_at(0, Blocks(1, 8).span()));
  const auto file = opened("a", OpenMode::read_only);
  Blocks block(1);
  EXPECT_OK(file->read_at(0, block.span()));
  EXPECT_EQ(block, Blocks(1, 8));
  EXPECT_KIND(file->write_at(0, block.span()), io);
  EXPECT_FALSE(file->resize(0).ok());
  EXPECT_EQ(size_of(*file), kIoBlock_bytes);
}

TEST_P(FileSystemTest, RenamingReplacesAndHandlesStay) {
  const auto first = create("a");
  EXPECT_OK(first->write_at(0, Blocks(1, 9).span()));
  const auto second = create("b");
  EXPECT_OK(second->write_at(0, Blocks(1, 10).span()));
  EXPECT_OK(second->sync());
  EXPECT_OK(files_->rename(path("b"), path("a")));
  EXPECT_OK(files_->sync_folder(folder_));
  EXPECT_KIND(files_->open(path("b"), OpenMode::read_only).status(), not_found);
  Blocks read(1);
  EXPECT_OK(opened("a", OpenMode::read_only)->read_at(0, read.span()));
  EXPECT_EQ(read, Blocks(1, 10));
  EXPECT_OK(first->read_at(0, read.span()));
  EXPECT_EQ(read, Blocks(1, 9));
  EXPECT_KIND(files_->rename(path("nothing"), path("a")), not_found);
  EXPECT_KIND(files_->rename(path("a"), path("nowhere/a")), not_found);
}

TEST_P(FileSystemTest, ARemovedFileIsGone) {
  EXPECT_NE(create("a"), nullptr);
  EXPECT_OK(files_->remove(path("a")));
  EXPECT_KIND(files_->open(path("a"), OpenMode::read_only).status(), not_found);
  EXPECT_KIND(files_->remove(path("a")), not_found);
  EXPECT_NE(create("a"), nullptr);
}

TEST_P(FileSystemTest, OneHandleHoldsTheLock) {
  auto first = create("a");
  EXPECT_OK(files_->lock(*first, path("a")));
  EXPECT_OK(files_->lock(*first, path("a")));
  const auto second = opened("a", OpenMode::read_write);
  EXPECT_KIND(files_->lock(*second, path("a")), busy);
  const auto reader = opened("a", OpenMode::read_only);
  EXPECT_KIND(files_->lock(*reader, path("a")), busy);
  first = nullptr;
  EXPECT_OK(files_->lock(*second, path("a")));
  EXPECT_KIND(files_->lock(*reader, path("a")), busy);
}

TEST_P(FileSystemTest, TheLockOfAReplacedFileIsBusy) {
  const auto old = create("a");
  const auto fresh = create("b");
  EXPECT_OK(files_->rename(path("b"), path("a")));
  EXPECT_KIND(files_->lock(*old, path("a")), busy);
  EXPECT_OK(files_->lock(*fresh, path("a")));
  EXPECT_OK(files_->remove(path("a")));
  const auto other = create("c");
  EXPECT_KIND(files_->lock(*other, path("a")), busy);
}

TEST_P(FileSystemTest, FoldersAreMadeWithTheirParents) {
  EXPECT_OK(files_->make_private_folder(path("x/y/z")));
  EXPECT_OK(files_->make_private_folder(path("x/y/z")));
  EXPECT_OK(files_->make_private_folder(path("x/y")));
  EXPECT_NE(create("x/y/z/file"), nullptr);
  EXPECT_NE(create("plain"), nullptr);
  EXPECT_FALSE(files_->make_private_folder(path("plain/below")).ok());
  EXPECT_FALSE(files_->make_private_folder(path("plain")).ok());
  EXPECT_OK(files_->sync_folder(path("x/y/z")));
  EXPECT_KIND(files_->sync_folder(path("nowhere")), not_found);
}

TEST_P(FileSystemTest, UnnamedFilesShareNothing) {
  const auto first = unnamed();
  const auto second = unnamed();
  EXPECT_OK(first->write_at(0, Blocks(1, 11).span()));
  EXPECT_OK(second->write_at(0, Blocks(1, 12).span()));
  Blocks read(1);
  EXPECT_OK(first->read_at(0, read.span()));
  EXPECT_EQ(read, Blocks(1, 11));
  EXPECT_OK(first->sync());
}

TEST_P(FileSystemTest, FreeSpaceIsToldOfFoldersThatExist) {
  const Result<uint64_t> bytes = files_->free_bytes(folder_);
  ASSERT_TRUE(bytes.ok()) << bytes.status().message();
  EXPECT_GT(*bytes, 0u);
  EXPECT_KIND(files_->free_bytes(path("nowhere")).status(), not_found);
}

TEST_P(FileSystemTest, FactsSayYesOrWhyNot) {
  for (const std::string& folder : {folder_, path("nowhere")}) {
    const std::vector<FileSystem::Fact> facts = files_->facts(folder);
    std::vector<std::string> names;
    for (const FileSystem::Fact& fact : facts) {
      names.push_back(fact.name);
      EXPECT_TRUE(fact.value == "yes" || fact.value.substr(0, 4) == "no: ")
          << fact.name << ": " << fact.value;
      EXPECT_GT(fact.value.size(), fact.value == "yes" ? 0u : 4u) << fact.name;
    }
    EXPECT_EQ(names, (std::vector<std::string>{"io_uring", "registered buffers", "O_DIRECT", "O_TMPFILE"}));
  }
}

TEST_P(FileSystemTest, ThreadsShareAFile) {
  const auto file = unnamed();
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      const Blocks mine(4, 20 + t);
      Blocks read(4);
      for (int round = 0; round < 20; ++round) {
        EXPECT_OK(file->write_at(t * mine.bytes(), mine.span()));
        EXPECT_OK(file->read_at(t * mine.bytes(), read.span()));
        EXPECT_EQ(read, mine);
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(size_of(*file), 16 * kIoBlock_bytes);
}

INSTANTIATE_TEST_SUITE_P(All, FileSystemTest, ::testing::ValuesIn(all_back_ends()), back_end_name);

}  // namespace
}  // namespace leoam
