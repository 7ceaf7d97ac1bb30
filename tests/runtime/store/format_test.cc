// FORMAT.md shows a file; this makes it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/support/session_model.h"
#include "tests/support/simulated_disk.h"

namespace leoam {
namespace {

uint8_t next_byte = 0;

Status counting_bytes(std::span<uint8_t> out) {
  for (uint8_t& byte : out) byte = next_byte++;
  return {};
}

std::vector<uint8_t> example_file() {
  testing::SimulatedDisk disk;
  DiskAccount account(UINT64_MAX);
  std::vector<uint8_t> key_bytes(SecretKey::kKey_bytes);
  for (size_t i = 0; i < key_bytes.size(); ++i) key_bytes[i] = static_cast<uint8_t>(i);
  const SecretKey key = std::move(SecretKey::from_bytes(key_bytes)).value();
  next_byte = 0;
  const auto file =
      SessionFile::create(disk, "/example", &key, testing::small_identity(), account, counting_bytes);
  EXPECT_TRUE(file.ok());
  const std::vector<LoggedToken> tokens{{1, true}, {2, false}, {3, false}, {4, true}, {5, false}};
  const std::vector<StreamIndex> layers(3);
  SessionCommit commit;
  commit.tokens = tokens;
  commit.streams = layers;
  EXPECT_TRUE((*file)->commit(commit).ok());
  return disk.contents("/example");
}

// Lines of 16 bytes as FORMAT.md has them, without those that are zero.
std::string dump(const std::vector<uint8_t>& bytes) {
  std::string text;
  for (size_t at = 0; at + 16 <= bytes.size(); at += 16) {
    std::string line = fmt::format("{:06x} ", at);
    bool zero = true;
    for (size_t i = at; i < at + 16; ++i) {
      line += fmt::format(" {:02x}", bytes[i]);
      zero = zero && bytes[i] == 0;
    }
    if (!zero) text += line + "\n";
  }
  return text;
}

TEST(Format, the_document_shows_what_is_written) {
  const char* root = std::getenv("LEOAM_SOURCE_DIR");
  ASSERT_NE(nullptr, root);
  std::ifstream file(std::string(root) + "/runtime/store/FORMAT.md");
  std::stringstream document;
  document << file.rdbuf();
  const std::string expected = "```\n" + dump(example_file()) + "```\n";
  EXPECT_NE(std::string::npos, document.str().find(expected)) << expected;
}

}  // namespace
}  // namespace leoam
