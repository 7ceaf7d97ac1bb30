#include "tests/support/simulated_disk.h"

#include <algorithm>
#include <set>

#include "tests/runtime/io/back_end.h"

namespace leoam {
namespace {

using testing::kAllPowerLosses;
using testing::PowerLoss;
using testing::SimulatedDisk;

constexpr uint64_t kSector_bytes = 512;

std::unique_ptr<WritableFile> open(SimulatedDisk& disk, const std::string& path, OpenMode mode) {
  auto file = disk.open(path, mode);
  EXPECT_TRUE(file.ok()) << file.status().message();
  return file.ok() ? std::move(*file) : nullptr;
}

// A durable file of `n` blocks.
std::unique_ptr<WritableFile> durable_file(SimulatedDisk& disk, const std::string& path, size_t n,
                                           uint32_t seed) {
  auto file = open(disk, path, OpenMode::create);
  EXPECT_OK(file->write_at(0, Blocks(n, seed).span()));
  EXPECT_OK(file->sync());
  EXPECT_OK(disk.sync_folder("/"));
  return file;
}

std::vector<uint8_t> bytes_of(const Blocks& blocks) {
  return {blocks.data(), blocks.data() + blocks.bytes()};
}

TEST(SimulatedDisk, WhatWasSyncedSurvivesEveryPowerLoss) {
  SimulatedDisk disk;
  const auto file = durable_file(disk, "/a", 4, 1);
  for (const PowerLoss mode : kAllPowerLosses)
    for (uint64_t seed = 0; seed < 50; ++seed) {
      const auto next = disk.crashed(seed, mode);
      EXPECT_EQ(next->files(), std::vector<std::string>{"/a"});
      EXPECT_EQ(next->contents("/a"), bytes_of(Blocks(4, 1)));
    }
}

TEST(SimulatedDisk, UnsyncedWritesAreKeptWholeOrLostWhole) {
  SimulatedDisk disk;
  const auto file = durable_file(disk, "/a", 4, 1);
  for (size_t i = 0; i < 4; ++i) EXPECT_OK(file->write_at(i * kIoBlock_bytes, Blocks(4, 2).span(i, 1)));
  EXPECT_EQ(disk.crashed(1, PowerLoss::keeps_all)->contents("/a"), bytes_of(Blocks(4, 2)));
  EXPECT_EQ(disk.crashed(1, PowerLoss::drops_unsynced)->contents("/a"), bytes_of(Blocks(4, 1)));
  std::set<std::vector<uint8_t>> outcomes;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const std::vector<uint8_t> after = disk.crashed(seed, PowerLoss::keeps_some)->contents("/a");
    for (size_t i = 0; i < 4; ++i) {
      const bool is_old =
          std::memcmp(&after[i * kIoBlock_bytes], Blocks(4, 1).span(i, 1).data(), kIoBlock_bytes) == 0;
      const bool is_new =
          std::memcmp(&after[i * kIoBlock_bytes], Blocks(4, 2).span(i, 1).data(), kIoBlock_bytes) == 0;
      EXPECT_TRUE(is_old || is_new);
    }
    outcomes.insert(after);
  }
  EXPECT_EQ(outcomes.size(), 16u) << "every subset of four writes";
}

TEST(SimulatedDisk, WritesTearBetweenSectors) {
  SimulatedDisk disk;
  const auto file = durable_file(disk, "/a", 1, 1);
  EXPECT_OK(file->write_at(0, Blocks(1, 2).span()));
  size_t n_torn = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const std::vector<uint8_t> after = disk.crashed(seed, PowerLoss::tears_writes)->contents("/a");
    size_t n_new = 0;
    for (uint64_t at = 0; at < kIoBlock_bytes; at += kSector_bytes) {
      const bool is_old = std::memcmp(&after[at], Blocks(1, 1).data() + at, kSector_bytes) == 0;
      const bool is_new = std::memcmp(&after[at], Blocks(1, 2).data() + at, kSector_bytes) == 0;
      EXPECT_TRUE(is_old != is_new);
      n_new += is_new;
    }
    n_torn += n_new != 0 && n_new != 8;
  }
  EXPECT_GT(n_torn, 80u);
}

TEST(SimulatedDisk, WritesToOnePlaceComeInAnyOrder) {
  SimulatedDisk disk;
  const auto file = durable_file(disk, "/a", 1, 1);
  EXPECT_OK(file->write_at(0, Blocks(1, 2).span()));
  EXPECT_OK(file->write_at(0, Blocks(1, 3).span()));
  std::set<std::vector<uint8_t>> outcomes;
  size_t n_older_last = 0;
  for (uint64_t seed = 0; seed < 400; ++seed) {
    outcomes.insert(disk.crashed(seed, PowerLoss::keeps_some)->contents("/a"));
    n_older_last += disk.crashed(seed, PowerLoss::keeps_some)->contents("/a") == bytes_of(Blocks(1, 2));
  }
  EXPECT_EQ(outcomes.size(), 3u);
  // Alone in a quarter of the cases, and after the newer one in an eighth.
  EXPECT_GT(n_older_last, 115u);
}

TEST(SimulatedDisk, TheSameSeedGivesTheSameDisk) {
  SimulatedDisk disk;
  const auto file = durable_file(disk, "/a", 8, 1);
  EXPECT_OK(file->write_at(0, Blocks(8, 2).span()));
  EXPECT_OK(disk.rename("/a", "/b"));
  for (const PowerLoss mode : kAllPowerLosses)
    for (uint64_t seed = 0; seed < 20; ++seed) {
      const auto first = disk.crashed(seed, mode);
      const auto second = disk.crashed(seed, mode);
      ASSERT_EQ(first->files(), second->files());
      for (const std::string& path : first->files()) EXPECT_EQ(first->contents(path), second->contents(path));
    }
}

TEST(SimulatedDisk, NamesAreDurableWithTheirFolderOnly) {
  SimulatedDisk disk;
  const auto file = open(disk, "/a", OpenMode::create);
  EXPECT_OK(file->write_at(0, Blocks(1, 1).span()));
  EXPECT_OK(file->sync());
  EXPECT_TRUE(disk.crashed(1, PowerLoss::drops_unsynced)->files().empty());
  bool kept = false;
  bool lost = false;
  for (uint64_t seed = 0; seed < 50; ++seed)
    (disk.crashed(seed, PowerLoss::keeps_some)->files().empty() ? lost : kept) = true;
  EXPECT_TRUE(kept);
  EXPECT_TRUE(lost);
  EXPECT_OK(disk.sync_folder("/"));
  EXPECT_EQ(disk.crashed(1, PowerLoss::drops_unsynced)->contents("/a"), bytes_of(Blocks(1, 1)));
}

TEST(SimulatedDisk, ARenameMayComeBeforeTheDataOfItsFile) {
  SimulatedDisk disk;
  const auto old = durable_file(disk, "/a", 1, 1);
  const auto fresh = open(disk, "/a.new", OpenMode::create);
  EXPECT_OK(disk.sync_folder("/"));
  EXPECT_OK(fresh->write_at(0, Blocks(1, 2).span()));
  EXPECT_OK(disk.rename("/a.new", "/a"));
  bool without_data = false;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const auto next = disk.crashed(seed, PowerLoss::keeps_some);
    const std::vector<uint8_t> after = next->contents("/a");
    EXPECT_TRUE(after.empty() || after == bytes_of(Blocks(1, 1)) || after == bytes_of(Blocks(1, 2)));
    without_data |= after.empty();
    EXPECT_EQ(next->files().size(), after == bytes_of(Blocks(1, 1)) ? 2u : 1u) << "a rename is whole or lost";
  }
  EXPECT_TRUE(without_data);
  EXPECT_OK(fresh->sync());
  EXPECT_OK(disk.sync_folder("/"));
  EXPECT_EQ(disk.crashed(1, PowerLoss::drops_unsynced)->contents("/a"), bytes_of(Blocks(1, 2)));
}

TEST(SimulatedDisk, ARemovedFileMayComeBack) {
  SimulatedDisk disk;
  const auto file = durable_file(disk, "/a", 1, 1);
  EXPECT_OK(disk.remove("/a"));
  EXPECT_EQ(disk.crashed(1, PowerLoss::drops_unsynced)->files().size(), 1u);
  EXPECT_OK(disk.sync_folder("/"));
  EXPECT_TRUE(disk.crashed(1, PowerLoss::drops_unsynced)->files().empty());
}

TEST(SimulatedDisk, UnnamedFilesAndLocksEndWithThePower) {
  SimulatedDisk disk;
  const auto file = durable_file(disk, "/a", 1, 1);
  EXPECT_OK(disk.lock(*file, "/a"));
  const auto scratch = disk.create_unnamed("/");
  EXPECT_OK((*scratch)->write_at(0, Blocks(1, 2).span()));
  const auto next = disk.crashed(1, PowerLoss::keeps_all);
  EXPECT_EQ(next->files().size(), 1u);
  EXPECT_OK(next->lock(*open(*next, "/a", OpenMode::read_write), "/a"));
}

TEST(SimulatedDisk, TheOldDiskGoesOnApartFromTheNew) {
  SimulatedDisk disk;
  const auto file = durable_file(disk, "/a", 1, 1);
  const auto next = disk.crashed(1, PowerLoss::keeps_all);
  EXPECT_OK(file->write_at(0, Blocks(1, 2).span()));
  EXPECT_OK(open(*next, "/a", OpenMode::read_write)->write_at(0, Blocks(1, 3).span()));
  EXPECT_EQ(disk.contents("/a"), bytes_of(Blocks(1, 2)));
  EXPECT_EQ(next->contents("/a"), bytes_of(Blocks(1, 3)));
}

TEST(SimulatedDisk, AFullDiskSaysWhatIsNeeded) {
  SimulatedDisk disk(10 * kIoBlock_bytes);
  const auto file = durable_file(disk, "/a", 8, 1);
  const Status status = file->write_at(8 * kIoBlock_bytes, Blocks(3, 2).span());
  EXPECT_STREQ(error_kind_name(status.kind()), "no_space");
  EXPECT_EQ(status.needed_bytes(), 3 * kIoBlock_bytes);
  EXPECT_EQ(status.available_bytes(), 2 * kIoBlock_bytes);
  EXPECT_OK(file->write_at(8 * kIoBlock_bytes, Blocks(2, 2).span()));
  EXPECT_EQ(*disk.free_bytes("/"), 0u);
  EXPECT_KIND((*disk.create_unnamed("/"))->resize(1), no_space);
  EXPECT_OK(file->resize(0));
  {
    const auto scratch = disk.create_unnamed("/");
    EXPECT_OK((*scratch)->resize(4 * kIoBlock_bytes));
    EXPECT_EQ(*disk.free_bytes("/"), 6 * kIoBlock_bytes);
  }
  EXPECT_EQ(*disk.free_bytes("/"), 10 * kIoBlock_bytes);
}

TEST(SimulatedDisk, DamageIsExactAndDurable) {
  SimulatedDisk disk;
  disk.set_contents("/a", {0, 1, 2, 3, 4, 5, 6, 7});
  disk.flip_bit("/a", 17);
  disk.copy_range("/a", 0, 4, 2);
  disk.swap_ranges("/a", 1, 6, 1);
  disk.extend("/a", 2, 9);
  EXPECT_EQ(disk.contents("/a"), (std::vector<uint8_t>{0, 6, 0, 3, 0, 1, 1, 7, 9, 9}));
  disk.truncate("/a", 3);
  EXPECT_EQ(disk.crashed(1, PowerLoss::drops_unsynced)->contents("/a"), (std::vector<uint8_t>{0, 6, 0}));
}

}  // namespace
}  // namespace leoam
