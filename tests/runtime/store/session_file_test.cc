#include "runtime/store/session_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "runtime/store/block_buffer.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/session_model.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/temp_folder.h"

namespace leoam {
namespace {

using testing::describe;
using testing::FaultFileSystem;
using testing::FaultOperation;
using testing::SessionModel;
using testing::SimulatedDisk;
using testing::small_identity;
using testing::TempFolder;
using testing::test_key;

constexpr char kPath[] = "/a.session";

class SessionFileTest : public ::testing::TestWithParam<bool> {
 protected:
  const SecretKey* key() const { return GetParam() ? &key_ : nullptr; }
  std::unique_ptr<SessionFile> create(const std::string& path = kPath) {
    auto file = SessionFile::create(disk_, path, key(), small_identity(), account_);
    EXPECT_TRUE(file.ok()) << file.status().message();
    return std::move(file).value();
  }
  Result<std::unique_ptr<SessionFile>> try_open(OpenMode mode = OpenMode::read_write) {
    const SessionIdentity identity = small_identity();
    return SessionFile::open(disk_, kPath, key(), &identity, account_, mode);
  }
  std::unique_ptr<SessionFile> open() {
    auto file = try_open();
    EXPECT_TRUE(file.ok()) << file.status().message();
    return std::move(file).value();
  }
  static void expect_whole(const SessionFile& file, const std::vector<LoggedToken>& tokens) {
    EXPECT_EQ(describe(tokens), describe(file.tokens()));
    EXPECT_FALSE(file.info().index_lost);
    const auto pages = SessionModel::compare(file);
    EXPECT_EQ(0u, pages.n_bad_pages + pages.n_missing_pages + pages.n_wrong_pages);
    EXPECT_EQ(tokens.size() / 4 * 4, file.info().n_kv_tokens);
    const auto logits = file.read_logits();
    ASSERT_TRUE(logits.ok()) << logits.status().message();
    EXPECT_EQ(std::vector<float>(50, static_cast<float>(tokens.size())), *logits);
  }

  SimulatedDisk disk_;
  SecretKey key_ = test_key();
  DiskAccount account_{UINT64_MAX};
};

TEST_P(SessionFileTest, is_there_from_the_first_commit_on) {
  auto file = create();
  EXPECT_EQ(ErrorKind::not_found, try_open().status().kind());
  EXPECT_EQ(std::vector<std::string>{"/a.session.new"}, disk_.files());
  SessionModel model;
  model.append(30, 1);
  ASSERT_TRUE(model.save(*file).ok());
  EXPECT_EQ(std::vector<std::string>{kPath}, disk_.files());
  expect_whole(*file, model.tokens());
  file.reset();
  expect_whole(*open(), model.tokens());
  EXPECT_EQ(0u, account_.used_bytes());
}

TEST_P(SessionFileTest, one_that_was_never_committed_leaves_nothing) {
  create().reset();
  EXPECT_TRUE(disk_.files().empty());
  disk_.set_contents("/a.session.new", std::vector<uint8_t>(5000, 1));
  auto file = create();
  SessionModel model;
  model.append(3, 1);
  ASSERT_TRUE(model.save(*file).ok());
  file.reset();
  expect_whole(*open(), model.tokens());
}

TEST_P(SessionFileTest, one_that_was_given_up_leaves_its_name_and_keeps_its_pages) {
  auto given_up = create();
  const auto blocks = BlockBuffer::create(kIoBlock_bytes);
  std::vector<uint8_t> page(small_identity().page_bytes, 7);
  PageRecord record;
  record.offset_bytes = given_up->allocate(small_identity().page_bytes, 1).value();
  ASSERT_TRUE(given_up->seal({0, 0, 0}, page, blocks->data(), &record).ok());
  ASSERT_TRUE(given_up->file().write_at(record.offset_bytes, blocks->span()).ok());
  ASSERT_TRUE(given_up->abandon().ok());
  ASSERT_TRUE(given_up->abandon().ok());
  EXPECT_TRUE(disk_.files().empty());
  auto file = create();
  SessionModel model;
  model.append(3, 1);
  ASSERT_TRUE(model.save(*file).ok());
  page.assign(page.size(), 0);
  ASSERT_TRUE(given_up->file().read_at(record.offset_bytes, blocks->span()).ok());
  EXPECT_TRUE(given_up->open({0, 0, 0}, record, blocks->data(), page).ok());
  EXPECT_EQ(std::vector<uint8_t>(page.size(), 7), page);
  given_up.reset();
  // Nor does a committed one lose its name.
  ASSERT_TRUE(file->abandon().ok());
  file.reset();
  expect_whole(*open(), model.tokens());
}

TEST_P(SessionFileTest, one_whose_name_could_not_be_made_durable_leaves_it_free) {
  const auto save = [this](FaultFileSystem& files, SessionModel& model) {
    model.append(30, 1);
    auto file = SessionFile::create(files, kPath, key(), small_identity(), account_);
    return file.ok() ? model.save(**file) : std::move(file).status();
  };
  SimulatedDisk other;
  FaultFileSystem whole(other);
  SessionModel first;
  ASSERT_TRUE(save(whole, first).ok());
  const auto trace = whole.trace();
  const auto sync = std::ranges::find(trace, FaultOperation::sync_folder);
  ASSERT_NE(sync, trace.end());
  FaultFileSystem files(disk_, {.fail_at = static_cast<uint64_t>(sync - trace.begin()) + 1});
  SessionModel refused;
  EXPECT_EQ(ErrorKind::io, save(files, refused).kind());
  EXPECT_TRUE(disk_.files().empty());
  SessionModel model;
  ASSERT_TRUE(save(files, model).ok());
  expect_whole(*open(), model.tokens());
}

TEST_P(SessionFileTest, has_one_owner) {
  auto file = create();
  EXPECT_EQ(ErrorKind::busy,
            SessionFile::create(disk_, kPath, key(), small_identity(), account_).status().kind());
  SessionModel model;
  model.append(8, 1);
  ASSERT_TRUE(model.save(*file).ok());
  EXPECT_EQ(ErrorKind::busy, try_open().status().kind());
  EXPECT_EQ(ErrorKind::busy, try_open(OpenMode::read_only).status().kind());
  EXPECT_EQ(ErrorKind::busy, SessionFile::remove(disk_, kPath).kind());
  EXPECT_EQ(ErrorKind::busy,
            SessionFile::create(disk_, kPath, key(), small_identity(), account_).status().kind());
  file.reset();
  EXPECT_TRUE(SessionFile::remove(disk_, kPath).ok());
  EXPECT_TRUE(disk_.files().empty());
}

TEST_P(SessionFileTest, goes_on_over_many_commits_rewinds_and_openings) {
  auto file = create();
  SessionModel model;
  for (uint32_t round = 0; round < 120; ++round) {
    if (round % 7 == 6) model.rewind(model.tokens().size() * 2 / 3);
    model.append(1 + round % 40, round);
    ASSERT_TRUE(model.save(*file).ok());
    ASSERT_EQ(round + 1, file->info().generation);
    if (round % 5 == 4) {
      file.reset();
      file = open();
      model = SessionModel::of(*file);
      expect_whole(*file, model.tokens());
    }
  }
  expect_whole(*file, model.tokens());
  // What was freed is used again: three layers of pages, the log and the index.
  EXPECT_LT(file->info().file_bytes, 10u << 20);
}

TEST_P(SessionFileTest, a_long_prompt_is_one_commit) {
  auto file = create();
  SessionModel model;
  model.append(600000, 1);
  SessionCommit commit;
  commit.tokens = model.tokens();
  const std::vector<StreamIndex> layers(3);
  commit.streams = layers;
  ASSERT_TRUE(file->commit(commit).ok());
  file.reset();
  EXPECT_EQ(model.tokens(), open()->tokens());
}

TEST_P(SessionFileTest, an_incremental_commit_writes_what_is_new) {
  auto file = create();
  SessionModel model;
  model.append(40000, 1);
  ASSERT_TRUE(model.save(*file).ok());
  const uint64_t before = file->written_bytes();
  model.append(4, 2);
  ASSERT_TRUE(model.save(*file, false).ok());
  // Three pages, two copies of a log record, the last part of each layer's index, manifest and slot.
  EXPECT_LT(file->written_bytes() - before, 3 * 4096u + 2 * 4096u + 3 * 45056u + 3 * 4096u);
  file.reset();
  EXPECT_EQ(describe(model.tokens()), describe(open()->tokens()));
}

TEST_P(SessionFileTest, refuses_other_keys_models_and_geometries_and_stays_untouched) {
  SessionModel model;
  model.append(10, 1);
  {
    auto file = create();
    ASSERT_TRUE(model.save(*file).ok());
  }
  const auto bytes = disk_.contents(kPath);
  const SecretKey other = test_key(8);
  const auto kind_of = [&](const SecretKey* with, const SessionIdentity* expected, std::string* message) {
    const auto opened = SessionFile::open(disk_, kPath, with, expected, account_, OpenMode::read_write);
    *message = opened.status().message();
    return opened.status().kind();
  };
  std::string message;
  EXPECT_EQ(ErrorKind::invalid_argument, kind_of(&other, nullptr, &message));
  EXPECT_NE(std::string::npos, message.find("key")) << message;
  EXPECT_EQ(ErrorKind::invalid_argument, kind_of(GetParam() ? nullptr : &key_, nullptr, &message));

  SessionIdentity identity = small_identity();
  identity.model[3] ^= 1;
  EXPECT_EQ(ErrorKind::unsupported, kind_of(key(), &identity, &message));
  EXPECT_NE(std::string::npos, message.find("another model")) << message;
  identity = small_identity();
  identity.page_tokens = 8;
  EXPECT_EQ(ErrorKind::unsupported, kind_of(key(), &identity, &message));
  EXPECT_NE(std::string::npos, message.find("page_tokens 4, this is 8")) << message;
  identity = small_identity();
  identity.windows[1] = 16;
  EXPECT_EQ(ErrorKind::unsupported, kind_of(key(), &identity, &message));
  EXPECT_EQ(bytes, disk_.contents(kPath));
  expect_whole(*open(), model.tokens());
}

TEST_P(SessionFileTest, refuses_arguments_that_make_no_sense) {
  auto file = create();
  SessionModel model;
  model.append(10, 1);
  ASSERT_TRUE(model.save(*file).ok());
  const std::vector<StreamIndex> layers(3);
  const std::vector<LoggedToken> outside{{50, true}};
  const std::vector<float> short_logits(49);
  const auto kind_of = [&](auto change) {
    SessionCommit commit;
    commit.n_kept_tokens = 10;
    commit.streams = layers;
    change(&commit);
    return file->commit(commit).kind();
  };
  EXPECT_EQ(ErrorKind::invalid_argument, kind_of([](SessionCommit* commit) { commit->n_kept_tokens = 11; }));
  EXPECT_EQ(ErrorKind::invalid_argument, kind_of([](SessionCommit* commit) { commit->n_kv_tokens = 11; }));
  EXPECT_EQ(ErrorKind::invalid_argument, kind_of([&](SessionCommit* commit) { commit->tokens = outside; }));
  EXPECT_EQ(ErrorKind::invalid_argument,
            kind_of([&](SessionCommit* commit) { commit->logits = short_logits; }));
  EXPECT_EQ(ErrorKind::invalid_argument,
            kind_of([&](SessionCommit* commit) { commit->streams = commit->streams.first(2); }));
  EXPECT_EQ(ErrorKind::ok, kind_of([](SessionCommit*) {}));
  SessionIdentity identity = small_identity();
  identity.windows.clear();
  EXPECT_EQ(ErrorKind::invalid_argument,
            SessionFile::create(disk_, "/b", key(), identity, account_).status().kind());
}

TEST_P(SessionFileTest, a_full_disk_leaves_the_last_commit_and_passes) {
  auto file = create();
  SessionModel model;
  model.append(10, 1);
  ASSERT_TRUE(model.save(*file).ok());
  account_.set_budget(account_.used_bytes());
  model.append(4000, 2);
  const Status refused = model.save(*file);
  EXPECT_EQ(ErrorKind::no_space, refused.kind());
  EXPECT_GT(refused.needed_bytes(), refused.available_bytes());
  expect_whole(*file, model.saved_tokens());
  account_.set_budget(UINT64_MAX);
  disk_.set_capacity(file->info().file_bytes + 100000);
  EXPECT_EQ(ErrorKind::no_space, model.save(*file).kind());
  file.reset();
  file = open();
  expect_whole(*file, model.saved_tokens());
  disk_.set_capacity(UINT64_MAX);
  SessionModel again = SessionModel::of(*file);
  again.append(4000, 2);
  ASSERT_TRUE(again.save(*file).ok());
  file.reset();
  expect_whole(*open(), model.tokens());
}

TEST_P(SessionFileTest, abstracts_are_kept_beside_pages) {
  auto file = create();
  SessionModel model;
  model.append(10, 1);
  const std::vector<uint8_t> high(100, 1);
  const std::vector<uint8_t> low(9000, 2);
  ASSERT_TRUE(file->write_abstract(2, 1, low).ok());
  ASSERT_TRUE(file->write_abstract(2, 0, low).ok());
  ASSERT_TRUE(file->write_abstract(2, 0, high).ok());
  ASSERT_TRUE(model.save(*file).ok());
  EXPECT_EQ(ErrorKind::invalid_argument, file->write_abstract(3, 0, high).kind());
  file.reset();
  file = open();
  EXPECT_EQ(high, *file->read_abstract(2, 0));
  EXPECT_EQ(low, *file->read_abstract(2, 1));
  EXPECT_EQ(ErrorKind::not_found, file->read_abstract(1, 0).status().kind());
  // Without abstract pages the next commit has no use for what stands above them.
  model.append(10, 2);
  ASSERT_TRUE(model.save(*file).ok());
  EXPECT_EQ(ErrorKind::not_found, file->read_abstract(2, 0).status().kind());
  EXPECT_EQ(low, *file->read_abstract(2, 1));
  ASSERT_TRUE(file->write_abstract(2, 1, high).ok());
  ASSERT_TRUE(file->write_abstract(2, 1, {}).ok());
  EXPECT_EQ(ErrorKind::not_found, file->read_abstract(2, 1).status().kind());
  model.append(10, 3);
  ASSERT_TRUE(model.save(*file).ok());
  file.reset();
  EXPECT_EQ(ErrorKind::not_found, open()->read_abstract(2, 1).status().kind());
}

TEST_P(SessionFileTest, verify_finds_what_is_damaged_and_says_what_it_costs) {
  auto file = create();
  SessionModel model;
  model.append(40, 1);
  ASSERT_TRUE(model.save(*file).ok());
  const auto healthy = file->verify({});
  ASSERT_TRUE(healthy.ok());
  EXPECT_EQ(10u + 3u + 10u, healthy->n_pages);
  EXPECT_EQ(0u, healthy->n_bad_pages + healthy->n_missing_pages + healthy->n_recompute_tokens);
  EXPECT_TRUE(healthy->findings.empty()) << healthy->findings[0];

  disk_.flip_bit(kPath, (file->streams()[2].pages[6].offset_bytes + 100) * 8);
  const auto damaged = file->verify({});
  ASSERT_TRUE(damaged.ok());
  EXPECT_EQ(1u, damaged->n_bad_pages);
  EXPECT_EQ(24u, damaged->first_bad_token);
  EXPECT_EQ(16u, damaged->n_recompute_tokens);
  ASSERT_EQ(1u, damaged->findings.size());
  EXPECT_NE(std::string::npos, damaged->findings[0].find("page 6 of layer 2")) << damaged->findings[0];

  uint64_t n_seen = 0;
  EXPECT_EQ(ErrorKind::cancelled,
            file->verify([&](uint64_t, uint64_t) { return ++n_seen < 5; }).status().kind());
  EXPECT_EQ(5u, n_seen);
}

TEST_P(SessionFileTest, compact_keeps_everything_but_free_room) {
  SessionModel model;
  {
    auto file = create();
    for (uint32_t round = 0; round < 30; ++round) {
      model.rewind(model.tokens().size() / 2);
      model.append(200, round);
      ASSERT_TRUE(model.save(*file).ok());
    }
    ASSERT_TRUE(file->write_abstract(1, 0, std::vector<uint8_t>(10, 9)).ok());
    ASSERT_TRUE(model.save(*file).ok());
    EXPECT_EQ(ErrorKind::busy, SessionFile::compact(disk_, kPath, key(), account_).kind());
  }
  const size_t before = disk_.contents(kPath).size();
  ASSERT_TRUE(SessionFile::compact(disk_, kPath, key(), account_).ok());
  EXPECT_EQ(std::vector<std::string>{kPath}, disk_.files());
  auto file = open();
  expect_whole(*file, model.tokens());
  EXPECT_LT(disk_.contents(kPath).size(), before);
  EXPECT_EQ(file->info().file_bytes, file->info().used_bytes);
  EXPECT_EQ(std::vector<uint8_t>(10, 9), *file->read_abstract(1, 0));
  model = SessionModel::of(*file);
  model.append(20, 99);
  ASSERT_TRUE(model.save(*file).ok());
  file.reset();
  expect_whole(*open(), model.tokens());
}

TEST_P(SessionFileTest, opening_reads_the_index_and_no_page) {
  SessionIdentity identity = small_identity();
  identity.n_layers = 30;
  identity.windows.assign(30, 0);
  identity.page_tokens = 32;
  identity.n_vocab = 32000;
  SessionModel model(identity);
  model.append(32768, 1);
  uint64_t file_bytes = 0;
  {
    auto file = SessionFile::create(disk_, kPath, key(), identity, account_);
    ASSERT_TRUE(file.ok()) << file.status().message();
    ASSERT_TRUE(model.save(**file, false).ok());
    file_bytes = (*file)->info().file_bytes;
  }
  testing::FaultFileSystem files(disk_);
  DiskAccount account(UINT64_MAX);
  const auto start = std::chrono::steady_clock::now();
  const auto file = SessionFile::open(files, kPath, key(), &identity, account, OpenMode::read_write);
  const auto end = std::chrono::steady_clock::now();
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(model.tokens().size(), (*file)->tokens().size());
  EXPECT_EQ(30u * 1024u, (*file)->verify({})->n_pages);
  // Two headers, two slots, two copies of two segments of the log, the manifest, a part of the index a layer.
  const auto trace = files.trace();
  const auto opened = std::span(trace).first(trace.size() - 30 * 1024);
  EXPECT_LE(std::ranges::count(opened, testing::FaultOperation::read), 2 * (2 + 2 + 4 + 1 + 30));
  std::printf(
      "opened %llu MiB, 32 Ki tokens in %lld us\n", static_cast<unsigned long long>(file_bytes >> 20),
      static_cast<long long>(std::chrono::duration_cast<std::chrono::microseconds>(end - start).count()));
}

TEST_P(SessionFileTest, shows_its_contents_in_plaintext_only) {
  SessionModel model;
  model.append(40, 1);
  {
    auto file = create();
    ASSERT_TRUE(model.save(*file).ok());
  }
  const std::vector<uint8_t> bytes = disk_.contents(kPath);
  const auto shows = [&bytes](const auto& secret) {
    return std::search(bytes.begin(), bytes.end(), secret.begin(), secret.end()) != bytes.end();
  };
  std::vector<uint8_t> ids;
  for (const LoggedToken& token : model.tokens()) {
    ids.push_back(static_cast<uint8_t>(token.id));
    ids.insert(ids.end(), {0, 0, static_cast<uint8_t>(token.starts_pass ? 0x80 : 0)});
  }
  EXPECT_EQ(!GetParam(), shows(ids));
  EXPECT_EQ(!GetParam(), shows(small_identity().model_name));
  for (uint32_t layer = 0; layer < 3; ++layer)
    EXPECT_EQ(!GetParam(), shows(SessionModel::page(small_identity(), model.tokens(), layer, 9)));
}

TEST_P(SessionFileTest, opens_on_every_back_end) {
  const TempFolder folder;
  for (const bool direct : {false, true}) {
    const auto files = create_file_system({.direct = direct});
    const std::string path = folder.file(direct ? "direct" : "buffered");
    SessionModel model;
    model.append(100, 1);
    {
      auto file = SessionFile::create(*files, path, key(), small_identity(), account_);
      ASSERT_TRUE(file.ok()) << file.status().message();
      ASSERT_TRUE(model.save(**file).ok());
    }
    auto file = SessionFile::open(*files, path, key(), nullptr, account_, OpenMode::read_only);
    ASSERT_TRUE(file.ok()) << file.status().message();
    expect_whole(**file, model.tokens());
    EXPECT_EQ(ErrorKind::invalid_argument, model.save(**file).kind());
  }
}

INSTANTIATE_TEST_SUITE_P(Both, SessionFileTest, ::testing::Bool(),
                         [](const auto& which) { return which.param ? "encrypted" : "plaintext"; });

}  // namespace
}  // namespace leoam
