// Session files made by hand: right checksums around what makes no sense. Each is refused, or opens with all
// tokens and without what makes no sense; none is believed.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "runtime/store/little_endian.h"
#include "tests/support/session_forge.h"
#include "tests/support/session_model.h"
#include "tests/support/simulated_disk.h"

namespace leoam::testing {
namespace {

constexpr char kPath[] = "/a.session";
constexpr uint64_t kFar = uint64_t{1} << 60;

// What opening must come to.
enum class Outcome {
  corrupt,
  version,
  index_lost,  // all tokens, no KV
  pages_lost,  // all tokens, some pages to be computed again
  whole,       // nothing is lost: what is wrong is not needed
};

struct Case {
  const char* name;
  Outcome outcome;
  const char* says;  // part of the message, or of a finding
  std::function<void(SessionForge&)> change;
};

std::vector<uint8_t> whole_file() {
  SimulatedDisk disk;
  DiskAccount account(UINT64_MAX);
  auto file = SessionFile::create(disk, kPath, nullptr, small_identity(), account);
  SessionModel model;
  for (uint32_t round = 0; round < 3; ++round) {
    model.append(12, round);
    EXPECT_TRUE(model.save(**file).ok());
  }
  return disk.contents(kPath);
}

void change_manifest(SessionForge& forge, const std::function<void(Manifest&)>& change) {
  Manifest manifest = forge.manifest();
  change(manifest);
  forge.set_manifest(manifest);
}

void change_identity(SessionForge& forge, const std::function<void(SessionIdentity&)>& change) {
  SessionIdentity identity = small_identity();
  change(identity);
  forge.set_identity(identity.encode());
}

// The first layer's pages, as its index has them.
void change_index(SessionForge& forge, const std::function<void(IndexPart&)>& change) {
  const Manifest manifest = forge.manifest();
  const BlobRecord& blob = manifest.streams[0].index[0];
  const auto text = std::span(forge.bytes()).subspan(blob.offset_bytes, blob.bytes);
  IndexPart part = decode_index(text, small_identity().page_bytes, forge.bytes().size()).value();
  change(part);
  forge.set_index(0, encode_index(part.first_page, part.pages));
}

std::vector<uint8_t> tokens_text(uint64_t generation, uint64_t n_kept, std::vector<uint32_t> tokens) {
  std::vector<uint8_t> text(16 + 4 * tokens.size());
  store(text.data(), generation);
  store(text.data() + 8, n_kept);
  for (size_t i = 0; i < tokens.size(); ++i) store(text.data() + 16 + 4 * i, tokens[i]);
  return text;
}

std::vector<uint8_t> place_text(uint64_t first, uint64_t second, uint64_t bytes) {
  std::vector<uint8_t> text(24);
  store(text.data(), first);
  store(text.data() + 8, second);
  store(text.data() + 16, bytes);
  return text;
}

template <class T>
Case header(const char* name, Outcome outcome, const char* says, size_t at, T value) {
  return {name, outcome, says, [at, value](SessionForge& forge) { forge.set_header_number(at, value); }};
}
Case identity(const char* name, const char* says, std::function<void(SessionIdentity&)> change) {
  return {name, Outcome::corrupt, says, [change](SessionForge& forge) { change_identity(forge, change); }};
}
Case manifest(const char* name, Outcome outcome, const char* says, std::function<void(Manifest&)> change) {
  return {name, outcome, says, [change](SessionForge& forge) { change_manifest(forge, change); }};
}
Case index(const char* name, Outcome outcome, const char* says, std::function<void(IndexPart&)> change) {
  return {name, outcome, says, [change](SessionForge& forge) { change_index(forge, change); }};
}
Case slot(const char* name, Outcome outcome, const char* says, std::function<void(Slot*)> change) {
  return {name, outcome, says, [change](SessionForge& forge) { forge.set_slot(change); }};
}
// What follows the log's end and makes no sense is not part of it.
Case log(const char* name, uint32_t kind, uint32_t flags, std::vector<uint8_t> text) {
  return {name, Outcome::whole, "",
          [kind, flags, text](SessionForge& forge) { forge.append_log(kind, flags, text); }};
}

std::vector<Case> header_cases() {
  return {
      header("mark", Outcome::corrupt, "mark", 0, uint8_t{0x88}),
      header("newer_version", Outcome::version, "format 2", 8, uint32_t{2}),
      header("newest_version", Outcome::version, "format 4294967295", 8, UINT32_MAX),
      header("version_0", Outcome::corrupt, "format 1 expected", 8, uint32_t{0}),
      header("header_bytes", Outcome::corrupt, "at byte 12", 12, uint32_t{4096}),
      header("cipher", Outcome::corrupt, "at byte 32", 32, uint32_t{2}),
      header("identity_too_long", Outcome::corrupt, "at byte 36", 36, uint32_t{7937}),
      header("identity_longest", Outcome::corrupt, "at byte 36", 36, UINT32_MAX),
      header("identity_empty", Outcome::corrupt, "identity", 36, uint32_t{0}),
      header("file_changed", Outcome::corrupt, "identity", 40, uint64_t{1}),
      header("model_changed", Outcome::corrupt, "identity", 56, uint64_t{1}),
      header("geometry_changed", Outcome::corrupt, "identity", 72, uint64_t{1}),
      header("log_in_the_head", Outcome::corrupt, "no place", 88, uint64_t{4096}),
      header("log_unaligned", Outcome::corrupt, "no place", 88, kHead_bytes + 1),
      header("log_outside", Outcome::corrupt, "no place", 96, kFar),
      header("log_at_the_last_byte", Outcome::corrupt, "no place", 96, UINT64_MAX - 4095),
      header("log_copies_overlap", Outcome::corrupt, "no place", 96, kHead_bytes + 4096),
      header("log_empty", Outcome::corrupt, "no place", 104, uint64_t{0}),
      header("log_longest", Outcome::corrupt, "no place", 104, UINT64_MAX - 4095),
      header("log_half_a_block", Outcome::corrupt, "no place", 104, uint64_t{6000}),
      header("log_elsewhere", Outcome::index_lost, "claim", 88, kHead_bytes + 3 * 65536),
      {"identity_no_table", Outcome::corrupt, "schema",
       [](SessionForge& forge) { forge.set_identity(std::vector<uint8_t>(64, 0xff)); }},
      {"identity_of_zeros", Outcome::corrupt, "schema",
       [](SessionForge& forge) { forge.set_identity(std::vector<uint8_t>(64, 0)); }},
      {"identity_of_8_bytes", Outcome::corrupt, "schema",
       [](SessionForge& forge) { forge.set_identity(std::vector<uint8_t>(8, 0)); }},
      identity("no_layers", "n_layers", [](SessionIdentity& it) { it.n_layers = 0; }),
      identity("many_layers", "n_layers", [](SessionIdentity& it) { it.n_layers = 1025; }),
      identity("windows_of_other_layers", "windows", [](SessionIdentity& it) { it.n_layers = 4; }),
      identity("page_tokens_0", "page_tokens", [](SessionIdentity& it) { it.page_tokens = 0; }),
      identity("page_tokens_many", "page_tokens", [](SessionIdentity& it) { it.page_tokens = UINT32_MAX; }),
      identity("page_bytes_0", "page_bytes", [](SessionIdentity& it) { it.page_bytes = 0; }),
      identity("page_bytes_many", "page_bytes", [](SessionIdentity& it) { it.page_bytes = UINT32_MAX; }),
      identity("vocabulary_0", "n_vocab", [](SessionIdentity& it) { it.n_vocab = 0; }),
      identity("vocabulary_negative", "n_vocab", [](SessionIdentity& it) { it.n_vocab = UINT32_MAX; }),
      identity("name_too_long", "model_name", [](SessionIdentity& it) { it.model_name.assign(1025, 'x'); }),
      identity("another_geometry", "geometry", [](SessionIdentity& it) { it.head_dim = 9; }),
  };
}

std::vector<Case> slot_cases() {
  return {
      slot("slot_outside", Outcome::pages_lost, "outside", [](Slot* it) { it->offset_bytes = kFar; }),
      slot("slot_wraps", Outcome::pages_lost, "outside",
           [](Slot* it) { it->offset_bytes = UINT64_MAX - 4095; }),
      slot("slot_in_the_head", Outcome::pages_lost, "outside", [](Slot* it) { it->offset_bytes = 4096; }),
      slot("slot_unaligned", Outcome::pages_lost, "outside", [](Slot* it) { it->offset_bytes += 1; }),
      slot("slot_empty", Outcome::pages_lost, "outside", [](Slot* it) { it->bytes = 0; }),
      slot("slot_longest", Outcome::pages_lost, "outside", [](Slot* it) { it->bytes = UINT32_MAX; }),
      slot("slot_other_generation", Outcome::pages_lost, "tag", [](Slot* it) { it->generation = kFar; }),
      slot("slot_other_bytes", Outcome::pages_lost, "tag", [](Slot* it) { it->bytes -= 1; }),
      slot("slot_more_records", Outcome::corrupt, "records are whole",
           [](Slot* it) { it->n_log_records = kFar; }),
      slot("slot_fewer_records", Outcome::pages_lost, "tag", [](Slot* it) { it->n_log_records -= 1; }),
      {"manifest_no_table", Outcome::pages_lost, "schema",
       [](SessionForge& forge) { forge.set_manifest(std::vector<uint8_t>(400, 0xff), 3); }},
      {"manifest_of_zeros", Outcome::pages_lost, "schema",
       [](SessionForge& forge) { forge.set_manifest(std::vector<uint8_t>(400, 0), 3); }},
      {"manifest_of_1_byte", Outcome::pages_lost, "schema",
       [](SessionForge& forge) { forge.set_manifest(std::vector<uint8_t>(1, 0), 3); }},
      {"manifest_is_an_identity", Outcome::pages_lost, "schema",
       [](SessionForge& forge) { forge.set_manifest(small_identity().encode(), 3); }},
  };
}

std::vector<Case> manifest_cases() {
  return {
      manifest("generation_of_another", Outcome::pages_lost, "generation",
               [](Manifest& it) { it.generation += 1; }),
      manifest("more_tokens_than_bytes", Outcome::pages_lost, "tokens",
               [](Manifest& it) { it.n_tokens = kFar; }),
      manifest("other_tokens", Outcome::pages_lost, "fit the token log",
               [](Manifest& it) { it.n_tokens += 4; }),
      manifest("more_kv_than_tokens", Outcome::pages_lost, "KV", [](Manifest& it) { it.n_kv_tokens = 37; }),
      manifest("more_records", Outcome::corrupt, "records are whole",
               [](Manifest& it) { it.n_log_records = 4; }),
      manifest("between_commits", Outcome::pages_lost, "fit the token log",
               [](Manifest& it) { it.n_log_records = 0; }),
      manifest("another_log", Outcome::pages_lost, "fit the token log",
               [](Manifest& it) { it.log_tag[0] ^= 1; }),
      manifest("fewer_layers", Outcome::pages_lost, "streams", [](Manifest& it) { it.streams.pop_back(); }),
      manifest("more_layers", Outcome::pages_lost, "streams",
               [](Manifest& it) { it.streams.emplace_back(); }),
      manifest("more_pages_than_tokens", Outcome::pages_lost, "pages",
               [](Manifest& it) { it.streams[0].n_pages = 10; }),
      manifest("pages_wrap", Outcome::pages_lost, "pages",
               [](Manifest& it) { it.streams[0].first_page = UINT32_MAX; }),
      manifest("parts_missing", Outcome::pages_lost, "parts",
               [](Manifest& it) { it.streams[0].index.clear(); }),
      manifest("parts_too_many", Outcome::pages_lost, "parts",
               [](Manifest& it) { it.streams[0].index.push_back(it.streams[0].index[0]); }),
      manifest("part_outside", Outcome::pages_lost, "not in the file",
               [](Manifest& it) { it.streams[0].index[0].offset_bytes = kFar; }),
      manifest("part_in_the_head", Outcome::pages_lost, "not in the file",
               [](Manifest& it) { it.streams[0].index[0].offset_bytes = 4096; }),
      manifest("part_unaligned", Outcome::pages_lost, "not in the file",
               [](Manifest& it) { it.streams[0].index[0].offset_bytes += 8; }),
      manifest("part_longest", Outcome::pages_lost, "not in the file",
               [](Manifest& it) { it.streams[0].index[0].bytes = UINT32_MAX; }),
      manifest("part_of_another_layer", Outcome::index_lost, "claim",
               [](Manifest& it) { it.streams[0].index[0] = it.streams[2].index[0]; }),
      manifest("part_in_the_log", Outcome::index_lost, "claim",
               [](Manifest& it) { it.streams[0].index[0].offset_bytes = kHead_bytes; }),
      manifest("epoch_unknown", Outcome::pages_lost, "epoch",
               [](Manifest& it) { it.streams[0].index[0].seal.epoch = 9; }),
      manifest("epochs_descend", Outcome::pages_lost, "epoch",
               [](Manifest& it) { it.epochs.push_back(it.epochs[0]); }),
      manifest("epoch_0", Outcome::pages_lost, "epoch",
               [](Manifest& it) { it.epochs.insert(it.epochs.begin(), Epoch{}); }),
      manifest("logits_of_another_size", Outcome::pages_lost, "logits",
               [](Manifest& it) { it.logits.bytes = 196; }),
      manifest("logits_in_the_manifest", Outcome::index_lost, "claim",
               [](Manifest& it) { it.logits.offset_bytes = it.streams[0].index[0].offset_bytes; }),
      manifest("abstract_of_no_layer", Outcome::pages_lost, "abstract",
               [](Manifest& it) {
                 it.abstracts.push_back({3, 0, it.logits});
               }),
      manifest("abstract_twice", Outcome::index_lost, "claim",
               [](Manifest& it) {
                 it.abstracts.push_back({0, 0, it.logits});
               }),
  };
}

std::vector<Case> index_cases() {
  return {
      {"index_no_table", Outcome::pages_lost, "schema",
       [](SessionForge& forge) { forge.set_index(0, std::vector<uint8_t>(100, 0xff)); }},
      {"index_too_many_pages", Outcome::pages_lost, "1024 pages",
       [](SessionForge& forge) { forge.set_index(0, encode_index(0, std::vector<PageRecord>(1025))); }},
      {"index_of_another_part", Outcome::pages_lost, "pages from",
       [](SessionForge& forge) { forge.set_index(0, encode_index(1024, std::vector<PageRecord>(9))); }},
      {"index_behind_its_part", Outcome::pages_lost, "pages from",
       [](SessionForge& forge) { forge.set_index(0, encode_index(1020, std::vector<PageRecord>(9))); }},
      {"index_empty", Outcome::pages_lost, "",
       [](SessionForge& forge) { forge.set_index(0, encode_index(0, {})); }},
      index("page_outside", Outcome::pages_lost, "", [](IndexPart& it) { it.pages[1].offset_bytes = kFar; }),
      index("page_unaligned", Outcome::pages_lost, "",
            [](IndexPart& it) { it.pages[1].offset_bytes += 512; }),
      index("page_in_the_head", Outcome::pages_lost, "",
            [](IndexPart& it) { it.pages[1].offset_bytes = 4096; }),
      index("page_in_the_log", Outcome::index_lost, "claim",
            [](IndexPart& it) { it.pages[1].offset_bytes = kHead_bytes; }),
      index("page_twice", Outcome::index_lost, "claim", [](IndexPart& it) { it.pages[1] = it.pages[2]; }),
      index("page_of_no_epoch", Outcome::pages_lost, "", [](IndexPart& it) { it.pages[1].epoch = 77; }),
      index("page_of_another_counter", Outcome::pages_lost, "",
            [](IndexPart& it) { it.pages[1].counter += 1; }),
  };
}

std::vector<Case> log_cases() {
  return {
      log("log_of_no_kind", 3, 1, tokens_text(4, 36, {1})),
      log("log_tokens_too_short", 1, 1, std::vector<uint8_t>(12)),
      log("log_tokens_not_whole", 1, 1, std::vector<uint8_t>(18)),
      log("log_token_outside", 1, 1, tokens_text(4, 36, {50})),
      log("log_token_largest", 1, 1, tokens_text(4, 36, {0x7fffffff})),
      log("log_keeps_more", 1, 1, tokens_text(4, 37, {1})),
      log("log_keeps_most", 1, 1, tokens_text(4, UINT64_MAX, {1})),
      log("log_commit_not_ended", 1, 0, tokens_text(4, 36, {1, 2, 3})),
      log("log_next_too_short", 2, 0, std::vector<uint8_t>(23)),
      log("log_next_itself", 2, 0, place_text(kHead_bytes, kHead_bytes + 65536, 65536)),
      log("log_next_outside", 2, 0, place_text(kFar, kFar + 65536, 65536)),
      log("log_next_empty", 2, 0, place_text(3 * 65536, 4 * 65536, 0)),
      log("log_next_longest", 2, 0, place_text(3 * 65536, 4 * 65536, UINT64_MAX - 4095)),
      log("log_next_in_the_head", 2, 0, place_text(0, 65536 * 3, 4096)),
  };
}

class MalformedTest : public ::testing::TestWithParam<Case> {};

void expect_outcome(const Case& which, const SessionFile& file, const std::vector<LoggedToken>& tokens) {
  EXPECT_EQ(tokens, file.tokens());
  const auto pages = SessionModel::compare(file);
  EXPECT_EQ(0u, pages.n_wrong_pages);
  EXPECT_EQ(which.outcome == Outcome::index_lost, file.info().index_lost);
  if (which.outcome == Outcome::index_lost) {
    EXPECT_EQ(0u, file.info().n_kv_tokens);
  }
  const bool lost = pages.n_bad_pages + pages.n_missing_pages > 0 ||
                    file.info().n_kv_tokens < tokens.size() ||
                    file.streams()[0].pages.size() < tokens.size() / 4;
  EXPECT_EQ(which.outcome != Outcome::whole, lost);
  const auto verdict = file.verify({});
  ASSERT_TRUE(verdict.ok()) << verdict.status().message();
  const std::string says = which.says;
  const bool said = std::ranges::any_of(
      verdict->findings, [&](const std::string& finding) { return finding.find(says) != std::string::npos; });
  EXPECT_TRUE(said || says.empty()) << fmt::format("{}", fmt::join(verdict->findings, "\n"));
}

TEST_P(MalformedTest, is_not_believed) {
  const Case& which = GetParam();
  const std::vector<uint8_t> whole = whole_file();
  SessionForge forge(whole);
  which.change(forge);
  SimulatedDisk disk;
  DiskAccount account(UINT64_MAX);
  disk.set_contents(kPath, whole);
  const auto tokens =
      (*SessionFile::open(disk, kPath, nullptr, nullptr, account, OpenMode::read_only))->tokens();
  disk.set_contents(kPath, forge.bytes());
  const auto file = SessionFile::open(disk, kPath, nullptr, nullptr, account, OpenMode::read_only);
  EXPECT_EQ(forge.bytes(), disk.contents(kPath));
  if (which.outcome == Outcome::corrupt || which.outcome == Outcome::version) {
    EXPECT_EQ(which.outcome == Outcome::version ? ErrorKind::version : ErrorKind::corrupt,
              file.status().kind());
    EXPECT_NE(std::string::npos, file.status().message().find(which.says)) << file.status().message();
    return;
  }
  ASSERT_TRUE(file.ok()) << file.status().message();
  expect_outcome(which, **file, tokens);
}

std::vector<Case> all_cases() {
  std::vector<Case> all;
  for (const auto& cases : {header_cases(), slot_cases(), manifest_cases(), index_cases(), log_cases()})
    all.insert(all.end(), cases.begin(), cases.end());
  return all;
}

INSTANTIATE_TEST_SUITE_P(HandMade, MalformedTest, ::testing::ValuesIn(all_cases()),
                         [](const auto& which) { return which.param.name; });

TEST(Malformed, there_are_many) {
  EXPECT_GE(all_cases().size(), 60u);
}

}  // namespace
}  // namespace leoam::testing
