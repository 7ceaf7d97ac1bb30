// Bits are flipped, blocks swapped and replayed, files cut and extended: the tokens stay, and no wrong page
// is used.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "runtime/store/manifest.h"
#include "runtime/store/session_header.h"
#include "tests/support/session_model.h"
#include "tests/support/session_scenario.h"
#include "tests/support/simulated_disk.h"

namespace leoam::testing {
namespace {

using Bytes = std::vector<uint8_t>;
constexpr char kPath[] = "/a.session";

class DamageTest : public ::testing::TestWithParam<bool> {
 protected:
  DamageTest() {
    auto file = SessionFile::create(disk_, kPath, key(), small_identity(), account_);
    for (uint32_t round = 0; round < 6; ++round) {
      if (round == 3) model_.rewind(25);
      model_.append(13 + round, round);
      EXPECT_TRUE(model_.save(**file).ok());
      versions_.push_back(disk_.contents(kPath));
    }
    layers_ = (*file)->streams();
  }

  const SecretKey* key() const { return GetParam() ? &key_ : nullptr; }
  Result<std::unique_ptr<SessionFile>> open(OpenMode mode = OpenMode::read_only) {
    return SessionFile::open(disk_, kPath, key(), nullptr, account_, mode);
  }
  const Bytes& whole() const { return versions_.back(); }

  // Opens, and expects all tokens; gives what became of the pages.
  SessionModel::Comparison expect_tokens(const std::string& what) {
    const auto file = open();
    EXPECT_TRUE(file.ok()) << what << ": " << file.status().message();
    if (!file.ok()) return {};
    EXPECT_EQ(model_.tokens(), (*file)->tokens()) << what;
    const auto pages = SessionModel::compare(**file);
    EXPECT_EQ(0u, pages.n_wrong_pages) << what;
    return pages;
  }

  // Blocks in use, as ranges of bytes that hold something.
  std::vector<Extent> metadata() {
    std::vector<Extent> extents;
    for (uint64_t block = 0; block + kIoBlock_bytes <= whole().size(); block += kIoBlock_bytes) {
      uint64_t end = kIoBlock_bytes;
      while (end > 0 && whole()[block + end - 1] == 0) --end;
      const bool page = std::ranges::any_of(layers_, [&](const StreamIndex& layer) {
        return std::ranges::any_of(layer.pages,
                                   [&](const PageRecord& one) { return one.offset_bytes == block; });
      });
      if (end > 0 && !page) extents.push_back({block, end});
    }
    return extents;
  }

  SimulatedDisk disk_;
  SecretKey key_ = test_key();
  DiskAccount account_{UINT64_MAX};
  SessionModel model_;
  std::vector<Bytes> versions_;
  std::vector<StreamIndex> layers_;
};

TEST_P(DamageTest, a_flipped_bit_of_metadata_loses_no_token) {
  uint64_t n_flips = 0;
  for (const Extent& extent : metadata()) {
    for (uint64_t byte = extent.offset_bytes; byte < extent.end_bytes() + 8; ++byte) {
      const uint64_t bit = byte * 8 + byte % 7;
      disk_.flip_bit(kPath, bit);
      expect_tokens(fmt::format("byte {}", byte));
      disk_.flip_bit(kPath, bit);
      ++n_flips;
      if (HasFailure()) return;
    }
  }
  EXPECT_GE(n_flips, 2000u);
  std::printf("%llu bits flipped\n", static_cast<unsigned long long>(n_flips));
}

TEST_P(DamageTest, a_flipped_bit_of_a_page_is_found) {
  std::mt19937 random(1);
  const auto healthy = expect_tokens("healthy");
  EXPECT_EQ(0u, healthy.n_bad_pages);
  const int n_flips = 1000 * fault_rounds();
  for (int i = 0; i < n_flips; ++i) {
    const auto& layer = layers_[random() % layers_.size()];
    const PageRecord& record = layer.pages[random() % layer.pages.size()];
    const uint64_t bit = record.offset_bytes * 8 + random() % (517 * 8);
    disk_.flip_bit(kPath, bit);
    const auto pages = expect_tokens(fmt::format("bit {}", bit));
    EXPECT_EQ(1u, pages.n_bad_pages);
    EXPECT_EQ(healthy.n_good_pages - 1, pages.n_good_pages);
    disk_.flip_bit(kPath, bit);
    if (HasFailure()) return;
  }
  std::printf("%d bits of pages flipped\n", n_flips);
}

TEST_P(DamageTest, is_repaired_by_the_next_commit_where_there_is_a_second_copy) {
  const Bytes zeros(kIoBlock_bytes);
  std::set<uint64_t> blocks;
  for (const Extent& extent : metadata()) blocks.insert(extent.offset_bytes);
  for (const uint64_t block : blocks) {
    disk_.set_contents(kPath, whole());
    for (uint64_t byte = 0; byte < kIoBlock_bytes; byte += 16) disk_.flip_bit(kPath, (block + byte) * 8);
    {
      auto file = open(OpenMode::read_write);
      ASSERT_TRUE(file.ok()) << block << ": " << file.status().message();
      ASSERT_EQ(model_.tokens(), (*file)->tokens());
      SessionModel model = SessionModel::of(**file);
      model.append(5, 77);
      ASSERT_TRUE(model.save(**file).ok());
      EXPECT_EQ(0u, SessionModel::compare(**file).n_wrong_pages);
    }
    const auto file = open();
    ASSERT_TRUE(file.ok());
    const auto verdict = (*file)->verify({});
    ASSERT_TRUE(verdict.ok());
    for (const std::string& finding : verdict->findings)
      EXPECT_EQ(std::string::npos, finding.find("log")) << block << ": " << finding;
  }
}

TEST_P(DamageTest, the_same_damage_to_both_copies_is_an_error_and_no_other_tokens) {
  for (const uint64_t at : {uint64_t{0}, uint64_t{8}, uint64_t{20}, uint64_t{130}, uint64_t{300}}) {
    for (const uint64_t place : kHeaderPlaces_bytes) disk_.flip_bit(kPath, (place + at) * 8);
    const auto refused = open();
    EXPECT_EQ(ErrorKind::corrupt, refused.status().kind()) << at;
    disk_.set_contents(kPath, whole());
  }
  // Both copies of each record of the log but the last.
  for (uint64_t record = 0; record < 5; ++record) {
    for (const uint64_t segment : {kHead_bytes, kHead_bytes + kFirstLogSegment_bytes})
      disk_.flip_bit(kPath, (segment + record * kIoBlock_bytes + 70) * 8);
    const auto refused = open();
    EXPECT_EQ(ErrorKind::corrupt, refused.status().kind()) << record;
    EXPECT_NE(std::string::npos, refused.status().message().find("token log")) << refused.status().message();
    disk_.set_contents(kPath, whole());
  }
}

TEST_P(DamageTest, without_any_manifest_the_tokens_are_still_there) {
  for (const uint64_t place : kSlotPlaces_bytes)
    for (uint64_t byte = 0; byte < 100; ++byte) disk_.flip_bit(kPath, (place + byte) * 8);
  const auto file = open(OpenMode::read_write);
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(model_.tokens(), (*file)->tokens());
  EXPECT_TRUE((*file)->info().index_lost);
  EXPECT_EQ(0u, (*file)->info().n_kv_tokens);
  SessionModel model = SessionModel::of(**file);
  model.append(5, 77);
  EXPECT_TRUE(model.save(**file).ok());
  EXPECT_FALSE((*file)->info().index_lost);
}

TEST_P(DamageTest, blocks_of_older_versions_are_found_out) {
  uint64_t n_cases = 0;
  for (size_t version = 0; version + 1 < versions_.size(); ++version) {
    const Bytes& old = versions_[version];
    for (uint64_t block = 0; block + kIoBlock_bytes <= std::min(old.size(), whole().size());
         block += kIoBlock_bytes) {
      const auto begin = old.begin() + static_cast<std::ptrdiff_t>(block);
      const auto end = begin + static_cast<std::ptrdiff_t>(kIoBlock_bytes);
      if (std::equal(begin, end, whole().begin() + static_cast<std::ptrdiff_t>(block))) continue;
      Bytes mixed = whole();
      std::copy(begin, end, mixed.begin() + static_cast<std::ptrdiff_t>(block));
      disk_.set_contents(kPath, mixed);
      expect_tokens(fmt::format("block {} of version {}", block, version));
      ++n_cases;
    }
  }
  EXPECT_GE(n_cases, 50u);
  std::printf("%llu blocks replayed\n", static_cast<unsigned long long>(n_cases));
}

TEST_P(DamageTest, swapped_blocks_are_found_out) {
  std::mt19937 random(3);
  std::vector<uint64_t> pages;
  for (const StreamIndex& layer : layers_)
    for (const PageRecord& record : layer.pages) pages.push_back(record.offset_bytes);
  int n_swaps = 0;
  for (int i = 0; i < 200 * fault_rounds(); ++i) {
    const uint64_t first = pages[random() % pages.size()];
    const uint64_t second = pages[random() % pages.size()];
    if (first == second) continue;
    disk_.swap_ranges(kPath, first, second, kIoBlock_bytes);
    EXPECT_EQ(2u, expect_tokens(fmt::format("{} and {}", first, second)).n_bad_pages);
    disk_.swap_ranges(kPath, first, second, kIoBlock_bytes);
    ++n_swaps;
  }
  std::printf("%d blocks swapped\n", n_swaps);
}

TEST_P(DamageTest, pages_of_another_session_are_found_out) {
  SessionModel other;
  auto file = SessionFile::create(disk_, "/b.session", key(), small_identity(), account_);
  other.append(30, 50);
  ASSERT_TRUE(other.save(**file).ok());
  const Bytes foreign = disk_.contents("/b.session");
  for (size_t layer = 0; layer < layers_.size(); ++layer)
    for (const PageRecord& record : (*file)->streams()[layer].pages) {
      Bytes mixed = whole();
      std::copy_n(foreign.begin() + static_cast<std::ptrdiff_t>(record.offset_bytes), kIoBlock_bytes,
                  mixed.begin() + static_cast<std::ptrdiff_t>(layers_[layer].pages[0].offset_bytes));
      disk_.set_contents(kPath, mixed);
      EXPECT_EQ(1u, expect_tokens("a foreign page").n_bad_pages);
    }
}

TEST_P(DamageTest, a_file_that_is_cut_or_extended_gives_all_tokens_or_an_error) {
  std::set<uint64_t> sizes;
  for (uint64_t bytes = 0; bytes <= whole().size(); bytes += kIoBlock_bytes)
    sizes.insert({bytes, bytes + 1, bytes + 777});
  std::mt19937 random(4);
  for (int i = 100; i < 100 * fault_rounds(); ++i) sizes.insert(random() % (2 * whole().size()));
  uint64_t n_opened = 0;
  for (const uint64_t bytes : sizes) {
    disk_.set_contents(kPath, whole());
    if (bytes < whole().size()) {
      disk_.truncate(kPath, bytes);
    } else {
      disk_.extend(kPath, bytes, 0xab);
    }
    const auto file = open();
    if (!file.ok()) {
      EXPECT_EQ(ErrorKind::corrupt, file.status().kind()) << bytes << ": " << file.status().message();
      continue;
    }
    ++n_opened;
    EXPECT_EQ(model_.tokens(), (*file)->tokens()) << bytes;
    EXPECT_EQ(0u, SessionModel::compare(**file).n_wrong_pages) << bytes;
  }
  EXPECT_GE(n_opened, 10u);
  std::printf("%zu sizes, %llu opened\n", sizes.size(), static_cast<unsigned long long>(n_opened));
}

INSTANTIATE_TEST_SUITE_P(Both, DamageTest, ::testing::Bool(),
                         [](const auto& which) { return which.param ? "encrypted" : "plaintext"; });

}  // namespace
}  // namespace leoam::testing
